//! Occupancy Networks' decoder with conditional batch normalisation (Mescheder et al. 2019,
//! `autonomousvision/occupancy_networks`): `fc_p`, then blocks `h += fc_1(relu(bn_1(fc_0(relu(bn_0(h))))))`, then
//! `fc_out(relu(bn(h)))`, a logit. `fc_p` and every `fc_1` carry the residual stream.
//!
//! A trained batch normalisation is a fixed affine map, so that with the latent c's gamma and beta
//! `gamma(c) (h - mean) / sqrt(var + eps) + beta(c)` is a gain and a shift of the sums, before the activation.

use super::Conventions;
use super::network::{Layer, Network};
use super::state::{StateDict, count, get, prefix_of_layer, with_bias};
use crate::math::Real;
use crate::model::heads::{Generated, Modulation, Place};
use crate::model::{Activation, Dense, Frame, Side, Solid, Trunk};
use crate::{Error, Result};

/// Half the side of the cube in which points are drawn and meshes found: shapes fill the unit cube, 1/20 is padding on each side.
const HALF: f64 = 0.55;
/// What is added to variances.
const EPSILON: f64 = 1e-5;
/// The table of latents of a model trained with one for each shape (`encoder: idx`).
pub(super) const TABLE: &str = "encoder.weight";

pub(super) fn matches(state: &StateDict) -> bool {
    prefix_of_layer(state, "fc_p").is_some()
}

/// The cube, in the codebase's own coordinates.
pub(super) fn solid() -> Solid {
    Solid { values: Side::Occupancy, frames: vec![Frame { centre: [0.0; 3], scale: HALF }] }
}

pub(super) fn build(state: &StateDict, conventions: &Conventions) -> Result<Network> {
    let prefix = prefix_of_layer(state, "fc_p")
        .ok_or_else(|| Error::invalid("tensor 'fc_p.weight' is missing from the checkpoint"))?;
    let block = |i: usize| format!("{prefix}block{i}");
    let blocks = count(state, block)?;
    if !state.keys().any(|k| k.starts_with(&format!("{prefix}bn."))) {
        return Err(Error::invalid(format!(
            "no tensors of '{prefix}bn': of Occupancy Networks' decoders, those with conditional batch normalisation (cbatchnorm) can be imported"
        )));
    }
    let mut first = map(state, &format!("{prefix}fc_p"))?;
    // The INR's own coordinates are those of the box [-1, 1]^3.
    first.weight.iter_mut().for_each(|w| *w = f32::from_f64(HALF * f64::from(*w)));
    if state.contains_key(&format!("{prefix}fc_z.weight")) {
        // A second, random latent: at its mean, 0, where the codebase's own meshes have it.
        let bias = &get(state, &format!("{prefix}fc_z.bias"))?.data;
        first.bias.iter_mut().zip(bias).for_each(|(b, z)| *b += z);
    }
    let (mut maps, mut norms) = (vec![(first, false)], Vec::new());
    for name in (0..blocks).map(block) {
        maps.extend([(map(state, &format!("{name}.fc_0"))?, false), (map(state, &format!("{name}.fc_1"))?, true)]);
        norms.extend([format!("{name}.bn_0"), format!("{name}.bn_1")]);
    }
    norms.push(format!("{prefix}bn"));
    let mut layers = Vec::new();
    for ((map, residual), norm) in maps.into_iter().zip(&norms) {
        let mut layer = Layer { residual, ..Layer::shared(map) };
        layer.head.modulation = Some(modulation(state, norm, layer.outputs)?);
        layers.push(layer);
    }
    layers.push(Layer::shared(map(state, &format!("{prefix}fc_out"))?));
    let gain = layers[0].head.modulation.as_ref().and_then(|m| m.gain.as_ref());
    let latent_dim = gain.map_or(0, |g| g.map.inputs);
    Network::new(layers, |_| Activation::Relu, conventions.last, latent_dim, vec![Trunk::default()])
}

/// The gain and shift of the conditional batch normalisation `name` of that many neurons; both read the latent itself.
fn modulation(state: &StateDict, name: &str, neurons: usize) -> Result<Modulation<f32>> {
    // Convolutions of one point; in the first models they were linear layers.
    let part = |part: &str| {
        let [now, before] = ["conv", "fc"].map(|kind| format!("{name}.{kind}_{part}"));
        map(state, if state.contains_key(&format!("{before}.weight")) { &before } else { &now })
    };
    let (mut gain, mut shift) = (part("gamma")?, part("beta")?);
    let mean = &get(state, &format!("{name}.bn.running_mean"))?.data;
    let variance = &get(state, &format!("{name}.bn.running_var"))?.data;
    let inputs = gain.inputs;
    let fits = |map: &Dense<f32>| map.outputs == neurons && map.inputs == inputs;
    if !fits(&gain) || !fits(&shift) || mean.len() != neurons || variance.len() != neurons {
        return Err(Error::invalid(format!(
            "'{name}' writes {} gains and {} shifts, and has {} means and {} variances; {neurons} neurons need one each, from one latent",
            gain.outputs,
            shift.outputs,
            mean.len(),
            variance.len()
        )));
    }
    for (r, (&mean, &variance)) in mean.iter().zip(variance).enumerate() {
        let scale = 1.0 / (f64::from(variance) + EPSILON).sqrt();
        let fold = |gain: &mut f32, shift: &mut f32| {
            let folded = f64::from(*gain) * scale;
            (*gain, *shift) = (f32::from_f64(folded), f32::from_f64(f64::from(*shift) - f64::from(mean) * folded));
        };
        let row = r * inputs..(r + 1) * inputs;
        gain.weight[row.clone()].iter_mut().zip(&mut shift.weight[row]).for_each(|(g, s)| fold(g, s));
        fold(&mut gain.bias[r], &mut shift.bias[r]);
    }
    Ok(Modulation {
        place: Place::BeforeOmega,
        gain: Some(Generated { trunk: 0, map: gain }),
        shift: Some(Generated { trunk: 0, map: shift }),
    })
}

/// The affine map of a linear layer, or of a convolution whose kernel is one point.
fn map(state: &StateDict, name: &str) -> Result<Dense<f32>> {
    let mut weight = get(state, &format!("{name}.weight"))?.clone();
    if let [_, _, 1] = weight.shape[..] {
        weight.shape.pop();
    }
    with_bias(state, name, &weight)
}
