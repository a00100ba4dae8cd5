//! What it saves to follow rays on the device: pictures of a solid, with rays followed there and by asking for values.
//!
//! `cargo run --release --example march -- MODEL [LATENT] [DEVICE] [SIDE]`: the two take turns, three times.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::anyhow;
use hypersine::Result;
use hypersine::engine::{Body, Engine};
use hypersine::model::file;
use hypersine::surface::Implicit;
use hypersine::trace::{Scene, Statistics};

/// A solid that hands over values only.
struct ByValues<'a>(&'a mut Body);

impl Implicit for ByValues<'_> {
    fn values(&mut self, points: &[f32], out: &mut [f32]) -> Result<()> {
        self.0.values(points, out)
    }

    fn gradients(&mut self, points: &[f32], out: &mut [f32]) -> Result<()> {
        self.0.gradients(points, out)
    }
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or_else(|| anyhow!("give a model of solids"))?;
    let latent: usize = arguments.next().map_or(Ok(0), |n| n.parse())?;
    let device = arguments.next().unwrap_or_else(|| "auto".to_owned());
    let side: u32 = arguments.next().map_or(Ok(128), |n| n.parse())?;
    let model = Arc::new(file::load(Path::new(&path))?);
    let z = if model.latent_dim() == 0 { &[] } else { model.latents.get(latent) };
    let engine = Engine::open(&device.parse().map_err(|_| anyhow!("no device"))?)?;
    println!("{}, {} on {}, {side}x{side}", path, model.inr, engine.describe());
    let mut body = Body::new(&engine, &model, z)?;
    for plain in [true, false] {
        let mut scene = Scene { inside: body.inside(), shadow: !plain, occlusion: !plain, ..Scene::default() };
        if plain {
            // Measured once, and not again for each picture.
            let bound = scene.trace(&mut body, &[])?.1.bound;
            scene.march = hypersine::trace::March::Spheres { bound, relaxation: 0.9 };
        }
        for turn in 0..4 {
            for on_device in [true, false] {
                let started = Instant::now();
                let statistics = if on_device {
                    scene.render(&mut body, side, side, 1, |_| Ok(()))?
                } else {
                    scene.render(&mut ByValues(&mut body), side, side, 1, |_| Ok(()))?
                };
                // The first turn makes pipelines.
                if turn > 0 {
                    report(plain, on_device, &statistics, started.elapsed().as_secs_f64());
                }
            }
        }
    }
    Ok(())
}

fn report(plain: bool, on_device: bool, s: &Statistics, seconds: f64) {
    println!(
        "{}, {}: {seconds:.3} s, {:.0} rays/s, {:.2} steps a ray, {} values, {} calls or waits",
        if plain { "plain" } else { "shadows and occlusion" },
        if on_device { "on the device" } else { "by values" },
        s.rays as f64 / seconds,
        s.steps as f64 / s.traced as f64,
        s.evaluations,
        s.batches
    );
}
