//! Evaluates requests a slice at a time, coarse first, so that the window never waits for a picture.
//!
//! A picture is evaluated at an eighth, a quarter, a half and the whole of the resolution; a new request
//! abandons the one at hand. On a GPU one slice is in flight at a time; on the CPU a worker thread evaluates
//! bands of rows on all cores.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::scene::Request;
use crate::Result;
use crate::engine::{Engine, Field};
use crate::gpu::{Codes, Context, Evaluation, Target, TextureTarget};
use crate::model::{Domain, Grid, Model, Region};

/// Canvas pixels per evaluated pixel, along each side.
const LEVELS: [u32; 4] = [8, 4, 2, 1];
/// A coarse level is worth showing when the finest would take longer than this.
const PATIENCE: Duration = Duration::from_millis(30);
/// How long one slice on the GPU may keep the window's own drawing waiting.
const SLICE: Duration = Duration::from_millis(8);
/// How long a band of rows on the CPU may delay a newer request.
const BAND: Duration = Duration::from_millis(15);
const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

/// A finished picture, ready to be drawn.
#[derive(Debug)]
pub(super) struct Shown {
    pub view: wgpu::TextureView,
    pub region: Region,
    /// Canvas pixels per evaluated pixel; 1 is full refinement.
    pub level: u32,
    /// Size of the picture.
    pub size: [u32; 2],
    /// Time it took to evaluate.
    pub took: Duration,
}

/// Evaluates on a GPU or on the CPU; textures live on the presenting device.
pub(super) struct Painter {
    ctx: Arc<Context>,
    backend: Backend,
    request: Option<Request>,
    /// Seconds per evaluated pixel, as measured last.
    pace: f64,
}

enum Backend {
    Gpu(Box<GpuPainter>),
    Cpu(CpuPainter),
}

impl Painter {
    /// `wake` is called from other threads when there is something to fetch.
    pub(super) fn new(
        engine: &Engine,
        presenting: &Arc<Context>,
        model: &Arc<Model>,
        wake: impl Fn() + Send + 'static,
    ) -> Result<Self> {
        let field = engine.load(model)?;
        let backend = if field.gpu().is_some() {
            Backend::Gpu(Box::new(GpuPainter::new(field)))
        } else {
            Backend::Cpu(CpuPainter::new(field, wake))
        };
        Ok(Self { ctx: Arc::clone(presenting), backend, request: None, pace: 1e-6 })
    }

    /// Asks for a picture; the same request again changes nothing.
    pub(super) fn ask(&mut self, request: Option<Request>) -> Result<()> {
        if self.request == request {
            return Ok(());
        }
        self.request.clone_from(&request);
        let levels = request.as_ref().map(|r| self.levels(r)).unwrap_or_default();
        match &mut self.backend {
            Backend::Gpu(gpu) => gpu.start(request, levels),
            Backend::Cpu(cpu) => {
                cpu.start(request, levels);
                Ok(())
            }
        }
    }

    /// The levels to go through: from the finest that is quick enough down to full resolution.
    fn levels(&self, request: &Request) -> Vec<u32> {
        let pixels = f64::from(request.size[0]) * f64::from(request.size[1]);
        let quick = |level: u32| pixels * self.pace / f64::from(level * level) <= PATIENCE.as_secs_f64();
        // Of the levels that are quick, only the finest is worth doing; then the slow ones.
        let first = LEVELS.iter().rposition(|&l| quick(l)).unwrap_or(0);
        LEVELS[first..].to_vec()
    }

    /// Does a little work; returns a picture when one has become finished.
    pub(super) fn advance(&mut self) -> Result<Option<Shown>> {
        let shown = match &mut self.backend {
            Backend::Gpu(gpu) => gpu.advance(&self.ctx)?,
            Backend::Cpu(cpu) => cpu.advance(&self.ctx)?,
        };
        if let Some(shown) = &shown {
            let pixels = f64::from(shown.size[0]) * f64::from(shown.size[1]);
            self.pace = shown.took.as_secs_f64() / pixels.max(1.0);
        }
        Ok(shown)
    }

    /// Whether the event loop should look again soon, rather than wait to be woken.
    pub(super) fn wants_polling(&self) -> bool {
        match &self.backend {
            Backend::Gpu(gpu) => gpu.evaluation.is_some(),
            Backend::Cpu(_) => false,
        }
    }
}

