//! Makes a random family whose heads are of low rank, for measuring what thousands of INRs in one dispatch cost:
//!
//!     cargo run --release --example random_gallery -- 4096 gallery.safetensors
//!     hypersine render gallery.safetensors --all --size 64 --strategy fused --json -o gallery.png

use std::path::PathBuf;

use hypersine::Result;
use hypersine::model::file::{self, Precision};
use hypersine::model::heads::Multiplier;
use hypersine::model::{Family, HeadChoice, Inr, WeightChoice};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let latents: usize = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(4096);
    let output = PathBuf::from(arguments.next().unwrap_or_else(|| "gallery.safetensors".into()));
    let family = Family { latent_dim: 64, features: 64, shared_trunk: true, latents, seed: 0, ..Family::default() };
    let rank_8 = HeadChoice { weight: WeightChoice::LowRank(8, Multiplier::Tanh), modulation: None };
    let model = family.build(Inr::siren(2, 64, 4, 3, 30.0), |_| rank_8);
    file::save(&model, &output, Precision::F32)?;
    println!("{}: {latents} latents", output.display());
    Ok(())
}
