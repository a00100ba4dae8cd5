//! `mesh`: a solid's surface as triangles.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;
use hypersine::engine::Body;
use hypersine::model::{Frame, Model};
use hypersine::output::check_writable;
use hypersine::surface::{Format, Search, components, extract, write};
use serde_json::json;

use super::latent::LatentArgs;
use super::{Global, open_model};

/// Reconstruct a shape: the surface of one latent's solid as a closed mesh
///
/// Only cells near the surface are evaluated. Vertices are put onto the surface by Newton steps along the exact gradient,
/// which gives the normals, too. A model knows where its shapes lay in their own files, and the mesh lies there again.
#[derive(Args)]
pub(super) struct Mesh {
    /// Model file
    model: String,
    #[command(flatten)]
    latent: LatentArgs,
    /// Cells along each axis of the box [-1, 1]^3
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(2..=2048))]
    resolution: u32,
    /// The value on the surface [default: 0; Occupancy Networks show the logit of 0.2, -1.386]
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true, default_value_t = 0.0)]
    level: f32,
    /// Evaluate every corner of every cell instead of those near the surface
    #[arg(long)]
    dense: bool,
    /// Newton steps; 0: vertices stay where a line between two corners crosses the level
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=16))]
    newton: u32,
    /// Leave the mesh in the box [-1, 1]^3
    #[arg(long)]
    boxed: bool,
    /// Where to write: .ply, .obj, .stl or .glb
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl Mesh {
    pub(super) fn run(&self, global: &Global) -> Result<()> {
        // A wrong ending is said before the work.
        Format::of(&self.output)?;
        check_writable(&self.output)?;
        let model = open_model(&self.model)?;
        let z = self.latent.resolve(&model)?;
        let engine = global.engine()?;
        let mut body = Body::new(&engine, &model, &z)?;
        let mut settings = body.settings(self.resolution);
        (settings.level, settings.newton) = (self.level, self.newton);
        if self.dense {
            settings.search = Search::Everywhere;
        }
        let started = Instant::now();
        let (surface, statistics) = extract(&mut body, &settings)?;
        let seconds = started.elapsed().as_secs_f64();
        if surface.mesh.triangles.is_empty() || surface.is_border(&settings.cube) {
            bail!("{}: no surface in the box: no value crosses {}", self.model, self.level);
        }
        let frame = if self.boxed { Frame::default() } else { frame(&model, &self.latent) };
        write(&self.output, &surface, &frame.placement())?;

        let pieces = components(&surface.mesh);
        let largest = pieces.first().map_or(0.0, |p| p.volume.abs());
        let share = statistics.evaluations as f64 / statistics.corners as f64;
        let (vertices, triangles) = (surface.mesh.vertices.len(), surface.mesh.triangles.len());
        let json = json!({
            "output": self.output.display().to_string(), "device": engine.describe(), "vertices": vertices, "triangles": triangles,
            "evaluations": statistics.evaluations, "corners": statistics.corners, "share": share,
            "gradients": statistics.gradients, "bound": statistics.bound, "steepest": statistics.steepest,
            "followed": statistics.followed, "bytes": statistics.bytes, "seconds": seconds,
            "volume": surface.mesh.volume() * frame.scale.powi(3), "area": surface.mesh.area() * frame.scale.powi(2),
            "components": pieces.iter().map(|p| p.volume.abs() / largest).collect::<Vec<_>>(),
        });
        global.report(&json, || {
            format!(
                "{}: {vertices} vertices, {triangles} triangles, {} piece{}; {:.1} % of {} corners evaluated in {seconds:.2} s",
                self.output.display(),
                pieces.len(),
                if pieces.len() == 1 { "" } else { "s" },
                100.0 * share,
                statistics.corners
            )
        });
        Ok(())
    }
}

/// Where the solid that the command line asks for lies in the world.
pub(super) fn frame(model: &Model, latent: &LatentArgs) -> Frame {
    let row = latent.latent.as_ref().filter(|_| latent.mix.is_none()).and_then(|name| model.latents.find(name).ok());
    model.solid.as_ref().map(|solid| solid.frame(row)).unwrap_or_default()
}
