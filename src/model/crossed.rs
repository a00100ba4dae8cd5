//! Style mixing (Karras et al. 2019) of generated weights: the first layers from one latent, the others from another.

use std::sync::Arc;

use super::heads::{Place, Slots};
use super::{Head, Hypernetwork, Jet, LatentTable, LayerShape, Model, Solid};
use crate::math::{dot, zip};
use crate::{Error, Result};

impl Model {
    /// The single INR whose layers before `first_of_b`, counted from 0, are those that latent `a` generates, and whose
    /// others are those of `b`: `a`'s own INR where `first_of_b` is the number of layers, `b`'s where it is 0.
    ///
    /// It takes no latent and has neither trunks nor modulations: gains and shifts become parts of its weights and biases.
    ///
    /// # Errors
    /// Where this model takes no latents, one of the two is not as long as they are, there are not so many layers, the
    /// residual stream is modulated, or a generated number is not finite.
    pub fn crossed(&self, a: &[f32], b: &[f32], first_of_b: usize) -> Result<Self> {
        let (dim, layers) = (self.latent_dim(), self.inr.layers());
        if dim == 0 {
            return Err(Error::invalid("this model is a single INR without latents: there are no two to cross"));
        }
        if let Some(z) = [a, b].into_iter().find(|z| z.len() != dim) {
            return Err(Error::invalid(format!("a latent of {} numbers; this model's have {dim}", z.len())));
        }
        if first_of_b > layers.len() {
            let count = layers.len();
            return Err(Error::invalid(format!("layers cannot be crossed from {first_of_b} on: the INR has {count}")));
        }
        if self.modulates_stream() {
            return Err(Error::invalid(
                "layers of this model cannot be crossed: its residual layers are modulated, which no single INR's are",
            ));
        }
        let family = &self.hypernetwork;
        let mut theta = vec![0.0; 2 * family.theta_len(&self.inr)];
        family.materialise(&self.inr, 2, &family.features(2, &[a, b].concat()), &mut theta);
        let (of_a, of_b) = theta.split_at(theta.len() / 2);

        let mut heads = Vec::with_capacity(layers.len());
        // A weight's rows as a layer's, the inputs for points.
        let rows = |points| Jet::Value.lanes(0, points);
        // What modulates the outputs of the layer before, where that is after their activation.
        let mut pending: Option<(&[f32], Slots)> = None;
        for (l, (shape, slots)) in layers.iter().zip(family.slots(&self.inr)).enumerate() {
            let theta = if l < first_of_b { of_a } else { of_b };
            let mut weight = theta[slots.weight..slots.bias].to_vec();
            let mut bias = theta[slots.bias..][..shape.outputs].to_vec();
            if let Some((theta, slots)) = pending.take() {
                absorb(shape, theta, &slots, &mut weight, &mut bias);
            }
            match family.heads[l].modulation.as_ref().map(|m| m.acts(shape.activation)) {
                Some((Place::AfterActivation, _)) => pending = Some((theta, slots)),
                Some((_, scale)) => {
                    // g (W x + b) + s = (g W) x + (g b + s)
                    slots.modulate(theta, 0.0, rows(shape.inputs), &mut weight);
                    slots.modulate(theta, scale, rows(1), &mut bias);
                }
                None => {}
            }
            heads.push(Head::shared(weight, bias));
        }
        let model = Self {
            inr: self.inr.clone(),
            hypernetwork: Arc::new(Hypernetwork { latent_dim: 0, trunks: Vec::new(), heads }),
            latents: LatentTable::default(),
            coordinates: self.coordinates,
            values: self.values,
            provenance: self.provenance.clone(),
            // Where a solid that is in no table lies is not known.
            solid: self.solid.as_ref().map(|s| Solid { frames: Vec::new(), ..*s }),
            training: None,
        };
        model.validate()?;
        Ok(model)
    }

    /// Whether a layer that carries the residual stream is modulated before its activation. The stream goes on without
    /// gains and shifts, so that these cannot become parts of weights and biases.
    pub(crate) fn modulates_stream(&self) -> bool {
        self.inr.layers().iter().zip(&self.hypernetwork.heads).any(|(shape, head)| {
            let place = head.modulation.as_ref().map(|m| m.acts(shape.activation).0);
            shape.stream && place.is_some_and(|place| place != Place::AfterActivation)
        })
    }
}

