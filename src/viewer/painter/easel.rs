//! What stands before the worker: a picture's plane or a solid, and how a little of it is painted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::sheet::{COLUMNS, Sheet, THUMBNAIL};
use super::solid::Bodies;
use super::{Detail, Fields, texels};
use crate::Result;
use crate::engine::{Engine, Mosaic, Strategy};
use crate::model::{Model, Region};
use crate::viewer::scene::{Request, Subject};

/// How long what is done at once may delay a newer request.
pub(super) const BAND: Duration = Duration::from_millis(15);

/// A picture as it is painted.
pub(super) struct Pixels {
    pub texels: Vec<u8>,
    pub floats: bool,
    pub size: [u32; 2],
    pub region: Region,
    pub detail: Detail,
    pub points: usize,
    pub evaluations: u64,
    pub generate: Duration,
    pub took: Duration,
    pub fused: bool,
}

/// A model to be painted.
pub(super) enum Easel {
    Plane(Box<Fields>),
    Solid(Box<Bodies>),
}

impl Easel {
    pub(super) fn new(engine: &Engine, model: &Arc<Model>) -> Result<Self> {
        Ok(if model.solid.is_some() {
            Self::Solid(Box::new(Bodies::new(engine, model)))
        } else {
            Self::Plane(Box::new(Fields::new(engine, model, true)?))
        })
    }

    pub(super) fn model(&self) -> &Arc<Model> {
        match self {
            Self::Plane(fields) => fields.family.model(),
            Self::Solid(bodies) => bodies.model(),
        }
    }

    /// Evaluates one level; None where the request has become stale.
    pub(super) fn paint(
        &mut self,
        request: &Request,
        detail: Detail,
        stale: &dyn Fn() -> bool,
    ) -> Result<Option<Pixels>> {
        match (self, &request.subject) {
            (Self::Plane(fields), Subject::Plane { floats, .. }) => paint(fields, request, *floats, detail, stale),
            (Self::Solid(bodies), Subject::Solid(scene)) => bodies.paint(request, scene, detail, stale),
            // Asked before another model was loaded.
            _ => Ok(None),
        }
    }

    /// Paints the next few thumbnails.
    pub(super) fn thumbnails(&mut self, sheet: &mut Sheet) -> Result<()> {
        match self {
            Self::Plane(fields) => line(fields, sheet),
            Self::Solid(bodies) => bodies.thumbnail(sheet),
        }
    }
}

/// A line of thumbnails.
fn line(fields: &Fields, sheet: &mut Sheet) -> Result<()> {
    let model = fields.family.model();
    let cells = sheet.next(COLUMNS as usize);
    let grid = model.coordinates.grid(THUMBNAIL, THUMBNAIL, None)?;
    let mosaic = Mosaic::new(grid, cells.len(), Some(COLUMNS as usize), 1)?;
    let z = &model.latents.values()[cells.start * model.latent_dim()..cells.end * model.latent_dim()];
    let mut bytes = Vec::new();
    mosaic.render(&fields.family, z, Strategy::Auto, |values| {
        texels(values, model.inr.outputs, model.values, false, &mut bytes);
        Ok(())
    })?;
    sheet.put(cells.len(), &bytes);
    Ok(())
}

/// Evaluates one level of a picture in bands of rows.
fn paint(
    fields: &mut Fields,
    request: &Request,
    floats: bool,
    detail: Detail,
    stale: &dyn Fn() -> bool,
) -> Result<Option<Pixels>> {
    let started = Instant::now();
    let (field, z) = fields.of(request)?;
    // Weights that are written once for all bands were written just now.
    let generate = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let model = Arc::clone(field.model());
    let (size, region) = request.at_level(detail.coarse);
    let grid = model.coordinates.grid(size[0], size[1], Some(region))?;
    let mut out = Vec::with_capacity(size[0] as usize * size[1] as usize * if floats { 16 } else { 4 });
    let (mut row, mut rows) = (0, 8);
    let (mut generate, mut fused) = (generate, false);
    while row < size[1] {
        if stale() {
            return Ok(None);
        }
        let count = rows.min(size[1] - row);
        let band = Instant::now();
        let mosaic = Mosaic::single(grid.rows(row, count), detail.points)?;
        let report = mosaic.render(field, &z, request.strategy, |values| {
            texels(values, model.inr.outputs, model.values, floats, &mut out);
            Ok(())
        })?;
        generate += report.timings.generate_s;
        fused = report.strategy == "fused";
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
    let points = grid.points() * (detail.points * detail.points) as usize;
    let (generate, took, evaluations) = (Duration::from_secs_f64(generate), started.elapsed(), points as u64);
    Ok(Some(Pixels { texels: out, floats, size, region, detail, points, evaluations, generate, took, fused }))
}
