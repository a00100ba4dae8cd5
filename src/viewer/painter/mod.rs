//! Evaluates requests a slice at a time, coarse first, so that the window never waits for a picture.
//!
//! A picture is evaluated at an eighth, a quarter, a half and the whole of the resolution, then with several points per
//! pixel. A new request abandons the one at hand, but for its first level: however fast requests come, pictures go on
//! coming too. A GPU evaluates on the window's own device, one slice in flight at a time; the CPU backend, and a software
//! driver on a device of its own, evaluate bands of rows on a worker thread. Solids are always traced there. When nothing
//! else is to be done, thumbnails of the whole table are.

mod direct;
mod easel;
mod sheet;
mod solid;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use super::latent::Weights;
use super::scene::Request;
pub(super) use sheet::{Atlas, MOST_THUMBNAILS};
use sheet::{COLUMNS, THUMBNAIL};

use crate::Result;
use crate::engine::{Engine, Field};
use crate::gpu::Context;
use crate::model::{Model, Region, ValueRange};

/// How finely a picture is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Detail {
    /// Canvas pixels per evaluated pixel, along each side.
    pub coarse: u32,
    /// Texels per evaluated pixel, along each side, whose mean it is.
    pub samples: u32,
    /// Points of a texel, along each side, whose mean it is.
    pub points: u32,
}

impl Detail {
    /// Points of an evaluated pixel, along each side.
    pub(super) fn aa(self) -> u32 {
        self.samples * self.points
    }
}

/// Canvas pixels per evaluated pixel, along each side.
const LEVELS: [u32; 4] = [8, 4, 2, 1];
/// A coarse level is worth showing when the finest would take longer than this.
const PATIENCE: Duration = Duration::from_millis(30);
/// Seconds that a point of a picture, and a ray at a solid, are supposed to take before one is measured.
const POINT: f64 = 1e-6;
const RAY: f64 = 2e-5;
/// A picture that would take longer is not supersampled.
const REST: Duration = Duration::from_secs(8);
/// Texels of clipped display values; of values that are clipped only after the mean of a pixel's points is taken, as
/// `render` does; and of floats where differences are wanted. (A GPU paints halves from the start: another format for the
/// last level would be another kernel, which software drivers compile when it is first used.)
pub(super) const BYTES: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;
const HALVES: wgpu::TextureFormat = wgpu::TextureFormat::Rgba16Float;
const FLOATS: wgpu::TextureFormat = wgpu::TextureFormat::Rgba32Float;
/// A finished picture, ready to be drawn.
#[derive(Debug)]
pub(super) struct Shown {
    pub view: wgpu::TextureView,
    pub region: Region,
    pub detail: Detail,
    /// The last that was to come: nothing finer will.
    pub last: bool,
    /// Size of the picture, and the points that were evaluated.
    pub size: [u32; 2],
    pub points: usize,
    /// Values that this took: of solids, many for each point of the picture.
    pub evaluations: u64,
    /// Time it took to generate the weights, and to evaluate.
    pub generate: Duration,
    pub took: Duration,
    pub fused: bool,
}

/// What a painter has made.
pub(super) enum Painted {
    Picture(Shown),
    Thumbnails(Atlas),
}

/// Evaluates on the presenting device or elsewhere; textures live on the presenting one.
pub(super) struct Painter {
    ctx: Arc<Context>,
    backend: Backend,
    request: Option<Request>,
    /// Whether it paints solids.
    solids: bool,
    /// Seconds per point of a picture, as measured last.
    pace: f64,
}

enum Backend {
    Direct(Box<direct::Direct>),
    Worker(worker::Workshop),
}

impl Painter {
    /// `wake` is called from other threads when there is something to fetch.
    pub(super) fn new(
        engine: &Engine,
        presenting: &Arc<Context>,
        model: &Arc<Model>,
        wake: impl Fn() + Send + 'static,
    ) -> Result<Self> {
        let solids = model.solid.is_some();
        let backend = if engine.gpu().is_some_and(|ctx| Arc::ptr_eq(ctx, presenting)) && !solids {
            Backend::Direct(Box::new(direct::Direct::new(engine, model)?))
        } else {
            Backend::Worker(worker::Workshop::new(engine, model, wake))
        };
        let pace = if solids { RAY } else { POINT };
        Ok(Self { ctx: Arc::clone(presenting), backend, request: None, solids, pace })
    }

