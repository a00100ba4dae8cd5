//! `modulate`: generated gains and shifts of a layer's rows (FiLM, Perez et al. 2018). With shared weights
//! it is functa's shift-only modulation, pi-GAN's FiLM, siren-pytorch's modulator; with generated ones a gain head.

use serde::{Deserialize, Serialize};

use super::{Generated, Slots};
use crate::Result;
use crate::math::{Lanes, Real, dot, sum};
use crate::model::dense::Dense;
use crate::model::inr::LayerShape;
use crate::{Error, model::Activation};

/// Where the modulation acts, with `u = W x + b`, gain g and shift s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// `act(g u + s)`; in a sine the frequency factor comes after: `sin(omega (g u + s))` (functa).
    BeforeOmega,
    /// `sin(g omega u + s)`: the shift is a phase in radians (pi-GAN, whose omega is 1). Sine layers only.
    AfterOmega,
    /// `g act(u) + s` (siren-pytorch).
    AfterActivation,
}

/// Gains and shifts; at least one of the two. A gain of `1 + generated` has its 1 in the map's bias.
#[derive(Clone, Debug, PartialEq)]
pub struct Modulation<T> {
    /// Where it acts.
    pub place: Place,
    /// Writes g `[out]`; 1 where there is none.
    pub gain: Option<Generated<T>>,
    /// Writes s `[out]`; 0 where there is none.
    pub shift: Option<Generated<T>>,
}

impl<T: Real> Modulation<T> {
    pub(super) fn kind(&self) -> &'static str {
        match (&self.gain, &self.shift) {
            (Some(_), Some(_)) => "gain, shift",
            (Some(_), None) => "gain",
            _ => "shift",
        }
    }

    fn parts(&self) -> impl Iterator<Item = &Generated<T>> {
        self.gain.iter().chain(&self.shift)
    }

    /// Where it acts on a layer of that activation, in two cases instead of three, and the factor of its shifts. After
    /// omega is before it with smaller shifts: `sin(g omega u + s) = sin(omega (g u + s / omega))`.
    pub(crate) fn acts(&self, activation: Option<Activation>) -> (Place, T) {
        match (self.place, activation) {
            (Place::AfterOmega, Some(Activation::Sine { omega })) => {
                (Place::BeforeOmega, T::from_f64(1.0 / f64::from(omega)))
            }
            (place, _) => (place, T::ONE),
        }
    }

    pub(super) fn parameter_count(&self) -> usize {
        self.parts().map(Generated::parameter_count).sum()
    }

    pub(super) fn macs_per_latent(&self) -> usize {
        self.parts().map(|g| g.map.weight.len()).sum()
    }

    pub(super) fn map<U>(&self, dense: &impl Fn(&Dense<T>) -> Dense<U>) -> Modulation<U> {
        let map = |g: &Option<Generated<T>>| g.as_ref().map(|g| g.map(dense));
        Modulation { place: self.place, gain: map(&self.gain), shift: map(&self.shift) }
    }

    pub(super) fn validate(&self, l: usize, shape: &LayerShape, trunk_widths: &[usize]) -> Result<()> {
        if self.parts().next().is_none() {
            return Err(Error::invalid(format!("head.{l} modulates with neither gain nor shift")));
        }
        if self.place == Place::AfterOmega && !matches!(shape.activation, Some(Activation::Sine { .. })) {
            return Err(Error::invalid(format!(
                "head.{l} modulates after omega, but its activation has no omega of that kind"
            )));
        }
        for (generated, what) in [(&self.gain, "gain"), (&self.shift, "shift")] {
            if let Some(g) = generated {
                g.validate(&format!("head.{l}.{what}"), shape.outputs, trunk_widths)?;
            }
        }
        Ok(())
    }
}

/// Gains and shifts at work on a layer's rows, `[outputs][columns][points]`, with one latent's theta. A gain multiplies
/// every column of a jet; a shift has no derivatives.
impl Slots {
    /// `g u + scale s`, row by row.
    pub(crate) fn modulate<T: Real>(&self, theta: &[T], scale: T, lanes: Lanes, rows: &mut [T]) {
        for (r, row) in rows.chunks_exact_mut(lanes.row()).enumerate() {
            let gain = self.gain.map_or(T::ONE, |at| theta[at + r]);
            let shift = self.shift.map_or(T::ZERO, |at| theta[at + r]) * scale;
            let (values, derivatives) = row.split_at_mut(lanes.points);
            values.iter_mut().for_each(|u| *u = *u * gain + shift);
            derivatives.iter_mut().for_each(|u| *u = *u * gain);
        }
    }

    /// Adjoint of [`Slots::modulate`] at `u`: `delta` is the gradient with respect to its result, then to `u`. Gradients
    /// of gains and shifts are added to `dtheta`.
    pub(crate) fn modulate_vjp<T: Real>(
        &self,
        theta: &[T],
        scale: T,
        lanes: Lanes,
        u: &[T],
        delta: &mut [T],
        dtheta: &mut [T],
    ) {
        for (r, (delta, u)) in delta.chunks_exact_mut(lanes.row()).zip(u.chunks_exact(lanes.row())).enumerate() {
            if let Some(at) = self.shift {
                dtheta[at + r] += scale * sum(&delta[..lanes.points]);
            }
            if let Some(at) = self.gain {
                dtheta[at + r] += dot(delta, u);
                let gain = theta[at + r];
                delta.iter_mut().for_each(|d| *d = *d * gain);
            }
        }
    }
}
