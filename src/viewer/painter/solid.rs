//! Solids: one latent's at a time, traced as `render` traces it.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::easel::{BAND, Pixels};
use super::sheet::{Sheet, THUMBNAIL};
use super::{Detail, texels};
use crate::engine::{Body, Engine};
use crate::model::{Model, ValueRange};
use crate::surface::{BATCH, Followed, Heights, Implicit, Outcome, Ray, Stride, Way};
use crate::trace::{March, Orbit, Scene};
use crate::viewer::latent::Weights;
use crate::viewer::scene::Request;
use crate::{Error, Result};

/// Points that are evaluated and rays that a device follows by itself at once: before it is measured how many should be, and
/// the limits of that.
const PACES: Paces = Paces {
    points: Pace { at_once: 1 << 14, least: 1 << 12, most: BATCH },
    rays: Pace { at_once: 1 << 13, least: 1 << 10, most: BATCH },
};
/// How far the camera of thumbnails is, in distances from which all of the box would be seen.
const NEAR: f64 = 0.8;

/// The solids of a model, and the one that was seen last.
pub(super) struct Bodies {
    engine: Engine,
    model: Arc<Model>,
    written: Option<Written>,
    /// How rays go through thumbnails. What is measured of the first is good enough for all.
    march: Option<March>,
    paces: Paces,
}

/// One latent's solid, and how rays go through it.
struct Written {
    weights: Weights,
    body: Body,
    march: March,
}

impl Written {
    fn new(engine: &Engine, model: &Arc<Model>, weights: Weights, march: Option<March>) -> Result<Self> {
        let (own, z) = weights.of(model)?;
        let mut body = Body::new(engine, &own, &z)?;
        let scene = Scene::of(body.side());
        let march = march.unwrap_or(scene.march).measured(&mut body, &scene.cube)?;
        Ok(Self { weights, body, march })
    }
}

impl Bodies {
    pub(super) fn new(engine: &Engine, model: &Arc<Model>) -> Self {
        Self { engine: engine.clone(), model: Arc::clone(model), written: None, march: None, paces: PACES }
    }

    pub(super) fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Traces one level; None where the request has become stale.
    pub(super) fn paint(
        &mut self,
        request: &Request,
        scene: &Scene,
        detail: Detail,
        stale: &dyn Fn() -> bool,
    ) -> Result<Option<Pixels>> {
        let started = Instant::now();
        let written = match self.written.take().filter(|w| w.weights == request.weights) {
            Some(written) => written,
            None => Written::new(&self.engine, &self.model, request.weights.clone(), None)?,
        };
        let Written { body, march, .. } = self.written.insert(written);
        let generate = started.elapsed();
        let (size, region) = request.at_level(detail.coarse);
        let scene = Scene { march: *march, ..scene.clone() };
        let mut field = Interruptible { body, stale, paces: &mut self.paces, stopped: false };
        let mut out = Vec::with_capacity(size[0] as usize * size[1] as usize * 4);
        let traced = scene.render(&mut field, size[0], size[1], detail.points, |values| {
            texels(values, 3, ValueRange::default(), false, &mut out);
            Ok(())
        });
        let statistics = match traced {
            Err(_) if field.stopped => return Ok(None),
            traced => traced?,
        };
        let points = usize::try_from(statistics.rays).unwrap_or(usize::MAX);
        // A gradient has three columns beside the value's.
        let evaluations = statistics.evaluations + 4 * statistics.gradients;
        let took = Duration::from_secs_f64(statistics.seconds);
        let (floats, fused) = (false, false);
        Ok(Some(Pixels { texels: out, floats, size, region, detail, points, evaluations, generate, took, fused }))
    }

