//! Random models of unfriendly shapes.

use std::sync::Arc;

use hypersine::model::heads::{Generated, Multiplier, Place};
use hypersine::model::{
    Activation, Dense, Encoding, Family, HeadChoice, HiddenLayer, Inr, LayerNorm, Model, Source, TrunkLayer,
    WeightChoice,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Every activation, with parameters as networks have them.
pub(crate) const ACTIVATIONS: [Activation; 9] = [
    Activation::Sine { omega: 17.0 },
    Activation::Relu,
    Activation::LeakyRelu { slope: 0.2 },
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Softplus { beta: 3.0 },
    Activation::Gaussian { scale: 2.0 },
    Activation::Finer { omega: 5.0 },
    Activation::Gabor { omega: 9.0, scale: 1.5 },
];

fn random_encoding(rng: &mut ChaCha8Rng, inputs: usize) -> Encoding {
    match rng.random_range(0..4) {
        0 => {
            let features = rng.random_range(1..=23);
            Encoding::Fourier {
                features,
                frequencies: (0..features * inputs).map(|_| rng.random_range(-4.0..4.0)).collect(),
            }
        }
        1 => Encoding::Octaves { count: rng.random_range(1..=5), input: rng.random() },
        _ => Encoding::Identity,
    }
}

fn random_choice(rng: &mut ChaCha8Rng) -> HeadChoice {
    let multiplier = [Multiplier::Demodulated, Multiplier::Tanh, Multiplier::Sigmoid][rng.random_range(0..3)];
    let weight = match rng.random_range(0..3) {
        0 => WeightChoice::Shared,
        1 => WeightChoice::Linear,
        _ => WeightChoice::LowRank(rng.random_range(1..=11), multiplier),
    };
    let place = if rng.random() { Place::BeforeOmega } else { Place::AfterActivation };
    let modulation = match rng.random_range(0..6) {
        0 => Some((place, true, true)),
        1 => Some((place, true, false)),
        2 => Some((place, false, true)),
        _ => None,
    };
    HeadChoice { weight, modulation }
}

/// Gives residual layers' weights, which start at 0, the size of other layers'.
fn stir_residuals(model: &mut Model, rng: &mut ChaCha8Rng) {
    let heads = &mut Arc::make_mut(&mut model.hypernetwork).heads;
    for ((head, layer), shape) in heads.iter_mut().zip(&model.inr.hidden).zip(model.inr.layers()) {
        let (Source::Shared(start) | Source::Linear(Generated { map: Dense { bias: start, .. }, .. })) =
            &mut head.weight
        else {
            continue;
        };
        if layer.residual {
            let bound = (6.0 / shape.inputs as f32).sqrt() / layer.activation.omega().unwrap_or(1.0);
            start.iter_mut().for_each(|w| *w = rng.random_range(-bound..=bound));
        }
    }
}

/// A random INR of unfriendly sizes with `activation` in its first layer, heads of any kind in any layer, and a
/// batch of latents.
pub(crate) fn random_model(rng: &mut ChaCha8Rng, activation: Activation) -> (Arc<Model>, usize) {
    random_model_of(rng, activation, None)
}

/// The same for so many inputs and outputs, if they are given.
pub(crate) fn random_model_of(
    rng: &mut ChaCha8Rng,
    activation: Activation,
    numbers: Option<(usize, usize)>,
) -> (Arc<Model>, usize) {
    let inputs = numbers.map_or_else(|| rng.random_range(1..=4), |(inputs, _)| inputs);
    let depth = rng.random_range(1..=4);
    let stream = rng.random_range(1..=75);
    let hidden = (0..depth).map(|l| {
        let residual = l > 0 && rng.random_ratio(1, 4);
        HiddenLayer {
            width: if l == 0 || residual { stream } else { rng.random_range(1..=75) },
            activation: if l == 0 || rng.random() { activation } else { ACTIVATIONS[rng.random_range(0..9)] },
            skip: rng.random_ratio(1, 4),
            residual,
        }
    });
    let hidden = hidden.collect();
    let outputs = numbers.map_or_else(|| rng.random_range(1..=16), |(_, outputs)| outputs);
    let inr = Inr { inputs, outputs, encoding: random_encoding(rng, inputs), hidden };
    if rng.random_ratio(1, 8) {
        let mut model = Model::random_siren(inr, rng.random());
        stir_residuals(&mut model, rng);
        return (Arc::new(model), 1);
    }
    let latents = rng.random_range(1..=11);
    let family = Family {
        latent_dim: rng.random_range(1..=20),
        features: rng.random_range(1..=70),
        shared_trunk: rng.random(),
        latents,
        seed: rng.random(),
        ..Family::default()
    };
    let shapes = inr.layers();
    let choices: Vec<HeadChoice> = (shapes.iter().map(|shape| (shape.inputs, random_choice(rng))))
        .map(|(inputs, choice)| match choice.weight {
            // A row of one weight that is divided by its norm is 1 or -1 whatever the weight: its gradient is rounding alone.
            WeightChoice::LowRank(rank, Multiplier::Demodulated) if inputs == 1 => {
                HeadChoice { weight: WeightChoice::LowRank(rank, Multiplier::Tanh), ..choice }
            }
            _ => choice,
        })
        .collect();
    let mut model = family.build(inr, |l| choices[l]);
    stir_residuals(&mut model, rng);
    let hyper = Arc::make_mut(&mut model.hypernetwork);
    for (t, trunk) in hyper.trunks.iter_mut().enumerate() {
        // Deeper trunks, other activations, normalisation, and none at all.
        if rng.random_ratio(1, 3) {
            let width = family.features;
            let weight = (0..width * width).map(|_| rng.random_range(-0.3..0.3)).collect();
            let map = Dense { outputs: width, inputs: width, weight, bias: vec![0.1; width] };
            trunk.layers.push(TrunkLayer::new(map, ACTIVATIONS[rng.random_range(1..6)]));
        }
        for layer in &mut trunk.layers {
            if rng.random_ratio(1, 4) {
                let width = layer.map.outputs;
                let weight = (0..width).map(|_| rng.random_range(0.5..1.5)).collect();
                layer.norm = Some(LayerNorm { weight, bias: vec![0.2; width] });
            }
        }
        // Trunks that start from another's features, and layers that take the latent again.
        if t > 0 && rng.random_ratio(1, 3) {
            trunk.from = Some(rng.random_range(0..t));
        }
        for (l, layer) in trunk.layers.iter_mut().enumerate() {
            layer.skip = rng.random_ratio(1, 4);
            let previous = if l == 0 && trunk.from.is_none() { 0 } else { family.features };
            let whole = layer.skip || previous == 0;
            layer.map.inputs = previous + if whole { family.latent_dim } else { 0 };
            let numbers = layer.map.outputs * layer.map.inputs;
            layer.map.weight = (0..numbers).map(|_| rng.random_range(-0.3..0.3)).collect();
        }
    }
    model.validate().unwrap();
    (Arc::new(model), latents)
}
