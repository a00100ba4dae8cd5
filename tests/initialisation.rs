//! Weights that runs start from, and what becomes of a signal on its way through them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use hypersine::cpu::{LayerSpread, Network};
use hypersine::model::{Activation, Encoding, Family, HeadChoice, HiddenLayer, Init, Inr, Model, WeightChoice};
use hypersine::train::{Config, FamilyConfig, HeadKind};

const LINEAR: HeadChoice = HeadChoice { weight: WeightChoice::Linear, modulation: None };

/// Hidden layers of uneven widths.
fn inr(activation: Activation) -> Inr {
    let hidden = [53, 53, 37, 61].map(|width| HiddenLayer::new(width, activation)).to_vec();
    Inr { inputs: 2, outputs: 3, encoding: Encoding::Identity, hidden }
}

/// theta of every latent of a model.
fn thetas(model: &Model) -> Vec<f64> {
    let network = Network::oracle(model);
    let z: Vec<f64> = model.latents.values().iter().map(|&z| f64::from(z)).collect();
    let batch = model.latents.len().max(1);
    network.materialise(batch, &network.features(batch, &z))
}

/// Of each layer: the variance about 0 of its weights and of its biases over all latents of many models, and how many
/// independent numbers they were.
fn variances(inr: &Inr, models: impl Iterator<Item = Model>) -> Vec<[(f64, usize); 2]> {
    let mut sums = vec![[(0.0, 0, 0); 2]; inr.layers().len()];
    for model in models {
        let latents = model.latents.len().max(1);
        let slots = model.hypernetwork.slots(&model.inr);
        for theta in thetas(&model).chunks_exact(slots.last().unwrap().end) {
            for (sums, slots) in sums.iter_mut().zip(&slots) {
                for (sum, range) in sums.iter_mut().zip([slots.weight..slots.bias, slots.bias..slots.end]) {
                    sum.0 += theta[range.clone()].iter().map(|w| w * w).sum::<f64>();
                    sum.1 += range.len();
                }
            }
        }
        sums.iter_mut().flatten().for_each(|sum| sum.2 = sum.1 / latents);
    }
    let variance = |(sum, count, independent): (f64, u32, usize)| (sum / f64::from(count), independent);
    sums.iter().map(|s| s.map(|(sum, count, n)| variance((sum, u32::try_from(count).unwrap(), n)))).collect()
}

/// A hyperfan family over `inr`, one for each of many seeds.
fn families(inr: &Inr, init: Init, latent_std: f64, trunk_layers: usize) -> impl Iterator<Item = Model> {
    (0..40).map(move |seed| {
        let family = Family {
            latent_dim: 19,
            features: 29,
            trunk_layers,
            init,
            shared_trunk: seed % 2 == 0,
            latents: 5,
            latent_std,
            seed,
            ..Family::default()
        };
        family.build(inr.clone(), |_| LINEAR)
    })
}

/// Checks measured variances against those wanted, within 10 % and four standard deviations of what n normal numbers show
/// of their variance, sqrt(2 / n).
fn check(what: &str, got: &[[(f64, usize); 2]], want: &[[f64; 2]]) {
    let mut worst = [0.0_f64; 2];
    for (l, (got, want)) in got.iter().zip(want).enumerate() {
        for (part, (&(got, n), &want)) in got.iter().zip(want).enumerate() {
            let error = if want == 0.0 { got } else { (got / want - 1.0).abs() };
            let allowed = 0.1 + 4.0 * (2.0 / n as f64).sqrt();
            let name = ["weights", "biases"][part];
            assert!(error < allowed, "{what}, layer {l}: {name} have variance {got:.3e}, not {want:.3e}");
            worst[part] = worst[part].max(error);
        }
    }
    println!("{what}: variances wrong by at most {:.3} (weights), {:.3} (biases)", worst[0], worst[1]);
}

