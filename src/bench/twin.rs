//! What outputs should be: numbers of the f64 twin at some places, and how far f32 may be from them.

use crate::cpu::Network;
use crate::math::Real;
use crate::model::{Domain, Grid, Jet, Model};

use super::method::Check;

/// However much the f32 twin loses, a kernel that is off by more than this share is wrong, unless the model itself is
/// that sensitive: by so many times what its outputs move if each weight is rounded once.
const COARSEST: f64 = 1e-3;
const MOVES: f64 = 100.0;

/// What outputs may be wrong by that were computed with halves of 16 bits.
pub(super) const HALF: f64 = 5e-3;

/// Numbers that are known, and their places among the outputs.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    places: Vec<usize>,
    exact: Vec<f64>,
    /// Errors are divided by these: the largest number of a column, where it is more than 1.
    scales: Vec<f64>,
    bound: f64,
}

impl Expected {
    /// Some outputs are known.
    pub(super) fn some(places: Vec<usize>, exact: Vec<f64>, bound: f64) -> Self {
        Self { scales: vec![1.0; exact.len()], places, exact, bound }
    }

    /// Some rows of pictures of the first, the middle and the last of the latents `z`, with derivatives: outputs are
    /// `[latents][points][columns][outputs]`. They may be wrong by ten times what the f32 twin is, plus 1e-6 (DESIGN's
    /// numerics), but not by a thousandth, unless that is what roundings of the weights alone do in double precision: so a twin
    /// that is wrong itself cannot excuse others.
    pub(super) fn pictures(model: &Model, z: &[f32], latents: usize, grid: &Grid, jet: Jet) -> Self {
        let numbers = jet.columns(model.inr.inputs) * model.inr.outputs;
        let row = grid.width as usize * numbers;
        let mut rows = vec![0, grid.height / 3, grid.height * 2 / 3, grid.height - 1];
        rows.dedup();
        let mut those = vec![0, latents / 2, latents - 1];
        those.dedup();
        let (oracle, twin) = (Network::oracle(model), Network::new(model));
        let (mut places, mut exact, mut rounded, mut moved) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for latent in those {
            let z = &z[latent * model.latent_dim()..][..model.latent_dim()];
            let (wide, narrow) = (theta(&oracle, z), theta(&twin, z));
            let other = rounded_once(&wide);
            for &r in &rows {
                let domain = Domain::Grid(grid.rows(r, 1));
                let first = (latent * grid.points() + r as usize * grid.width as usize) * numbers;
                places.extend(first..first + row);
                exact.extend(jets(&oracle, &wide, &domain, jet, row));
                moved.extend(jets(&oracle, &other, &domain, jet, row));
                rounded.extend(jets(&twin, &narrow, &domain, jet, row));
            }
        }
        let columns = jet.columns(model.inr.inputs);
        let column = |i: usize| i / model.inr.outputs % columns;
        let mut largest = vec![1.0_f64; columns];
        for (i, e) in exact.iter().enumerate() {
            largest[column(i)] = largest[column(i)].max(e.abs());
        }
        let scales = (0..exact.len()).map(|i| largest[column(i)]).collect();
        let mut expected = Self { places, exact, scales, bound: 0.0 };
        let own = expected.worst(rounded.iter().map(|&v| f64::from(v)));
        let moves = expected.worst(moved.into_iter());
        expected.bound = (10.0 * own + 1e-6).min(COARSEST.max(MOVES * moves));
        expected
    }

    /// Numbers of which the f32 twin's are known, too: they may be wrong by ten times as much as those, as above.
    pub(super) fn beside(places: Vec<usize>, exact: Vec<f64>, rounded: impl Iterator<Item = f32>) -> Self {
        let mut expected = Self::some(places, exact, 0.0);
        let own = expected.worst(rounded.map(f64::from));
        expected.bound = (10.0 * own + 1e-6).min(COARSEST);
        expected
    }

    /// The same for a computation with halves of 16 bits.
    pub(super) fn of_halves(&self) -> Self {
        Self { bound: HALF, ..self.clone() }
    }

    fn worst(&self, got: impl Iterator<Item = f64>) -> f64 {
        let errors = got.zip(&self.exact).zip(&self.scales).map(|((g, e), scale)| (g - e).abs() / scale);
        // A NaN is an error of any size.
        errors.fold(0.0, |worst, error| if error.is_nan() { f64::INFINITY } else { worst.max(error) })
    }

    /// Compares; every output must be finite, the others' sizes are not known.
    pub(super) fn check(&self, outputs: &[f32]) -> Check {
        let written = outputs.iter().all(|v| v.is_finite());
        // An output that is missing is as wrong as one that was not written.
        let at = |&p: &usize| outputs.get(p).map_or(f64::NAN, |&v| v.into());
        let worst = self.worst(self.places.iter().map(at));
        Check { error: if written { worst } else { f64::INFINITY }, bound: self.bound, numbers: self.exact.len() }
    }
}

fn theta<T: Real>(network: &Network<T>, z: &[f32]) -> Vec<T> {
    let z: Vec<T> = z.iter().map(|&v| T::from_f32(v)).collect();
    network.materialise(1, &network.features(1, &z))
}

/// Each number up or down by half of f32's precision, in no order that a sum could cancel.
fn rounded_once(theta: &[f64]) -> Vec<f64> {
    let sign = |i: usize| if (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 63 == 0 { 1.0 } else { -1.0 };
    let half = (-24.0_f64).exp2();
    theta.iter().enumerate().map(|(i, v)| v * (1.0 + sign(i) * half)).collect()
}

fn jets<T: Real>(network: &Network<T>, theta: &[T], domain: &Domain<'_>, jet: Jet, numbers: usize) -> Vec<T> {
    let mut out = vec![T::from_f64(f64::NAN); numbers];
    network.jets(theta, domain, jet, &mut out);
    out
}
