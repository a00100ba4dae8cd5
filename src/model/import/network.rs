//! How layouts put an INR and its hypernetwork together.

use super::{Conventions, Final};
use crate::model::{Activation, Dense, Encoding, Head, HiddenLayer, Hypernetwork, Inr, Trunk};
use crate::{Error, Result};

/// One layer of the INR.
pub(super) struct Layer {
    /// Rows of its weight.
    pub(super) outputs: usize,
    /// Columns of its weight, without those of a skip connection.
    pub(super) inputs: usize,
    /// Whether the coordinates are appended to its inputs.
    pub(super) skip: bool,
    /// Whether it adds the stream to its sums.
    pub(super) residual: bool,
    pub(super) head: Head<f32>,
}

impl Layer {
    pub(super) fn shared(map: Dense<f32>) -> Self {
        let Dense { outputs, inputs, weight, bias } = map;
        Self { outputs, inputs, skip: false, residual: false, head: Head::shared(weight, bias) }
    }
}

/// All of a model but conventions and latents.
pub(super) struct Network {
    pub(super) inr: Inr,
    pub(super) hypernetwork: Hypernetwork<f32>,
}

impl Network {
    /// A SIREN of these layers, with the conventions' omegas.
    pub(super) fn siren(
        layers: Vec<Layer>,
        latent_dim: usize,
        trunks: Vec<Trunk<f32>>,
        conventions: &Conventions,
    ) -> Result<Self> {
        let omega = |l: usize| if l == 0 { conventions.first_omega } else { conventions.omega };
        let sine = |l| Activation::Sine { omega: omega(l) };
        Self::new(layers, sine, conventions.last, latent_dim, trunks)
    }

    /// Layers with the given activations; the last one's is `last`. As an INR ends with a linear layer,
    /// an activation there is followed by the identity.
    pub(super) fn new(
        layers: Vec<Layer>,
        activation: impl Fn(usize) -> Activation,
        last: Final,
        latent_dim: usize,
        trunks: Vec<Trunk<f32>>,
    ) -> Result<Self> {
        check_chain(&layers)?;
        let (inputs, outputs) = (layers[0].inputs, layers[layers.len() - 1].outputs);
        let mut hidden: Vec<HiddenLayer> = (layers.iter().enumerate())
            .map(|(l, layer)| {
                let Layer { outputs, skip, residual, .. } = *layer;
                HiddenLayer { skip, residual, ..HiddenLayer::new(outputs, activation(l)) }
            })
            .collect();
        let mut heads: Vec<Head<f32>> = layers.into_iter().map(|l| l.head).collect();
        match (last.activation(), hidden.pop()) {
            (Some(activation), Some(end)) => hidden.push(HiddenLayer { activation, ..end }),
            (None, Some(end)) if end.skip => {
                return Err(Error::invalid(
                    "the last layer takes the coordinates again, which is possible only under an activation: say --final tanh",
                ));
            }
            _ => {}
        }
        let inr = Inr { inputs, outputs, encoding: Encoding::Identity, hidden };
        inr.validate()?;
        if last != Final::None {
            let Dense { weight, bias, .. } = identity(outputs);
            heads.push(Head::shared(weight, bias));
        }
        Ok(Self { inr, hypernetwork: Hypernetwork { latent_dim, trunks, heads } })
    }
}

/// The map that changes nothing.
pub(super) fn identity(n: usize) -> Dense<f32> {
    let mut weight = vec![0.0; n * n];
    weight.iter_mut().step_by(n + 1).for_each(|w| *w = 1.0);
    Dense { outputs: n, inputs: n, weight, bias: vec![0.0; n] }
}

/// Fails where one layer's inputs are not the outputs of the layer before it.
fn check_chain(layers: &[Layer]) -> Result<()> {
    if layers.len() < 2 {
        return Err(Error::invalid(format!("{} layers were found; an INR has at least two", layers.len())));
    }
    for (l, pair) in layers.windows(2).enumerate() {
        if pair[1].inputs != pair[0].outputs {
            return Err(Error::invalid(format!(
                "layer {} takes {} inputs, but layer {l} gives {}",
                l + 1,
                pair[1].inputs,
                pair[0].outputs
            )));
        }
    }
    Ok(())
}