    /// Whether it can go on with this model: pictures are painted by one, solids by another.
    pub(super) fn suits(&self, model: &Model) -> bool {
        self.solids == model.solid.is_some()
    }

    /// Goes on with another model, perhaps the same one after it has learned more.
    pub(super) fn load(&mut self, model: &Arc<Model>) -> Result<()> {
        self.request = None;
        match &mut self.backend {
            Backend::Direct(direct) => direct.load(model)?,
            Backend::Worker(worker) => worker.load(model),
        }
        Ok(())
    }

    /// Asks for a picture; true if it is another one than before.
    pub(super) fn ask(&mut self, request: Option<&Request>) -> Result<bool> {
        if self.request.as_ref() == request {
            return Ok(false);
        }
        self.request = request.cloned();
        let levels = request.map(|r| self.levels(r)).unwrap_or_default();
        match &mut self.backend {
            Backend::Direct(direct) => direct.start(self.request.clone(), levels)?,
            Backend::Worker(worker) => worker.start(self.request.clone(), levels),
        }
        Ok(true)
    }

    /// Asks for thumbnails of the whole table, when there is time.
    pub(super) fn ask_thumbnails(&mut self) {
        match &mut self.backend {
            Backend::Direct(direct) => direct.ask_thumbnails(),
            Backend::Worker(worker) => worker.ask_thumbnails(),
        }
    }

    /// The levels to go through: from the finest that is quick enough down to full resolution, and beyond.
    fn levels(&self, request: &Request) -> Vec<Detail> {
        let pixels = f64::from(request.size[0]) * f64::from(request.size[1]);
        let quick = |level: u32| pixels * self.pace / f64::from(level * level) <= PATIENCE.as_secs_f64();
        // Of the levels that are quick, only the finest is worth doing; then the slow ones.
        let first = LEVELS.iter().rposition(|&l| quick(l)).unwrap_or(0);
        let plain = |&coarse| Detail { coarse, samples: 1, points: 1 };
        let mut levels: Vec<Detail> = LEVELS[first..].iter().map(plain).collect();
        // A picture that is evaluated into a texture has a texel for every point, as far as textures go.
        let largest = self.ctx.device().limits().max_texture_dimension_2d;
        let fitting = (largest / request.size[0].max(request.size[1])).max(1);
        let finest = match self.backend {
            Backend::Direct(_) => Detail { coarse: 1, samples: request.aa.min(fitting), points: 1 },
            Backend::Worker(_) => Detail { coarse: 1, samples: 1, points: request.aa },
        };
        if finest.aa() > 1 {
            levels.push(finest);
        }
        levels
    }

    /// Does a little work; returns what has become finished.
    pub(super) fn advance(&mut self) -> Result<Option<Painted>> {
        let painted = match &mut self.backend {
            Backend::Direct(direct) => direct.advance(&self.ctx)?,
            Backend::Worker(worker) => worker.advance(&self.ctx)?,
        };
        let Some(Painted::Picture(mut shown)) = painted else { return Ok(painted) };
        self.pace = shown.took.as_secs_f64() / (shown.points as f64).max(1.0);
        let aa = self.request.as_ref().map_or(1.0, |r| f64::from(r.aa));
        let supersampled = self.pace * shown.points as f64 * aa * aa;
        if shown.detail == (Detail { coarse: 1, samples: 1, points: 1 }) && supersampled > REST.as_secs_f64() {
            shown.last = true;
            match &mut self.backend {
                Backend::Direct(direct) => direct.start(None, Vec::new())?,
                Backend::Worker(worker) => worker.start(None, Vec::new()),
            }
        }
        Ok(Some(Painted::Picture(shown)))
    }

