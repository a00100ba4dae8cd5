//! A shared SIREN whose latent becomes gains and shifts of its hidden layers, before omega:
//! `sin(omega (g (W x + b) + s))`. COIN++ and functa are two layouts of it.

use super::Conventions;
use super::network::{Layer, Network};
use super::siren::relu_trunk;
use crate::model::Dense;
use crate::model::heads::{Generated, Modulation, Place};
use crate::{Error, Result};

/// Where gains stand among the numbers that the modulation network writes.
#[derive(Clone, Copy)]
pub(super) enum Gains {
    /// All layers' gains before all layers' shifts (COIN++).
    First,
    /// Each layer's gain before its shift (functa).
    Interleaved,
}

/// Puts the SIREN's layers and the maps of the modulation network (ReLU between them) together. Both codebases
/// learn gains as what is added to 1, and add 1/2 to the output.
///
/// As many numbers as hidden neurons are shifts, twice as many gains and shifts. Gains alone, which both codebases
/// allow, look like shifts.
pub(super) fn build(
    mut maps: Vec<Dense<f32>>,
    mut modulation: Vec<Dense<f32>>,
    order: Gains,
    conventions: &Conventions,
) -> Result<Network> {
    let (Some(last), Some(map)) = (maps.last_mut(), modulation.pop()) else {
        return Err(Error::invalid("the modulated SIREN or its modulation network has no layers"));
    };
    last.bias.iter_mut().for_each(|b| *b += 0.5);
    let hidden: Vec<usize> = maps[..maps.len() - 1].iter().map(|m| m.outputs).collect();
    let neurons: usize = hidden.iter().sum();
    let gains = map.outputs == 2 * neurons;
    if !gains && map.outputs != neurons {
        return Err(Error::invalid(format!(
            "the modulation network writes {} numbers; {neurons} hidden neurons need {neurons} shifts, or {} gains and shifts",
            map.outputs,
            2 * neurons
        )));
    }
    let latent_dim = modulation.first().map_or(map.inputs, |m| m.inputs);
    let mut layers: Vec<Layer> = maps.into_iter().map(Layer::shared).collect();
    let mut before = 0;
    for (layer, width) in layers.iter_mut().zip(hidden) {
        let rows = |first: usize| Generated { trunk: 0, map: rows(&map, first, width) };
        let (gain, shift) = match (gains, order) {
            (false, _) => (None, rows(before)),
            (true, Gains::First) => (Some(rows(before)), rows(neurons + before)),
            (true, Gains::Interleaved) => (Some(rows(2 * before)), rows(2 * before + width)),
        };
        let gain = gain.map(|mut g| {
            g.map.bias.iter_mut().for_each(|b| *b += 1.0);
            g
        });
        layer.head.modulation = Some(Modulation { place: Place::BeforeOmega, gain, shift: Some(shift) });
        before += width;
    }
    Network::siren(layers, latent_dim, vec![relu_trunk(modulation)], conventions)
}

/// Some rows of a map.
fn rows(map: &Dense<f32>, first: usize, count: usize) -> Dense<f32> {
    let weight = map.weight[first * map.inputs..][..count * map.inputs].to_vec();
    Dense { outputs: count, inputs: map.inputs, weight, bias: map.bias[first..][..count].to_vec() }
}