#[test]
fn hyperfan_gives_sines_the_variances_of_siren() {
    let inr = inr(Activation::Sine { omega: 30.0 });
    let own = variances(&inr, (0..40).map(|seed| Model::random_siren(inr.clone(), seed)));
    // Sitzmann et al.'s bounds, squared, over 3.
    let siren = |l: usize, n: f64| [if l == 0 { 1.0 / (3.0 * n * n) } else { 2.0 / (n * 900.0) }, 1.0 / (3.0 * n)];
    let fan_in: Vec<[f64; 2]> = inr.layers().iter().enumerate().map(|(l, s)| siren(l, s.inputs as f64)).collect();
    check("a SIREN's own", &own, &fan_in);
    // The same, as seen from a layer's outputs, but for the layer without gradients to hand on.
    let fan_out: Vec<[f64; 2]> = (inr.layers().iter().zip(&fan_in).enumerate())
        .map(|(l, (s, &[w, b]))| [if l == 0 { w } else { w * s.inputs as f64 / s.outputs as f64 }, b])
        .collect();
    for (std, trunk_layers) in [(0.01, 1), (1.0, 1), (0.3, 3), (0.5, 0)] {
        for (init, want) in [(Init::HyperfanIn, &fan_in), (Init::HyperfanOut, &fan_out)] {
            let what = format!("{init:?}, latents of {std}, {trunk_layers} trunk layers");
            check(&what, &variances(&inr, families(&inr, init, std, trunk_layers)), want);
        }
    }
}

#[test]
fn hyperfan_has_the_variances_of_its_table_elsewhere() {
    for (activation, hidden) in [
        (Activation::Relu, 2.0),
        (Activation::LeakyRelu { slope: 0.5 }, 1.6),
        (Activation::Tanh, 1.0),
        (Activation::Gaussian { scale: 3.0 }, 1.0),
    ] {
        let inr = inr(activation);
        let want = |out: bool| -> Vec<[f64; 2]> {
            (inr.layers().iter())
                .map(|s| {
                    let c = if s.activation.is_some() { hidden } else { 1.0 };
                    let (d_j, d_i) = (s.inputs as f64, s.outputs as f64);
                    if out { [c / d_i, f64::max(0.0, c * (1.0 - d_j / d_i))] } else { [c / (2.0 * d_j), c / 2.0] }
                })
                .collect()
        };
        for (init, out) in [(Init::HyperfanIn, false), (Init::HyperfanOut, true)] {
            check(&format!("{activation}, {init:?}"), &variances(&inr, families(&inr, init, 0.3, 1)), &want(out));
        }
    }
}

#[test]
fn zero_residual_starts_every_latent_with_the_base_inr() {
    let family = Family { init: Init::ZeroResidual, latents: 6, seed: 3, ..Family::default() };
    let sine = inr(Activation::Sine { omega: 30.0 });
    // The same family with nothing generated is the base.
    let shared = HeadChoice { weight: WeightChoice::Shared, modulation: None };
    let base = thetas(&family.build(sine.clone(), |_| shared));
    let base = &base[..base.len() / 6];
    let generated = thetas(&family.build(sine, |_| LINEAR));
    assert_eq!(generated.len(), 6 * base.len());
    assert!(generated.chunks_exact(base.len()).all(|theta| theta == base));
    println!("{} numbers of 6 latents equal the base INR's, bit for bit", base.len());
    // And over an INR that was fitted before, whatever the heads.
    let fitted = Model::random_siren(inr(Activation::Sine { omega: 30.0 }), 77);
    let own = thetas(&family.over(fitted.clone(), |_| shared));
    assert_ne!(own, thetas(&family.over(Model::random_siren(fitted.inr.clone(), 78), |_| shared)));
    assert_eq!(own, thetas(&family.over(fitted, |_| LINEAR)));
}

/// The mean spread of each layer over several models, all their latents, and a lattice of points in [-1, 1]^2.
fn spread(models: impl Iterator<Item = Model>) -> Vec<LayerSpread> {
    let side = |i: u16| -1.0 + (f32::from(i) + 0.5) / 16.0;
    let points: Vec<f32> = (0..32 * 32).flat_map(|p| [side(p % 32), side(p / 32)]).collect();
    let all: Vec<Vec<LayerSpread>> =
        models.map(|model| Network::new(&model).spread(model.latents.values(), &points)).collect();
    let mean = |l: usize, of: fn(&LayerSpread) -> f64| all.iter().map(|m| of(&m[l])).sum::<f64>() / all.len() as f64;
    (0..all[0].len())
        .map(|l| {
            let mut spread = LayerSpread::default();
            (spread.sums.all, spread.sums.points) = (mean(l, |s| s.sums.all), mean(l, |s| s.sums.points));
            (spread.outputs.all, spread.outputs.points) = (mean(l, |s| s.outputs.all), mean(l, |s| s.outputs.points));
            spread
        })
        .collect()
}

