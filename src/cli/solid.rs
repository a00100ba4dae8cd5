//! `render` of solids: pictures by casting rays.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Args;
use hypersine::engine::{Body, Engine, Mosaic};
use hypersine::model::Model;
use hypersine::signal::{Canvas, Depth, write_gif, write_rows};
use hypersine::trace::{Look, Orbit, Scene, Slice, Statistics};

use super::Global;

/// Most pixels of a sheet of several pictures.
const SHEET: u64 = 1 << 25;

/// From where a solid is seen, and how.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Solids")]
pub(super) struct SolidArgs {
    /// Where the camera stands, in degrees around the y axis from +z and above the horizon, how far from what it looks at,
    /// its field of view (0: orthographic), and what that is, if not the middle of the box [-1, 1]^3 [default: 30,20]
    #[arg(long, value_name = "AZIMUTH,ELEVATION[,DISTANCE[,FOV[,X,Y,Z]]]", allow_hyphen_values = true)]
    camera: Option<Orbit>,
    /// What surfaces look like [default: clay]
    #[arg(long, value_enum)]
    look: Option<Look>,
    /// A plane across an axis, on which lines of equal value are drawn, with what is before it cut off (z,0.25) or not
    /// (z,0.25,whole)
    #[arg(long, value_name = "AXIS[,OFFSET[,whole]]", allow_hyphen_values = true)]
    slice: Option<Slice>,
    /// The value on the surface [default: 0]
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    level: Option<f32>,
    /// Without shadows and occlusion, which take as long again as the picture
    #[arg(long)]
    plain: bool,
}

impl SolidArgs {
    /// Whether anything is asked for that pictures do not have.
    pub(super) fn is_some(&self) -> bool {
        self.camera.is_some() || self.look.is_some() || self.slice.is_some() || self.level.is_some() || self.plain
    }

    fn scene(&self, body: &Body) -> Scene {
        let scene = Scene::of(body.side());
        Scene {
            camera: self.camera.unwrap_or_default().camera(&scene.cube),
            level: self.level.unwrap_or_default(),
            look: self.look.unwrap_or_default(),
            shadow: !self.plain,
            occlusion: !self.plain,
            slice: self.slice,
            ..scene
        }
    }
}

/// Solids of a model and how they are drawn.
pub(super) struct Solids<'a> {
    pub engine: &'a Engine,
    pub model: &'a Arc<Model>,
    pub view: &'a SolidArgs,
    /// Of each picture.
    pub size: [u32; 2],
    pub aa: u32,
    pub depth: Depth,
    pub global: &'a Global,
}

impl Solids<'_> {
    /// One picture in a file.
    pub(super) fn write(&self, path: &Path, z: &[f32]) -> Result<Statistics> {
        let [width, height] = self.size;
        let canvas = Scene::canvas(width, height);
        let bar = self.global.progress(u64::from(height), "{bar:40} {pos}/{len} rows, {eta} left");
        let statistics = write_rows(path, &canvas, self.depth, |rows| {
            self.trace(z, |values| {
                rows(values)?;
                bar.inc((values.len() / canvas.row()) as u64);
                Ok(())
            })
        })?;
        bar.finish_and_clear();
        Ok(statistics)
    }

    /// A picture for each latent, one after the other.
    pub(super) fn animate(&self, path: &Path, latents: &[&[f32]], fps: u32) -> Result<Statistics> {
        let [width, height] = self.size;
        let bar = self.global.progress(latents.len() as u64, "{bar:40} {pos}/{len} frames, {eta} left");
        let statistics = write_gif(path, &Scene::canvas(width, height), fps, |frame| {
            let mut all = Statistics::default();
            for z in latents {
                let (picture, statistics) = self.picture(z)?;
                frame(&picture)?;
                all.merge(&statistics);
                bar.inc(1);
            }
            Ok(all)
        })?;
        bar.finish_and_clear();
        Ok(statistics)
    }

    /// A picture for each latent, side by side.
    pub(super) fn sheet(&self, path: &Path, latents: &[&[f32]], columns: Option<usize>) -> Result<Statistics> {
        if let [z] = latents {
            return self.write(path, z);
        }
        let [width, height] = self.size;
        let columns = Mosaic::columns(latents.len(), columns, self.size);
        let lines = latents.len().div_ceil(columns);
        let across = u64::from(width) * columns as u64;
        let down = u64::from(height) * lines as u64;
        if across * down > SHEET {
            bail!(
                "{}: a sheet of {across}x{down} pixels; give a smaller --size, or a folder/ for a file each",
                path.display()
            );
        }
        let whole = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let canvas = Canvas { width: whole(across), height: whole(down), ..Scene::canvas(1, 1) };
        let bar = self.global.progress(latents.len() as u64, "{bar:40} {pos}/{len}, {eta} left");
        let (row, mut all) = (width as usize * 3, Statistics::default());
        let statistics = write_rows(path, &canvas, self.depth, |rows| {
            for line in latents.chunks(columns) {
                // White where the last line is shorter.
                let mut values = vec![1.0; row * columns * height as usize];
                for (column, z) in line.iter().enumerate() {
                    let (picture, statistics) = self.picture(z)?;
                    for (to, from) in values.chunks_exact_mut(row * columns).zip(picture.chunks_exact(row)) {
                        to[column * row..][..row].copy_from_slice(from);
                    }
                    all.merge(&statistics);
                    bar.inc(1);
                }
                rows(&values)?;
            }
            Ok(all)
        })?;
        bar.finish_and_clear();
        Ok(statistics)
    }

    fn picture(&self, z: &[f32]) -> hypersine::Result<(Vec<f32>, Statistics)> {
        let mut picture = Vec::new();
        let statistics = self.trace(z, |rows| {
            picture.extend_from_slice(rows);
            Ok(())
        })?;
        Ok((picture, statistics))
    }

    fn trace(&self, z: &[f32], rows: impl FnMut(&[f32]) -> hypersine::Result<()>) -> hypersine::Result<Statistics> {
        let mut body = Body::new(self.engine, self.model, z)?;
        let scene = self.view.scene(&body);
        let [width, height] = self.size;
        scene.render(&mut body, width, height, self.aa, rows)
    }
}
