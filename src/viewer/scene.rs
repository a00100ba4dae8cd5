//! What is to be shown.

use std::sync::Arc;

use glam::DVec2;

use super::view::View;
use crate::engine::Strategy;
use crate::model::{Model, Region};

/// The latents, the mix and the view.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub model: Arc<Model>,
    /// Row of the first latent.
    pub a: usize,
    /// Row of the latent mixed in.
    pub b: usize,
    /// Share of `b`.
    pub mix: f32,
    pub view: View,
    /// Evaluate beyond the picture's own frame too.
    pub extrapolate: bool,
    pub strategy: Strategy,
}

/// One picture to evaluate: what the painter gets.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    /// The latent code; empty for a single INR.
    pub z: Vec<f32>,
    pub region: Region,
    /// Size in canvas pixels.
    pub size: [u32; 2],
    pub strategy: Strategy,
}

impl Scene {
    /// The latent code at hand.
    pub(super) fn z(&self) -> Vec<f32> {
        let table = &self.model.latents;
        if self.model.latent_dim() == 0 {
            return Vec::new();
        }
        table.get(self.a).iter().zip(table.get(self.b)).map(|(a, b)| (1.0 - self.mix) * a + self.mix * b).collect()
    }

    /// What must be evaluated for a canvas of this size; None where nothing is in sight.
    pub(super) fn request(&self, canvas: DVec2) -> Option<Request> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a canvas is whole pixels")]
        let whole = [canvas.x as u32, canvas.y as u32];
        let (region, size) = if self.extrapolate {
            (self.view.region(canvas), whole)
        } else {
            self.view.visible(canvas, &self.model.coordinates.frame(1, 1))?
        };
        Some(Request { z: self.z(), region, size, strategy: self.strategy })
    }

    /// The name of what is shown.
    pub(super) fn title(&self) -> String {
        let names = self.model.latents.names();
        match (names.get(self.a), names.get(self.b)) {
            (Some(a), Some(b)) if self.mix > 0.0 => format!("{a} + {:.0} % {b}", self.mix * 100.0),
            (Some(a), _) => a.clone(),
            _ => "one INR".into(),
        }
    }
}
