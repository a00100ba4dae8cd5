//! What is worked out beside the picture: its PSNR, the weights behind it, a solid's mesh, signals from files, and exports. On threads of
//! their own and on the CPU backend, so that the window waits for none of it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::heap;
use super::latent::Weights;
use super::scene::{Request, Subject, Truth};
use super::wires::{Of, Wires};
use crate::engine::{Body, Engine, Field, Mosaic, Strategy};
use crate::model::file::{self, Precision};
use crate::model::{Domain, Frame, Model, Morph, Principal};
use crate::output::write_npy;
use crate::signal::{Canvas, Depth, Picture, psnr, write_gif, write_rows};
use crate::trace::Scene;
use crate::{Error, Result, cpu, surface};

/// Bars of a histogram.
const BARS: usize = 41;

/// A question; a newer one of the same kind replaces one that waits.
pub(super) enum Errand {
    /// How close the picture is to the signal.
    Psnr(Arc<Model>, Weights, Truth),
    /// The weights of every layer.
    Weights(Arc<Model>, Weights),
    /// The principal axes of the table.
    Principal(Arc<Model>),
    /// The mesh to draw over a solid.
    Wires(Of),
    /// The signal in a file.
    Truth { name: String, file: PathBuf, model: Arc<Model> },
}

/// An answer.
pub(super) enum Found {
    /// For these weights and that signal.
    Psnr(Weights, String, f64),
    Weights(Weights, Vec<LayerWeights>),
    Principal(Principal),
    Wires(Wires),
    Truth(Truth),
    Failed(Error),
}

/// One layer's weight matrix to look at.
#[derive(Clone, Debug)]
pub(super) struct LayerWeights {
    pub outputs: usize,
    pub inputs: usize,
    /// The largest magnitude.
    pub peak: f32,
    pub deviation: f32,
    /// `[outputs][inputs]`: blue below 0, white at 0, red above.
    pub image: egui::ColorImage,
    /// Share of the weights in each of [`BARS`] bins from -peak to peak.
    pub histogram: Vec<f32>,
}

/// Someone who answers, in the background.
pub(super) struct Clerk {
    desk: Arc<(Mutex<Desk>, Condvar)>,
    found: Receiver<Found>,
}

/// What waits to be answered.
#[derive(Default)]
struct Desk {
    waiting: [Option<Errand>; 5],
    closed: bool,
}

impl Drop for Clerk {
    fn drop(&mut self) {
        let (desk, bell) = &*self.desk;
        desk.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        bell.notify_all();
    }
}

impl Clerk {
    pub(super) fn new(wake: impl Fn() + Send + 'static) -> Self {
        let desk = Arc::new((Mutex::new(Desk::default()), Condvar::new()));
        let (send, found) = channel();
        let theirs = Arc::clone(&desk);
        std::thread::spawn(move || {
            while let Some(errand) = next(&theirs) {
                let answer = run(errand).unwrap_or_else(Found::Failed);
                if send.send(answer).is_err() {
                    return;
                }
                wake();
            }
        });
        Self { desk, found }
    }

    pub(super) fn ask(&self, errand: Errand) {
        let slot = match errand {
            Errand::Truth { .. } => 0,
            Errand::Psnr(..) => 1,
            Errand::Weights(..) => 2,
            Errand::Principal(..) => 3,
            Errand::Wires(..) => 4,
        };
        let (desk, bell) = &*self.desk;
        desk.lock().unwrap_or_else(PoisonError::into_inner).waiting[slot] = Some(errand);
        bell.notify_all();
    }

    pub(super) fn take(&self) -> Option<Found> {
        self.found.try_recv().ok()
    }
}

/// Waits for the next errand; None when the window is closed.
fn next(desk: &(Mutex<Desk>, Condvar)) -> Option<Errand> {
    let mut waiting = desk.0.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if waiting.closed {
            return None;
        }
        if let Some(errand) = waiting.waiting.iter_mut().find_map(Option::take) {
            return Some(errand);
        }
        waiting = desk.1.wait(waiting).unwrap_or_else(PoisonError::into_inner);
    }
}

