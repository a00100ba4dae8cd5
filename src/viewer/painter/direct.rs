//! Painting on the presenting device itself, into textures that it shows: at most one slice in flight, so that the window's
//! own drawing never waits for more than one.

use std::sync::Arc;
use std::time::Duration;

use super::{
    Atlas, BYTES, COLUMNS, Detail, FLOATS, Fields, HALVES, MOST_THUMBNAILS, Painted, Shown, THUMBNAIL, texture,
};
use crate::Result;
use crate::engine::Engine;
use crate::gpu::{Codes, Context, Evaluation, Stopwatch, Target, TextureTarget};
use crate::model::{Domain, Model};
use crate::viewer::latent::Weights;
use crate::viewer::scene::{Request, Subject};

/// How long one slice may keep the window's own drawing waiting. With a software driver, which is made to do as a GPU only
/// to test this, it takes milliseconds until a slice has begun and its end is known: shorter ones would be nothing but that.
const SLICE: Duration = Duration::from_millis(8);
const SOFTWARE_SLICE: Duration = Duration::from_millis(24);

pub(super) struct Direct {
    fields: Fields,
    request: Option<Request>,
    /// Levels still to do; the first is at hand.
    levels: Vec<Detail>,
    /// What to go on with when the first level of what is at hand is done.
    next: Option<(Option<Request>, Vec<Detail>)>,
    /// What was generated last.
    codes: Option<Generated>,
    picture: Option<Running<Shown>>,
    /// Whether the picture at hand is the first of its request.
    first: bool,
    thumbnails_wanted: bool,
    thumbnails: Option<Running<Atlas>>,
}

/// Codes, of which weights and strategy, and what tells how long they took.
struct Generated {
    weights: Weights,
    fused: bool,
    codes: Codes,
    stopwatch: Stopwatch,
}

/// An evaluation with at most one slice in flight, and what it will have made.
struct Running<T> {
    evaluation: Evaluation,
    made: T,
    took: Duration,
    stopwatch: Stopwatch,
    /// Multiply-adds of the slice in flight.
    in_flight: Option<f64>,
}

impl<T> Running<T> {
    fn new(ctx: &Context, evaluation: Evaluation, made: T) -> Result<Self> {
        Ok(Self { evaluation, made, took: Duration::ZERO, stopwatch: Stopwatch::unobtrusive(ctx)?, in_flight: None })
    }

    /// Submits the next slice when the last one is done; true when there is none left.
    fn advance(&mut self, ctx: &Arc<Context>) -> bool {
        if let Some(macs) = self.in_flight {
            let Some((ran, _)) = self.stopwatch.take() else { return false };
            self.evaluation.learn(macs, ran);
            self.took += ran;
            self.in_flight = None;
        }
        let Some(macs) = self.evaluation.next_slice(if ctx.is_software() { SOFTWARE_SLICE } else { SLICE }) else {
            return true;
        };
        let label = Some("slice");
        let mut encoder = ctx.device().create_command_encoder(&wgpu::CommandEncoderDescriptor { label });
        let timestamp_writes = self.stopwatch.compute();
        let descriptor = wgpu::ComputePassDescriptor { label, timestamp_writes };
        self.evaluation.record(&mut encoder.begin_compute_pass(&descriptor));
        self.stopwatch.submit(ctx, Vec::new(), encoder);
        self.in_flight = Some(macs);
        false
    }
}

impl Direct {
    pub(super) fn new(engine: &Engine, model: &Arc<Model>) -> Result<Self> {
        Ok(Self {
            fields: Fields::new(engine, model, false)?,
            request: None,
            levels: Vec::new(),
            next: None,
            codes: None,
            picture: None,
            first: false,
            thumbnails_wanted: false,
            thumbnails: None,
        })
    }

    pub(super) fn load(&mut self, model: &Arc<Model>) -> Result<()> {
        self.fields = Fields::new(&self.fields.engine, model, false)?;
        self.codes = None;
        self.thumbnails = None;
        Ok(())
    }

    pub(super) fn start(&mut self, request: Option<Request>, levels: Vec<Detail>) -> Result<()> {
        if self.first && self.picture.is_some() && request.is_some() {
            self.next = Some((request, levels));
            return Ok(());
        }
        self.begin(request, levels)
    }

    fn begin(&mut self, request: Option<Request>, levels: Vec<Detail>) -> Result<()> {
        (self.picture, self.next, self.request, self.levels, self.first) = (None, None, request, levels, true);
        self.next_level()
    }

    pub(super) fn ask_thumbnails(&mut self) {
        self.thumbnails_wanted = true;
    }