    /// Traces the next thumbnail.
    pub(super) fn thumbnail(&mut self, sheet: &mut Sheet) -> Result<()> {
        for row in sheet.next(1) {
            let weights = Weights::Latent(self.model.latents.get(row).to_vec());
            let Written { mut body, march, .. } = Written::new(&self.engine, &self.model, weights, self.march)?;
            self.march = Some(march);
            let scene = Scene::of(body.side());
            let distance = Some(NEAR * Orbit::default().distance(&scene.cube));
            let camera = Orbit { distance, ..Orbit::default() }.camera(&scene.cube);
            let scene = Scene { camera, march, shadow: false, occlusion: false, ..scene };
            let mut bytes = Vec::new();
            scene.render(&mut body, THUMBNAIL, THUMBNAIL, 1, |values| {
                texels(values, 3, ValueRange::default(), false, &mut bytes);
                Ok(())
            })?;
            sheet.put(1, &bytes);
        }
        Ok(())
    }
}

/// How much a solid is asked at once.
#[derive(Clone, Copy)]
struct Paces {
    points: Pace,
    rays: Pace,
}

/// So many that they take as long as a newer request may be kept waiting.
#[derive(Clone, Copy)]
struct Pace {
    at_once: usize,
    /// Of fewer, each takes longer.
    least: usize,
    most: usize,
}

impl Pace {
    /// The next of what is left of `total` when so many are `done`.
    fn next(&self, done: usize, total: usize) -> Range<usize> {
        done..total.min(done + self.at_once)
    }

    /// That many took so long.
    fn took(&mut self, count: usize, time: Duration) {
        if count == self.at_once {
            let share = BAND.as_secs_f64() / time.as_secs_f64().max(1e-6);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
            {
                self.at_once = (count as f64 * share).clamp(self.least as f64, self.most as f64) as usize;
            }
        }
    }
}

/// A solid that answers no longer when nobody wants its picture any more.
struct Interruptible<'a> {
    body: &'a mut Body,
    stale: &'a dyn Fn() -> bool,
    paces: &'a mut Paces,
    stopped: bool,
}

impl Interruptible<'_> {
    fn check(&mut self) -> Result<()> {
        self.stopped = (self.stale)();
        if self.stopped { Err(Error::invalid("nobody wants this picture any longer")) } else { Ok(()) }
    }

    /// What a device finds by itself for rays, or ways of another kind, part by part.
    fn followed<R, T>(
        &mut self,
        rays: &[R],
        mut follow: impl FnMut(&mut Body, &[R]) -> Result<Option<Followed<T>>>,
    ) -> Result<Option<Followed<T>>> {
        let mut all = Followed { found: Vec::with_capacity(rays.len()), values: 0, waits: 0 };
        while all.found.len() < rays.len() {
            self.check()?;
            let part = self.paces.rays.next(all.found.len(), rays.len());
            let (count, started) = (part.len(), Instant::now());
            let Some(Followed { found, values, waits }) = follow(self.body, &rays[part])? else { return Ok(None) };
            self.paces.rays.took(count, started.elapsed());
            all.found.extend(found);
            all.values += values;
            all.waits += waits;
        }
        Ok(Some(all))
    }
}

impl Implicit for Interruptible<'_> {
    fn values(&mut self, points: &[f32], out: &mut [f32]) -> Result<()> {
        let mut done = 0;
        while done < out.len() {
            self.check()?;
            let part = self.paces.points.next(done, out.len());
            let (count, started) = (part.len(), Instant::now());
            self.body.values(&points[3 * part.start..3 * part.end], &mut out[part.clone()])?;
            self.paces.points.took(count, started.elapsed());
            done = part.end;
        }
        Ok(())
    }

    fn gradients(&mut self, points: &[f32], out: &mut [f32]) -> Result<()> {
        let at_once = 3 * self.paces.points.at_once;
        for (points, out) in points.chunks(at_once).zip(out.chunks_mut(at_once)) {
            self.check()?;
            self.body.gradients(points, out)?;
        }
        Ok(())
    }

    fn follow(&mut self, rays: &[Ray], heights: Heights, stride: Stride) -> Result<Option<Followed<Outcome>>> {
        self.followed(rays, |body, rays| body.follow(rays, heights, stride))
    }

    fn light(&mut self, ways: &[Way], heights: Heights, bound: f32, least: f32) -> Result<Option<Followed<f32>>> {
        self.followed(ways, |body, ways| body.light(ways, heights, bound, least))
    }
}
