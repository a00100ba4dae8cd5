//! Makes a model with more latents out of one that has a few: every further row is a mix of two of its own.
//! Useful to see what thousands of INRs in one dispatch cost:
//!
//!     cargo run --release --example widen_family -- 4096 wide.safetensors
//!     hypersine render wide.safetensors --all --strategy fused --json -o wide.png

use std::path::PathBuf;

use hypersine::model::file::{self, Precision};
use hypersine::model::{self, LatentTable};
use hypersine::{Error, Result};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(4096);
    let output = PathBuf::from(arguments.next().unwrap_or_else(|| "wide.safetensors".into()));

    let mut model = model::builtin("emoji")?;
    let table = &model.latents;
    let own = table.len();
    if count < own {
        return Err(Error::invalid(format!("the model has {own} latents already")));
    }
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for row in 0..count {
        // Row r mixes latent r with the one (r / own) places further on, half and half.
        let (a, b) = (row % own, (row + row / own) % own);
        let name = if a == b { table.names()[a].clone() } else { format!("{}+{}", table.names()[a], table.names()[b]) };
        names.push(name);
        values.extend(table.get(a).iter().zip(table.get(b)).map(|(x, y)| 0.5 * (x + y)));
    }
    model.latents = LatentTable::new(names, values)?;
    model.provenance += ", its table widened by mixes";
    file::save(&model, &output, Precision::F32)?;
    println!("{}: {count} latents", output.display());
    Ok(())
}