/// The request at one level: how many pixels, and the region they cover (whole coarse pixels).
fn at_level(request: &Request, level: u32) -> ([u32; 2], Region) {
    let size = request.size.map(|s| s.div_ceil(level));
    let r = request.region;
    let stretch = |i: usize| f64::from(size[i] * level) / f64::from(request.size[i]);
    (size, Region { x1: r.x0 + (r.x1 - r.x0) * stretch(0), y1: r.y0 + (r.y1 - r.y0) * stretch(1), ..r })
}

fn texture(ctx: &Context, size: [u32; 2]) -> wgpu::Texture {
    ctx.device().create_texture(&wgpu::TextureDescriptor {
        label: Some("picture"),
        size: wgpu::Extent3d { width: size[0], height: size[1], depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: FORMAT,
        usage: wgpu::TextureUsages::STORAGE_BINDING
            | wgpu::TextureUsages::TEXTURE_BINDING
            | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    })
}

struct GpuPainter {
    field: Field,
    request: Option<Request>,
    /// Levels still to do; the first is at hand.
    levels: Vec<u32>,
    codes: Option<(Vec<f32>, bool, Codes)>,
    evaluation: Option<Running>,
}

/// An evaluation with at most one slice in flight.
struct Running {
    evaluation: Evaluation,
    shown: Shown,
    in_flight: Option<Slice>,
}

/// A submitted slice.
struct Slice {
    macs: f64,
    submitted: Instant,
    /// Set by the device's callback.
    done: Arc<Mutex<Option<Instant>>>,
}

impl GpuPainter {
    fn new(field: Field) -> Self {
        Self { field, request: None, levels: Vec::new(), codes: None, evaluation: None }
    }

    fn start(&mut self, request: Option<Request>, levels: Vec<u32>) -> Result<()> {
        self.evaluation = None;
        self.levels = levels;
        self.request = request;
        self.next_level()
    }

    /// Begins the first of the remaining levels.
    fn next_level(&mut self) -> Result<()> {
        let (Some(request), Some(&level)) = (&self.request, self.levels.first()) else { return Ok(()) };
        let field = self.field.gpu().expect("a GPU painter's field is on a GPU");
        let points = request.size[0] as usize * request.size[1] as usize;
        let fused = self.field.is_fused(request.strategy, 1, points);
        if self.codes.as_ref().is_none_or(|(z, f, _)| *z != request.z || *f != fused) {
            let batch = if request.z.is_empty() { 1 } else { request.z.len() / self.field.model().latent_dim() };
            self.codes = Some((request.z.clone(), fused, field.prepare(&request.z, batch, fused)?));
        }
        let (_, _, codes) = self.codes.as_ref().expect("made just above");
        let (size, region) = at_level(request, level);
        let grid = self.field.model().coordinates.grid(size[0], size[1], Some(region))?;
        let view = texture(field.context(), size).create_view(&wgpu::TextureViewDescriptor::default());
        let target = Target::Texture(TextureTarget { view: &view, format: FORMAT, columns: 1 });
        let evaluation = field.evaluation(codes, 0..1, &Domain::Grid(grid), target)?;
        let shown = Shown { view, region, level, size, took: Duration::ZERO };
        self.evaluation = Some(Running { evaluation, shown, in_flight: None });
        Ok(())
    }

    fn advance(&mut self, ctx: &Arc<Context>) -> Result<Option<Shown>> {
        let Some(running) = &mut self.evaluation else { return Ok(None) };
        ctx.poll()?;
        if let Some(Slice { macs, submitted, done }) = &running.in_flight {
            let Some(done) = *done.lock().unwrap_or_else(std::sync::PoisonError::into_inner) else { return Ok(None) };
            let took = done.duration_since(*submitted);
            ctx.learn(*macs, took);
            running.shown.took += took;
            running.in_flight = None;
        }
        if let Some(macs) = running.evaluation.next_slice(SLICE) {
            let mut encoder =
                ctx.device().create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("slice") });
            running.evaluation.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
            let done = Arc::new(Mutex::new(None));
            let slot = Arc::clone(&done);
            let submitted = Instant::now();
            ctx.queue().submit([encoder.finish()]);
            ctx.queue().on_submitted_work_done(move || {
                *slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Instant::now());
            });
            running.in_flight = Some(Slice { macs, submitted, done });
            return Ok(None);
        }
        let finished = self.evaluation.take().map(|r| r.shown);
        self.levels.remove(0);
        self.next_level()?;
        Ok(finished)
    }
}