    /// Whether the event loop should look again soon, rather than wait to be woken.
    pub(super) fn wants_polling(&self) -> bool {
        match &self.backend {
            Backend::Direct(direct) => direct.is_busy(),
            Backend::Worker(worker) => worker.has_more(),
        }
    }
}

/// The field of a family, and one of a single INR that its hypernetwork wrote last.
struct Fields {
    engine: Engine,
    family: Field,
    written: Option<(Weights, Field)>,
    /// The weights of a latent are written anew for every evaluation.
    fleeting: bool,
}

impl Fields {
    fn new(engine: &Engine, model: &Arc<Model>, fleeting: bool) -> Result<Self> {
        Ok(Self { engine: engine.clone(), family: engine.load(model)?, written: None, fleeting })
    }

    /// The field for a request, and the latent to give it. Where evaluations come in bands, weights that are not fused are
    /// written once for all of them.
    fn of(&mut self, request: &Request) -> Result<(&Field, Vec<f32>)> {
        let points = request.size[0] as usize * request.size[1] as usize;
        let (a, b, first_of_b) = match &request.weights {
            Weights::Latent(z)
                if z.is_empty() || !self.fleeting || self.family.is_fused(request.strategy, 1, points) =>
            {
                return Ok((&self.family, z.clone()));
            }
            Weights::Latent(z) => (z, z, 0),
            Weights::Crossed { a, b, first_of_b } => (a, b, *first_of_b),
        };
        if self.written.as_ref().is_none_or(|(of, _)| *of != request.weights) {
            let model = self.family.model().crossed(a, b, first_of_b)?;
            self.written = Some((request.weights.clone(), self.engine.load(&Arc::new(model))?));
        }
        let (_, field) = self.written.as_ref().expect("written just above, if not before");
        Ok((field, Vec::new()))
    }
}

/// A texture that kernels and the host can write, and shaders and egui read.
pub(super) fn texture(ctx: &Context, size: [u32; 2], format: wgpu::TextureFormat) -> wgpu::Texture {
    ctx.device().create_texture(&wgpu::TextureDescriptor {
        label: Some("picture"),
        size: wgpu::Extent3d { width: size[0], height: size[1], depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: wgpu::TextureUsages::STORAGE_BINDING
            | wgpu::TextureUsages::TEXTURE_BINDING
            | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    })
}

/// A texture with these texels in it.
pub(super) fn upload(ctx: &Context, size: [u32; 2], format: wgpu::TextureFormat, texels: &[u8]) -> wgpu::TextureView {
    let texture = texture(ctx, size, format);
    let extent = texture.size();
    let bytes_per_row = Some(extent.width * format.block_copy_size(None).unwrap_or(4));
    let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row, rows_per_image: None };
    ctx.queue().write_texture(texture.as_image_copy(), texels, layout, extent);
    texture.create_view(&wgpu::TextureViewDescriptor::default())
}

/// The texel of a pixel's values, as `evaluate.wgsl` writes it: grey, grey and alpha, RGB, or RGB and alpha.
fn rgba<T>(pixel: &[f32], opaque: T, of: impl Fn(f32) -> T) -> [T; 4] {
    let at = |c: usize| of(pixel[c]);
    match pixel.len() {
        1 => [at(0), at(0), at(0), opaque],
        2 => [at(0), at(0), at(0), at(1)],
        3 => [at(0), at(1), at(2), opaque],
        _ => [at(0), at(1), at(2), at(3)],
    }
}

/// Texels of either format from pixels `[..][channels]`.
pub(super) fn texels(values: &[f32], channels: usize, range: ValueRange, floats: bool, out: &mut Vec<u8>) {
    for pixel in values.chunks_exact(channels) {
        if floats {
            let texel = rgba(pixel, 1.0, |v| range.unit(v).clamp(0.0, 1.0));
            out.extend_from_slice(bytemuck::bytes_of(&texel));
        } else {
            out.extend(rgba(pixel, 255, |v| range.to_byte(v)));
        }
    }
}