    pub(super) fn is_busy(&self) -> bool {
        self.picture.is_some() || self.thumbnails.is_some() || self.thumbnails_wanted
    }

    /// Begins the first of the remaining levels.
    fn next_level(&mut self) -> Result<()> {
        let (Some(request), Some(&detail)) = (&self.request, self.levels.first()) else { return Ok(()) };
        let (field, z) = self.fields.of(request)?;
        let on_gpu = field.gpu().expect("a GPU painter's field is on a GPU");
        let points = request.size[0] as usize * request.size[1] as usize;
        let fused = field.is_fused(request.strategy, 1, points);
        let ctx = on_gpu.context();
        if self.codes.as_ref().is_none_or(|c| c.weights != request.weights || c.fused != fused) {
            let mut stopwatch = Stopwatch::unobtrusive(ctx)?;
            let codes = on_gpu.start(&z, 1, fused, &mut stopwatch)?;
            self.codes = Some(Generated { weights: request.weights.clone(), fused, codes, stopwatch });
        }
        let Generated { codes, .. } = self.codes.as_ref().expect("made just above");
        let (size, region) = request.at_level(detail.coarse);
        let grid = field.model().coordinates.grid(size[0], size[1], Some(region))?.supersampled(detail.samples);
        let floats = matches!(request.subject, Subject::Plane { floats: true, .. });
        let format = if floats { FLOATS } else { HALVES };
        let view =
            texture(ctx, size.map(|s| s * detail.samples), format).create_view(&wgpu::TextureViewDescriptor::default());
        let target = Target::Texture(TextureTarget { view: &view, format, columns: 1 });
        let evaluation = on_gpu.evaluation(codes, 0..1, &Domain::Grid(grid), target)?;
        let (points, last) = (grid.points(), self.levels.len() == 1);
        let (generate, took) = (Duration::ZERO, Duration::ZERO);
        let evaluations = points as u64;
        let shown = Shown { view, region, detail, last, size, points, evaluations, generate, took, fused };
        self.picture = Some(Running::new(ctx, evaluation, shown)?);
        Ok(())
    }

    /// Begins the thumbnails: one batched dispatch over the table.
    fn start_thumbnails(&mut self) -> Result<()> {
        self.thumbnails_wanted = false;
        let (field, model) = (&self.fields.family, self.fields.family.model());
        let on_gpu = field.gpu().expect("a GPU painter's field is on a GPU");
        let count = model.latents.len().min(MOST_THUMBNAILS);
        if count == 0 {
            return Ok(());
        }
        let grid = model.coordinates.grid(THUMBNAIL, THUMBNAIL, None)?;
        let fused = field.is_fused(crate::engine::Strategy::Auto, count, grid.points());
        // All of theta need not fit one buffer: what fits is shown.
        let count = count.min(on_gpu.latents_at_once(fused));
        let z = &model.latents.values()[..count * model.latent_dim()];
        let codes = on_gpu.start(z, count, fused, &mut Stopwatch::unobtrusive(on_gpu.context())?)?;
        let view =
            texture(on_gpu.context(), Atlas::size(count), BYTES).create_view(&wgpu::TextureViewDescriptor::default());
        let target = Target::Texture(TextureTarget { view: &view, format: BYTES, columns: COLUMNS });
        let evaluation = on_gpu.evaluation(&codes, 0..count, &Domain::Grid(grid), target)?;
        self.thumbnails = Some(Running::new(on_gpu.context(), evaluation, Atlas { view, count })?);
        Ok(())
    }

    pub(super) fn advance(&mut self, ctx: &Arc<Context>) -> Result<Option<Painted>> {
        ctx.poll()?;
        if let Some(running) = &mut self.picture {
            if !running.advance(ctx) {
                return Ok(None);
            }
            let mut finished = self.picture.take().map(|r| Shown { took: r.took, ..r.made });
            // Once for each generation: later levels find it done.
            if let (Some(shown), Some(codes)) = (&mut finished, &mut self.codes) {
                shown.generate = codes.stopwatch.take().map(|(ran, _)| ran).unwrap_or_default();
            }
            if let Some((request, levels)) = self.next.take() {
                self.begin(request, levels)?;
            } else {
                self.first = false;
                self.levels.remove(0);
                self.next_level()?;
            }
            return Ok(finished.map(Painted::Picture));
        }
        if self.thumbnails_wanted && self.thumbnails.is_none() {
            self.start_thumbnails()?;
        }
        if self.thumbnails.as_mut().is_some_and(|running| running.advance(ctx)) {
            return Ok(self.thumbnails.take().map(|r| Painted::Thumbnails(r.made)));
        }
        Ok(None)
    }
}
