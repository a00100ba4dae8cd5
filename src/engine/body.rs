//! A solid on a device, as surfaces and rays ask for it.

use std::sync::Arc;

use super::{Engine, Field, Strategy, follow};
use crate::gpu::Marcher;
use crate::model::{Domain, Jet, Model, Side};
use crate::surface::{Followed, Heights, Implicit, Inside, Outcome, Ray, Search, Settings, Stride, Way};
use crate::{Error, Result};

/// One latent's solid: its weights are written once, however often points are asked for, unless its residual stream is
/// modulated.
#[derive(Debug)]
pub struct Body {
    field: Field,
    /// The latent that the field still takes; of no numbers where it is a single INR, through which alone a GPU follows rays.
    z: Vec<f32>,
    side: Side,
    /// On a GPU, once rays were followed.
    marcher: Option<Marcher>,
}

impl Body {
    /// The solid of latent `z` (of no numbers for a single INR).
    ///
    /// # Errors
    /// Where the model is none of solids, or does not fit the device.
    pub fn new(engine: &Engine, model: &Arc<Model>, z: &[f32]) -> Result<Self> {
        let Some(solid) = &model.solid else {
            return Err(Error::invalid("the model is one of pictures: it has no surface"));
        };
        let side = solid.values;
        if model.latent_dim() == 0 || model.modulates_stream() {
            return Ok(Self { field: engine.load(model)?, z: z.to_vec(), side, marcher: None });
        }
        let own = Arc::new(model.crossed(z, z, 0)?);
        Ok(Self { field: engine.load(&own)?, z: Vec::new(), side, marcher: None })
    }

    /// How its surface is found with so many cells along an axis.
    pub fn settings(&self, cells: u32) -> Settings {
        let search = match self.side {
            Side::Distance => Search::Measured,
            Side::Occupancy => Search::Signs { coarse: 64 },
        };
        Settings { cells, inside: self.inside(), search, ..Settings::default() }
    }

    /// On which side of the surface's value the inside is.
    pub fn inside(&self) -> Inside {
        match self.side {
            Side::Distance => Inside::Below,
            Side::Occupancy => Inside::Above,
        }
    }

    /// What its values say.
    pub fn side(&self) -> Side {
        self.side
    }
}

impl Implicit for Body {
    fn values(&mut self, points: &[f32], out: &mut [f32]) -> Result<()> {
        let (values, _) =
            self.field.evaluate(&self.z, &Domain::Points { coordinates: points, inputs: 3 }, Strategy::Auto)?;
        out.copy_from_slice(&values);
        Ok(())
    }

    fn gradients(&mut self, points: &[f32], out: &mut [f32]) -> Result<()> {
        let domain = Domain::Points { coordinates: points, inputs: 3 };
        let (jets, _) = self.field.differentiate(&self.z, &domain, Jet::Gradient, Strategy::Auto)?;
        for (out, jet) in out.chunks_exact_mut(3).zip(jets.chunks_exact(4)) {
            out.copy_from_slice(&jet[1..]);
        }
        Ok(())
    }
    fn follow(&mut self, rays: &[Ray], heights: Heights, stride: Stride) -> Result<Option<Followed<Outcome>>> {
        let Some(field) = self.field.gpu().filter(|_| self.z.is_empty()) else { return Ok(None) };
        follow::to_surface(field, &mut self.marcher, rays, heights, stride).map(Some)
    }

    fn light(&mut self, ways: &[Way], heights: Heights, bound: f32, least: f32) -> Result<Option<Followed<f32>>> {
        let Some(field) = self.field.gpu().filter(|_| self.z.is_empty()) else { return Ok(None) };
        follow::to_light(field, &mut self.marcher, ways, heights, [bound, least]).map(Some)
    }
}
