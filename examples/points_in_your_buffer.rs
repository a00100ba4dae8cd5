//! Evaluation into a GPU buffer of your own, with no copy to the host: the pixel under a point, for every
//! latent of a family at once, and then a kernel of yours could go on from there.
//!
//!     cargo run --release --example points_in_your_buffer

use std::sync::Arc;

use hypersine::gpu::{Context, Field, Reject, Use};
use hypersine::model::{self, Domain};

fn main() -> hypersine::Result<()> {
    let model = Arc::new(model::builtin("emoji")?);
    let ctx = Context::best(Reject::Nothing)?;
    let field = Field::new(&ctx, &model)?;

    // All latents, fused: their weights never exist in memory.
    let count = model.latents.len();
    let codes = field.prepare(model.latents.values(), count, true)?;
    let points = [0.0_f32, 0.0, -0.5, -0.5, 0.5, 0.5]; // x, y, x, y, ...
    let domain = Domain::Points { coordinates: &points, inputs: 2 };

    // Any buffer with STORAGE usage will do; this one is counted by the context, too.
    let numbers = count * domain.len() * model.inr.outputs;
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
    let output = ctx.buffer("my output", numbers as u64 * 4, usage, Use::Output)?;
    let timings = field.run(&codes, 0..count, &domain, output.raw())?;

    let mut values = vec![0.0; numbers];
    ctx.read_back(&output, &ctx.staging(numbers as u64 * 4)?, &mut values)?;
    let centre_of = |row: usize| &values[row * domain.len() * 3..][..3];
    let reddest = (0..count).max_by(|&a, &b| redness(centre_of(a)).total_cmp(&redness(centre_of(b))));
    if let Some(row) = reddest {
        println!("reddest in the middle: {} {:?}", model.latents.names()[row], centre_of(row));
    }
    println!("{count} INRs, {:.2} ms on {}", timings.evaluate_s * 1e3, ctx.summary().name);
    Ok(())
}

fn redness(rgb: &[f32]) -> f32 {
    rgb[0] - 0.5 * (rgb[1] + rgb[2])
}
