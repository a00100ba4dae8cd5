//! How far a signal spreads on its way through an INR's layers: what an initialisation keeps, and training makes of it.

use serde::Serialize;

use super::Network;
use crate::math::Real;
use crate::model::heads::Place;
use crate::model::{Domain, Jet};

/// Standard deviations of the numbers that a layer's units have at some points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Of all of them.
    pub all: f64,
    /// Over the points alone, about each unit's own mean (root mean square over the units): the signal, without biases.
    pub points: f64,
}

/// A layer's spread, before and after its activation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct LayerSpread {
    /// Of what the activation is applied to; in radians, times omega, where the activation has one.
    pub sums: Spread,
    /// Of what the layer hands on; in the last layer, which is linear, the same.
    pub outputs: Spread,
}

/// One unit's numbers at the points so far.
#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        *self = self.with(Self { count: 1.0, sum: value, squares: value * value });
    }

    fn with(self, other: Self) -> Self {
        Self { count: self.count + other.count, sum: self.sum + other.sum, squares: self.squares + other.squares }
    }

    fn variance(self) -> f64 {
        (self.squares / self.count - (self.sum / self.count).powi(2)).max(0.0)
    }
}

impl Spread {
    fn of(units: &[Moments], factor: f64) -> Self {
        let all = units.iter().copied().fold(Moments::default(), Moments::with);
        let points = units.iter().map(|unit| unit.variance()).sum::<f64>() / units.len() as f64;
        Self { all: factor * all.variance().sqrt(), points: factor * points.sqrt() }
    }
}

impl<T: Real> Network<T> {
    /// Every layer's spread over latents (`z`: rows of `latent_dim`; nothing for a single INR) and the same points for each
    /// (`coordinates`: `[points][inputs]`).
    ///
    /// # Panics
    /// Where the sizes do not agree.
    pub fn spread(&self, z: &[T], coordinates: &[f32]) -> Vec<LayerSpread> {
        let points = coordinates.len() / self.inr.inputs;
        let latents = z.len().checked_div(self.hypernetwork.latent_dim).unwrap_or(1);
        let theta = self.materialise(latents, &self.features(latents, z));
        let domain = Domain::Points { coordinates, inputs: self.inr.inputs };
        let mut tape = self.tape(points, Jet::Value);
        // Units of one latent after those of another: each latent's have means of their own.
        let units = |l: usize| vec![Moments::default(); latents * self.layers[l].outputs];
        let mut moments: Vec<[Vec<Moments>; 2]> = (0..self.layers.len()).map(|l| [units(l), units(l)]).collect();
        for (latent, theta) in theta.chunks_exact(self.theta_len()).enumerate() {
            let block = self.backward_block(Jet::Value);
            for first in (0..points).step_by(block) {
                let count = block.min(points - first);
                let lanes = Jet::Value.lanes(self.inr.inputs, count);
                self.record_block(theta, &domain, first, lanes, &mut tape);
                for (l, (shape, [sums, outputs])) in self.layers.iter().zip(&mut moments).enumerate() {
                    let numbers = shape.outputs * count;
                    let sums = &mut sums[latent * shape.outputs..][..shape.outputs];
                    let outputs = &mut outputs[latent * shape.outputs..][..shape.outputs];
                    if shape.activation.is_some() {
                        let mut values = tape.sums[l][..numbers].to_vec();
                        self.modulate(l, theta, lanes, Place::BeforeOmega, &mut values);
                        add_rows(sums, &values, count);
                        add_rows(outputs, &tape.inputs[l + 1][..numbers], count);
                    } else {
                        for point in tape.outputs[..numbers].chunks_exact(shape.outputs) {
                            add_rows(sums, point, 1);
                            add_rows(outputs, point, 1);
                        }
                    }
                }
            }
        }
        (self.layers.iter().zip(&moments))
            .map(|(shape, [sums, outputs])| {
                let omega = shape.activation.and_then(|a| a.omega()).map_or(1.0, f64::from);
                LayerSpread { sums: Spread::of(sums, omega.abs()), outputs: Spread::of(outputs, 1.0) }
            })
            .collect()
    }
}

/// Adds each row's numbers, `count` of them, to its unit.
fn add_rows<T: Real>(units: &mut [Moments], rows: &[T], count: usize) {
    for (unit, row) in units.iter_mut().zip(rows.chunks_exact(count)) {
        row.iter().for_each(|v| unit.add(v.to_f64()));
    }
}