fn run(errand: Errand) -> Result<Found> {
    match errand {
        Errand::Psnr(model, weights, truth) => {
            let picture = &truth.picture;
            let grid = model.coordinates.grid(picture.width, picture.height, None)?;
            let (model, z) = weights.of(&model)?;
            let field = Engine::cpu().load(&model)?;
            let (values, _) = field.evaluate(&z, &Domain::Grid(grid), Strategy::Auto)?;
            let psnr = psnr(&Picture { values, ..(**picture).clone() }, picture)?;
            Ok(Found::Psnr(weights, truth.name, psnr))
        }
        Errand::Weights(model, weights) => {
            let (model, z) = weights.of(&model)?;
            let network = cpu::Network::<f32>::new(&model);
            let theta = network.materialise(1, &network.features(1, &z));
            let slots = model.hypernetwork.slots(&model.inr);
            let layers = model.inr.layers().into_iter().zip(slots).map(|(shape, slots)| {
                layer(&theta[slots.weight..slots.weight + shape.weights()], shape.outputs, shape.inputs)
            });
            let layers = layers.collect();
            Ok(Found::Weights(weights, layers))
        }
        Errand::Principal(model) => Ok(Found::Principal(Principal::of(&model.latents))),
        Errand::Wires(of) => Wires::find(of).map(Found::Wires),
        Errand::Truth { name, file, model } => {
            let picture = Arc::new(Picture::load(&file, model.inr.outputs, model.values)?);
            Ok(Found::Truth(Truth { name, picture }))
        }
    }
}

fn layer(weights: &[f32], outputs: usize, inputs: usize) -> LayerWeights {
    let peak = weights.iter().fold(0.0_f32, |m, w| m.max(w.abs()));
    let count = (weights.len() as f32).max(1.0);
    let deviation = (weights.iter().map(|w| w * w).sum::<f32>() / count).sqrt();
    let mut histogram = vec![0.0; BARS];
    let scale = if peak > 0.0 { 1.0 / peak } else { 0.0 };
    let colour = |w: &f32| {
        let x = w * scale;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
        let fade = (255.0 * (1.0 - x.abs().sqrt())).round() as u8;
        if x < 0.0 { egui::Color32::from_rgb(fade, fade, 255) } else { egui::Color32::from_rgb(255, fade, fade) }
    };
    for w in weights {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to BARS - 1")]
        let bar = ((w * scale + 1.0) * 0.5 * (BARS - 1) as f32).round() as usize;
        histogram[bar.min(BARS - 1)] += 1.0 / count;
    }
    let image = egui::ColorImage::new([inputs, outputs], weights.iter().map(colour).collect());
    LayerWeights { outputs, inputs, peak, deviation, image, histogram }
}

/// Something to be written to a file.
#[derive(Clone, Debug)]
pub(super) enum Export {
    /// What the canvas shows, in so many pixels.
    Picture { request: Request, size: [u32; 2] },
    /// A morph: numbered PNGs in a folder, or a GIF.
    Morph { morph: Morph, request: Request, size: [u32; 2], frames: usize, fps: u32 },
    /// A solid's surface where its values are `level`, by so many cells along an axis, as it lies in the world.
    Mesh { weights: Weights, cells: u32, level: f32, frame: Frame },
    /// The latent code.
    Latent(Vec<f32>),
    /// The model itself.
    Model,
}

/// Writes files, one after the other.
pub(super) struct Porter {
    jobs: Sender<Box<dyn FnOnce() + Send>>,
}

impl Porter {
    pub(super) fn new() -> Self {
        let (jobs, todo) = channel::<Box<dyn FnOnce() + Send>>();
        // The thread ends when the window, and with it `jobs`, is dropped.
        std::thread::spawn(move || todo.into_iter().for_each(|job| job()));
        Self { jobs }
    }

    /// Writes this next.
    pub(super) fn send(
        &self,
        export: Export,
        model: Arc<Model>,
        path: PathBuf,
        wake: impl Fn() + Send + 'static,
    ) -> Exporting {
        let progress = Arc::new(AtomicU32::new(0));
        let (send, outcome): (Sender<Result<()>>, _) = channel();
        let (done, to) = (Arc::clone(&progress), path.clone());
        // A thread that is gone drops the other end of `outcome`, which says so.
        let _ = self.jobs.send(Box::new(move || {
            let tell = |share: f64| {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
                done.store((share * 1000.0) as u32, Ordering::Relaxed);
                wake();
            };
            // A window that is closed does not ask.
            let _ = send.send(write(&export, &model, &to, &tell));
            wake();
            heap::give_back();
        }));
        Exporting { path, progress, outcome }
    }
}

/// A file on its way.
pub(super) struct Exporting {
    pub path: PathBuf,
    /// Thousandths done.
    progress: Arc<AtomicU32>,
    outcome: Receiver<Result<()>>,
}