/// Largest relative error of the hidden layers' spreads.
fn difference(got: &[LayerSpread], want: &[LayerSpread]) -> f64 {
    let hidden = got.len() - 1;
    let pairs = |of: fn(&LayerSpread) -> f64| got.iter().zip(want).take(hidden).map(move |(g, w)| of(g) / of(w));
    pairs(|s| s.sums.all)
        .chain(pairs(|s| s.sums.points))
        .chain(pairs(|s| s.outputs.all))
        .chain(pairs(|s| s.outputs.points))
        .fold(0.0, |worst, ratio| f64::max(worst, (ratio - 1.0).abs()))
}

/// What theory says of a SIREN's hidden layers, all of one width. In radians, the sums of a layer have a variance `s` over
/// the points, as if normal, about means of variance `m` over the units. Of sin(v + p), v ~ N(0, s), p ~ N(0, m):
/// E\[sin^2\] = (1 - exp(-2 s - 2 m)) / 2, of which exp(-s) (1 - exp(-2 m)) / 2 are the units' means, squared. Weights of
/// variance 2 / (n omega^2) make twice the one and the other the next layer's s and m, biases of U(-1/sqrt n, 1/sqrt n) add
/// omega^2 / 3 n to m.
fn siren_theory(width: f64, depth: usize, omega: f64) -> Vec<LayerSpread> {
    // Two coordinates, uniform in [-1, 1], and weights and biases of the first layer's own bounds.
    let (mut s, mut m) = (omega.powi(2) * 2.0 / 12.0 / 3.0, omega.powi(2) / 6.0);
    (0..depth)
        .map(|_| {
            let all = 0.5 * (1.0 - (-2.0 * (s + m)).exp());
            let means = 0.5 * (-s).exp() * (1.0 - (-2.0 * m).exp());
            let mut spread = LayerSpread::default();
            (spread.sums.all, spread.sums.points) = ((s + m).sqrt(), s.sqrt());
            (spread.outputs.all, spread.outputs.points) = (all.sqrt(), (all - means).sqrt());
            (s, m) = (2.0 * (all - means), 2.0 * means + omega.powi(2) / (3.0 * width));
            spread
        })
        .chain([LayerSpread::default()])
        .collect()
}

#[test]
fn a_signal_spreads_through_a_siren_as_theory_says() {
    for (width, depth) in [(64_u16, 4), (250, 6)] {
        let inr = Inr::siren(2, width.into(), depth, 3, 30.0);
        let got = spread((0..12).map(|seed| Model::random_siren(inr.clone(), seed)));
        let theory = siren_theory(width.into(), depth, 30.0);
        for (l, (got, theory)) in got.iter().zip(&theory).take(depth).enumerate() {
            println!(
                "{inr}, layer {l}: omega u {:.3} (over points {:.3}), output {:.3} ({:.3}); theory {:.3} ({:.3}), {:.3} ({:.3})",
                got.sums.all,
                got.sums.points,
                got.outputs.all,
                got.outputs.points,
                theory.sums.all,
                theory.sums.points,
                theory.outputs.all,
                theory.outputs.points
            );
            // Sitzmann et al.: sines have the variance 1/2.
            assert!((got.outputs.all / 0.5_f64.sqrt() - 1.0).abs() < 0.05);
        }
        // The paper's "standard normal" sums are those of the first hidden layer, without biases.
        assert!((got[1].sums.points - 1.0).abs() < 0.1);
        let worst = difference(&got, &theory);
        println!("{inr}: at most {worst:.3} from theory");
        // Sums are normal only nearly: what the theory leaves out adds up with depth.
        assert!(worst < 0.15);
    }
}

#[test]
fn hyperfan_spreads_a_signal_as_siren_does() {
    let sine = inr(Activation::Sine { omega: 30.0 });
    let own = spread((0..40).map(|seed| Model::random_siren(sine.clone(), seed)));
    for (std, trunk_layers) in [(0.01, 1), (1.0, 1), (0.5, 0)] {
        let got = spread(families(&sine, Init::HyperfanIn, std, trunk_layers));
        let worst = difference(&got, &own);
        println!("latents of {std}, {trunk_layers} trunk layers: at most {worst:.3} from a SIREN's own spread");
        assert!(worst < 0.1);
    }
}

#[test]
fn hyperfan_is_refused_where_it_means_nothing() {
    let refused = |family: FamilyConfig| {
        let config = Config { family: Some(family), ..Config::train() };
        config.validate().unwrap_err().to_string()
    };
    let hyperfan = FamilyConfig { init: Init::HyperfanIn, ..FamilyConfig::default() };
    assert!(refused(FamilyConfig { head: HeadKind::Film, ..hyperfan.clone() }).contains("--init"));
    assert!(refused(FamilyConfig { latent_std: 0.0, ..hyperfan }).contains("--latent-std"));
}