/// Takes the modulation of a layer's inputs, with its theta and slots, into the layer:
/// `W (g x + s) + b = (W g) x + (b + W s)`. Coordinates that the layer takes again are not modulated.
fn absorb(shape: &LayerShape, theta: &[f32], slots: &Slots, weight: &mut [f32], bias: &mut [f32]) {
    let part = |slot: Option<usize>| slot.map(|at| &theta[at..][..shape.previous]);
    for (row, bias) in weight.chunks_exact_mut(shape.inputs).zip(bias) {
        let row = &mut row[..shape.previous];
        if let Some(shifts) = part(slots.shift) {
            *bias += dot(row, shifts);
        }
        if let Some(gains) = part(slots.gain) {
            zip(row, gains, |w, g| w * g);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::heads::Multiplier;
    use super::super::{Activation, Encoding, Family, HeadChoice, HiddenLayer, Inr, WeightChoice};
    use super::*;
    use crate::cpu::Network;
    use crate::model::Domain;

    const POINTS: [f32; 14] = [-1.0, 0.3, 0.2, 0.9, 0.0, -0.7, 0.5, 0.5, -0.4, 1.0, 0.8, -0.8, -0.1, 0.1];

    fn inr() -> Inr {
        let sine = |width, omega| HiddenLayer::new(width, Activation::Sine { omega });
        let hidden = vec![sine(9, 8.0), HiddenLayer { skip: true, ..sine(7, 3.0) }, sine(11, 3.0)];
        Inr { inputs: 2, outputs: 3, encoding: Encoding::Octaves { count: 2, input: true }, hidden }
    }

    /// Latents `z0` and `z1` of a family whose weights and modulations depend on them strongly.
    fn family(choose: impl Fn(usize) -> HeadChoice) -> Model {
        over(inr(), choose)
    }

    fn over(inr: Inr, choose: impl Fn(usize) -> HeadChoice) -> Model {
        Family { latent_dim: 5, features: 12, latents: 2, shrink: 3.0, seed: 9, ..Family::default() }.build(inr, choose)
    }

    /// The INR's values at [`POINTS`] with those parameters.
    fn values(network: &Network<f32>, theta: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; POINTS.len() / 2 * 3];
        network.evaluate(theta, &Domain::Points { coordinates: &POINTS, inputs: 2 }, &mut out);
        out
    }

    /// Compares every crossing of `z0` and `z1` with the same crossing of the family's own theta.
    fn check(model: &Model, allowed: f32) {
        let network = Network::new(model);
        let theta = network.materialise(2, &network.features(2, model.latents.values()));
        let (of_a, of_b) = theta.split_at(theta.len() / 2);
        let mut seen: Vec<Vec<f32>> = Vec::new();
        let starts = model.hypernetwork.slots(&model.inr).into_iter().map(|s| s.weight).chain([of_a.len()]);
        for (k, start) in starts.enumerate() {
            let crossed = model.crossed(model.latents.get(0), model.latents.get(1), k).unwrap();
            assert_eq!((crossed.latent_dim(), crossed.latents.len()), (0, 0));
            let frozen = Network::new(&crossed);
            let got = values(&frozen, &frozen.materialise(1, &frozen.features(1, &[])));
            let want = values(&network, &[&of_a[..start], &of_b[start..]].concat());
            let error = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(error <= allowed, "layers from {k} on: {error:.1e}");
            assert!(!seen.contains(&got), "every layer makes a difference");
            seen.push(got);
        }
    }

    #[test]
    fn weights_of_every_kind_are_taken_as_they_are() {
        let multipliers = [Multiplier::Demodulated, Multiplier::Tanh, Multiplier::Sigmoid];
        let low_rank = multipliers.map(|m| WeightChoice::LowRank(3, m));
        for weight in [WeightChoice::Linear].into_iter().chain(low_rank) {
            check(&family(|_| HeadChoice { weight, modulation: None }), 0.0);
        }
    }

    #[test]
    fn modulations_become_a_part_of_the_weights() {
        for place in [Place::BeforeOmega, Place::AfterOmega, Place::AfterActivation] {
            for (gain, shift) in [(true, true), (true, false), (false, true)] {
                check(
                    &family(|_| HeadChoice { weight: WeightChoice::Linear, modulation: Some((place, gain, shift)) }),
                    1e-5,
                );
            }
        }
        // After an activation, then before one.
        let places = [Place::AfterActivation, Place::BeforeOmega, Place::AfterActivation, Place::BeforeOmega];
        check(
            &family(|l| HeadChoice { weight: WeightChoice::Linear, modulation: Some((places[l], true, true)) }),
            1e-5,
        );
    }

    #[test]
    fn a_residual_stream_goes_on_unmodulated() {
        let mut residual = inr();
        residual.hidden[2] = HiddenLayer { residual: true, ..residual.hidden[0] };
        let modulated = |place| {
            let modulation = Some((place, true, true));
            over(residual.clone(), |_| HeadChoice { weight: WeightChoice::Linear, modulation })
        };
        check(&modulated(Place::AfterActivation), 1e-5);
        let model = modulated(Place::BeforeOmega);
        let refused = model.crossed(model.latents.get(0), model.latents.get(1), 1).unwrap_err().to_string();
        assert!(refused.contains("residual"), "{refused}");
    }

    #[test]
    fn what_cannot_be_crossed_is_refused() {
        let model = family(|_| HeadChoice { weight: WeightChoice::Linear, modulation: None });
        let refused = |model: &Model, a: &[f32], b: &[f32], k| model.crossed(a, b, k).unwrap_err().to_string();
        assert!(refused(&model, &[0.0; 5], &[0.0; 4], 1).contains("4 numbers"));
        assert!(refused(&model, &[0.0; 6], &[0.0; 5], 1).contains("6 numbers"));
        assert!(refused(&model, &[0.0; 5], &[0.0; 5], 5).contains("from 5 on: the INR has 4"));
        assert!(refused(&Model::random_siren(inr(), 1), &[], &[], 0).contains("without latents"));
    }
}