impl Exporting {
    /// How much is done, 0 to 1.
    pub(super) fn progress(&self) -> f32 {
        self.progress.load(Ordering::Relaxed) as f32 / 1000.0
    }

    /// How it ended, once it has.
    pub(super) fn outcome(&self) -> Option<Result<()>> {
        self.outcome.try_recv().ok()
    }
}

fn write(export: &Export, model: &Arc<Model>, path: &Path, tell: &dyn Fn(f64)) -> Result<()> {
    match export {
        Export::Picture { request, size } => {
            let (model, z) = request.weights.of(model)?;
            picture(&Stage::new(&model, request, *size)?, &z, path, tell)
        }
        Export::Morph { morph, request, size, frames, fps } => {
            let count = *frames;
            let done = |i: usize| tell((i + 1) as f64 / count as f64);
            let stage = Stage::new(model, request, *size)?;
            if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gif")) {
                return write_gif(path, &stage.canvas(), *fps, |frame| {
                    for (i, z) in morph.frames(count).enumerate() {
                        let mut picture = Vec::new();
                        stage.render(&z, |values| {
                            picture.extend_from_slice(values);
                            Ok(())
                        })?;
                        frame(&picture)?;
                        done(i);
                    }
                    Ok(())
                });
            }
            std::fs::create_dir_all(path).map_err(Error::io("make", path))?;
            for (i, z) in morph.frames(count).enumerate() {
                picture(&stage, &z, &path.join(format!("{i:05}.png")), &|_| ())?;
                done(i);
            }
            Ok(())
        }
        Export::Mesh { weights, cells, level, frame } => {
            // A wrong ending is said before the work.
            surface::Format::of(path)?;
            let (model, z) = weights.of(model)?;
            let mut body = Body::new(&Engine::cpu(), &model, &z)?;
            let settings = surface::Settings { level: *level, ..body.settings(*cells) };
            let (surface, _) = surface::extract(&mut body, &settings)?;
            if surface.mesh.triangles.is_empty() || surface.is_border(&settings.cube) {
                return Err(Error::invalid(format!("there is no surface in the box: no value crosses {level}")));
            }
            surface::write(path, &surface, &frame.placement())
        }
        Export::Latent(z) => write_npy(path, z),
        Export::Model => file::save(model, path, Precision::F32),
    }
}

/// Where pictures of a model's latents are made, of so many pixels.
struct Stage<'a> {
    size: [u32; 2],
    aa: u32,
    kind: Kind<'a>,
}

enum Kind<'a> {
    Plane(Field, Mosaic),
    Solid(Engine, &'a Arc<Model>, &'a Scene),
}

impl<'a> Stage<'a> {
    fn new(model: &'a Arc<Model>, request: &'a Request, size: [u32; 2]) -> Result<Self> {
        let (engine, aa) = (Engine::cpu(), request.aa);
        let kind = match &request.subject {
            Subject::Plane { region, .. } => {
                let grid = model.coordinates.grid(size[0], size[1], Some(*region))?;
                Kind::Plane(engine.load(model)?, Mosaic::single(grid, aa)?)
            }
            Subject::Solid(scene) => Kind::Solid(engine, model, scene),
        };
        Ok(Self { size, aa, kind })
    }

    fn canvas(&self) -> Canvas {
        let [width, height] = self.size;
        match &self.kind {
            Kind::Plane(field, _) => {
                let Model { inr, values, .. } = &**field.model();
                Canvas { width, height, channels: inr.outputs, range: *values }
            }
            Kind::Solid(..) => Scene::canvas(width, height),
        }
    }

    /// Hands over the rows of a latent's picture.
    fn render(&self, z: &[f32], mut rows: impl FnMut(&[f32]) -> Result<()>) -> Result<()> {
        match &self.kind {
            Kind::Plane(field, mosaic) => mosaic.render(field, z, Strategy::Auto, rows).map(drop),
            Kind::Solid(engine, model, scene) => {
                let mut body = Body::new(engine, model, z)?;
                scene.render(&mut body, self.size[0], self.size[1], self.aa, &mut rows).map(drop)
            }
        }
    }
}

fn picture(stage: &Stage<'_>, z: &[f32], path: &Path, tell: &dyn Fn(f64)) -> Result<()> {
    let canvas = stage.canvas();
    write_rows(path, &canvas, Depth::Eight, |rows| {
        let mut done = 0;
        stage.render(z, |values| {
            done += values.len() / canvas.row();
            tell(done as f64 / f64::from(canvas.height));
            rows(values)
        })
    })
}
