//! From two latent codes to a picture between them, in a dozen lines.
//!
//!     cargo run --release --example latent_to_pixels

use std::path::Path;
use std::sync::Arc;

use hypersine::engine::{DeviceChoice, Engine, Strategy};
use hypersine::model::{self, Domain};
use hypersine::signal::{Depth, Picture};

fn main() -> hypersine::Result<()> {
    let model = Arc::new(model::builtin("emoji")?);
    let field = Engine::open(&DeviceChoice::Auto)?.load(&model)?;

    let latent = |name| model.latents.find(name).map(|row| model.latents.get(row));
    let z: Vec<f32> = latent("tiger")?.iter().zip(latent("cat")?).map(|(a, b)| 0.6 * a + 0.4 * b).collect();

    let grid = model.coordinates.grid(512, 512, None)?;
    let (values, report) = field.evaluate(&z, &Domain::Grid(grid), Strategy::Auto)?;
    let out = Path::new("tiger_cat.png");
    Picture { width: 512, height: 512, channels: model.inr.outputs, values, range: model.values }
        .save(out, Depth::Eight)?;
    println!("{}: evaluated in {:.1} ms", out.display(), report.timings.evaluate_s * 1e3);
    Ok(())
}