/// A picture as the worker makes it.
struct Pixels {
    version: u64,
    bytes: Vec<u8>,
    size: [u32; 2],
    region: Region,
    level: u32,
    took: Duration,
}

struct CpuPainter {
    jobs: Sender<(u64, Request, Vec<u32>)>,
    done: Receiver<Result<Pixels>>,
    version: Arc<AtomicU64>,
}

impl CpuPainter {
    fn new(field: Field, wake: impl Fn() + Send + 'static) -> Self {
        let (jobs, todo) = channel::<(u64, Request, Vec<u32>)>();
        let (finished, done) = channel();
        let version = Arc::new(AtomicU64::new(0));
        let current = Arc::clone(&version);
        // The thread ends when the painter, and with it `jobs`, is dropped.
        std::thread::spawn(move || {
            while let Ok((version, request, levels)) = todo.recv() {
                for level in levels {
                    let stale = || current.load(Ordering::Relaxed) != version;
                    let picture = paint(&field, &request, level, &stale).transpose();
                    let Some(picture) = picture.map(|p| p.map(|p| Pixels { version, ..p })) else { break };
                    if finished.send(picture).is_err() {
                        return;
                    }
                    wake();
                }
            }
        });
        Self { jobs, done, version }
    }

    fn start(&self, request: Option<Request>, levels: Vec<u32>) {
        let version = self.version.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(request) = request {
            // A worker that is gone has sent its reason, which `advance` reports.
            let _ = self.jobs.send((version, request, levels));
        }
    }

    fn advance(&self, ctx: &Context) -> Result<Option<Shown>> {
        // Several may have become finished: the last is the best.
        let Some(pixels) = self.done.try_iter().last().transpose()? else { return Ok(None) };
        if pixels.version != self.version.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let texture = texture(ctx, pixels.size);
        let extent = texture.size();
        let layout =
            wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(4 * extent.width), rows_per_image: None };
        ctx.queue().write_texture(texture.as_image_copy(), &pixels.bytes, layout, extent);
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        Ok(Some(Shown { view, region: pixels.region, level: pixels.level, size: pixels.size, took: pixels.took }))
    }
}

/// Evaluates one level in bands of rows; None where the request has become stale.
fn paint(field: &Field, request: &Request, level: u32, stale: &dyn Fn() -> bool) -> Result<Option<Pixels>> {
    let model = field.model();
    let (size, region) = at_level(request, level);
    let grid = model.coordinates.grid(size[0], size[1], Some(region))?;
    let mut bytes = Vec::with_capacity(size[0] as usize * size[1] as usize * 4);
    let started = Instant::now();
    let mut row = 0;
    let mut rows = 8;
    while row < size[1] {
        if stale() {
            return Ok(None);
        }
        let count = rows.min(size[1] - row);
        let band = Instant::now();
        push_band(field, request, &grid.rows(row, count), &mut bytes)?;
        row += count;
        let took = band.elapsed().as_secs_f64().max(1e-6);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to a sensible number of rows"
        )]
        {
            rows = (f64::from(count) * BAND.as_secs_f64() / took).clamp(1.0, 4096.0) as u32;
        }
    }
    Ok(Some(Pixels { version: 0, bytes, size, region, level, took: started.elapsed() }))
}

fn push_band(field: &Field, request: &Request, grid: &Grid, bytes: &mut Vec<u8>) -> Result<()> {
    let model = field.model();
    let (values, _) = field.evaluate(&request.z, &Domain::Grid(*grid), request.strategy)?;
    for pixel in values.chunks_exact(model.inr.outputs) {
        let byte = |c: usize| model.values.to_byte(pixel[c]);
        bytes.extend(match pixel.len() {
            1 => [byte(0), byte(0), byte(0), 255],
            2 => [byte(0), byte(0), byte(0), byte(1)],
            3 => [byte(0), byte(1), byte(2), 255],
            _ => [byte(0), byte(1), byte(2), byte(3)],
        });
    }
    Ok(())
}
