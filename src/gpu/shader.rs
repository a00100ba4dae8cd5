//! Shader linking: the files in `shaders/` are WGSL with lines of `//# directive` and `${ value }` places,
//! rendered per model by minijinja. Loops over the register tile are unrolled here, because naga writes
//! `while` loops that many drivers will not unroll, and register arrays need constant indices.
//!
//! `HYPERSINE_SHADER_DUMP=folder` writes every final text there; debug builds read the files from disk.

use std::path::Path;
use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind};
use serde::Serialize;

use super::evaluate::EvaluateSpec;
use super::generate::{MaterialiseSpec, ProductSpec};
use super::layout::{ActivationCode, Layout};
use super::tile::Tier;
use super::tuning::Tiling;
use super::{learn, march};
use crate::model::heads::{Multiplier, Place};
use crate::model::{Activation, Encoding, Family, HeadChoice, HiddenLayer, Inr, Jet, WeightChoice};

macro_rules! sources {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../shaders/", $name)))),*]
    };
}

/// Every shader file, embedded.
pub const SOURCES: &[(&str, &str)] = sources![
    "evaluate.wgsl",
    "product.wgsl",
    "normalise.wgsl",
    "materialise.wgsl",
    "present.wgsl",
    "loss.wgsl",
    "backward.wgsl",
    "weight-gradient.wgsl",
    "theta-gradient.wgsl",
    "shared-gradient.wgsl",
    "low-rank-gradient.wgsl",
    "map-gradient.wgsl",
    "map-vjp.wgsl",
    "trunk-vjp.wgsl",
    "norm-gradient.wgsl",
    "squares.wgsl",
    "adam.wgsl",
    "march.wgsl",
    "march-whole.wgsl",
    "tally.wgsl",
    "losses/supervised.wgsl",
    "losses/oriented.wgsl",
    "walks/surface.wgsl",
    "walks/light.wgsl",
    "include/job.wgsl",
    "include/counts.wgsl",
    "include/rays.wgsl",
    "include/layers.wgsl",
    "include/fill.wgsl",
    "include/maps.wgsl",
    "include/page.wgsl",
    "include/points.wgsl",
    "include/tape.wgsl",
    "include/targets.wgsl",
    "include/total.wgsl",
    "include/target.wgsl",
    "include/activate.wgsl",
    "include/jets.wgsl",
    "include/functions.wgsl",
    "bench/fma.wgsl",
    "bench/sine.wgsl",
    "bench/copy.wgsl",
    "heads/materialised.wgsl",
    "heads/shared.wgsl",
    "heads/linear.wgsl",
    "heads/low-rank.wgsl",
    "heads/constant.wgsl",
    "activations/sine.wgsl",
    "activations/relu.wgsl",
    "activations/leaky-relu.wgsl",
    "activations/tanh.wgsl",
    "activations/sigmoid.wgsl",
    "activations/softplus.wgsl",
    "activations/gaussian.wgsl",
    "activations/finer.wgsl",
    "activations/gabor.wgsl",
];

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = Environment::new();
    let syntax = SyntaxConfig::builder().line_statement_prefix("//#").variable_delimiters("${", "}").build();
    env.set_syntax(syntax.expect("the delimiters are constants that minijinja accepts"));
    env.set_undefined_behavior(minijinja::UndefinedBehavior::SemiStrict);
    env.set_loader(|name| {
        if cfg!(debug_assertions) {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders").join(name);
            if let Ok(text) = std::fs::read_to_string(path) {
                return Ok(Some(text));
            }
        }
        let found = SOURCES.iter().find(|(n, _)| *n == name);
        found
            .map(|(_, text)| Some((*text).to_owned()))
            .ok_or_else(|| Error::new(ErrorKind::TemplateNotFound, name.to_owned()))
    });
    env
});

/// The final WGSL of `file` for the values in `context`.
///
/// # Panics
/// Where the file does not render: its text and its contexts are part of this program, and a test renders
/// every kernel.
pub fn link(file: &str, context: &impl Serialize) -> String {
    let render = || ENVIRONMENT.get_template(file)?.render(minijinja::value::Serde(context));
    let text = render().unwrap_or_else(|e| panic!("shaders/{file} does not link: {e:#}"));
    if let Some(folder) = std::env::var_os("HYPERSINE_SHADER_DUMP") {
        dump(Path::new(&folder), file, &text);
    }
    text
}

/// A number that tells final texts apart, the same on every machine: FNV-1a.
pub fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// Writes a linked text under a name that tells variants apart.
fn dump(folder: &Path, file: &str, text: &str) {
    let stem = file.trim_end_matches(".wgsl").replace('/', "-");
    let path = folder.join(format!("{stem}-{:016x}.wgsl", fingerprint(text)));
    if let Err(e) = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, text)) {
        log::warn!("cannot write {}: {e}", path.display());
    }
}

/// A kernel's name and its text.
pub type Text = (String, String);

/// Kernels by what they need of an adapter.
#[derive(Debug, Default)]
pub struct Kernels {
    /// Nothing.
    pub portable: Vec<Text>,
    /// Subgroups.
    pub subgroup: Vec<Text>,
    /// Numbers of 16 bits.
    pub f16: Vec<Text>,
}

impl Kernels {
    /// The lists with what theirs are cut by.
    fn tiers(&mut self) -> [(&mut Vec<Text>, Tiling); 3] {
        let of = |usual, half| Tiling { usual, half, ..Tiling::default() };
        [
            (&mut self.portable, of(Tier::Portable, false)),
            (&mut self.subgroup, of(Tier::Subgroup(8), false)),
            (&mut self.f16, of(Tier::Portable, true)),
        ]
    }
}

/// Every kernel in many variants: what a test translates to other shading languages, and what a reader may want to see. Random
/// families cover the kinds of head, activations, encodings and sizes.
///
/// # Panics
/// Where a kernel does not link: see [`link`].
pub fn kernels() -> Kernels {
    let all = [
        Activation::Sine { omega: 30.0 },
        Activation::Relu,
        Activation::LeakyRelu { slope: 0.2 },
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Softplus { beta: 1.0 },
        Activation::Gaussian { scale: 10.0 },
        Activation::Finer { omega: 30.0 },
        Activation::Gabor { omega: 20.0, scale: 10.0 },
    ];
    let mut portable = vec![
        ("present".to_owned(), link("present.wgsl", &())),
        ("materialise".to_owned(), link("materialise.wgsl", &MaterialiseSpec::new())),
    ];
    for many in [false, true] {
        for activations in [&all[..0], &all[1..2], &all] {
            for in_place in [false, true] {
                let spec = ProductSpec::new(many, in_place, many && in_place, ActivationCode::list(activations.iter()));
                portable.push((format!("normalise {spec:?}"), link("normalise.wgsl", &spec)));
                for spec in [spec.on(false), spec.on(true)] {
                    portable.push((format!("product {spec:?}"), link("product.wgsl", &spec)));
                }
            }
        }
    }
    portable.extend(learn::general_kernels(&all));
    portable.extend(march::kernels());
    let mut kernels = Kernels { portable, ..Kernels::default() };
    let octaves = Encoding::Octaves { count: 6, input: true };
    let fourier = Encoding::Fourier { features: 20, frequencies: vec![1.0; 40] };
    let everything = Inr {
        inputs: 2,
        outputs: 3,
        encoding: octaves,
        hidden: all.iter().map(|&a| HiddenLayer { skip: true, ..HiddenLayer::new(40, a) }).collect(),
    };
    let relu = |l| HiddenLayer { residual: l == 2, ..HiddenLayer::new(96, Activation::Relu) };
    let residual = Inr { hidden: (0..3).map(relu).collect(), ..Inr::siren(3, 1, 1, 1, 1.0) };
    let inrs = [
        Inr::siren(2, 64, 4, 3, 30.0),
        Inr::siren(2, 512, 2, 4, 30.0),
        Inr::siren(1, 5, 2, 16, 30.0),
        Inr::siren(4, 130, 3, 7, 30.0),
        Inr::siren(3, 33, 2, 1, 30.0),
        Inr { encoding: fourier, ..Inr::siren(2, 37, 1, 1, 30.0) },
        everything,
        residual,
    ];
    let place = Place::AfterActivation;
    let weights = [
        WeightChoice::Shared,
        WeightChoice::Linear,
        WeightChoice::LowRank(3, Multiplier::Demodulated),
        WeightChoice::LowRank(3, Multiplier::Tanh),
    ];
    for inr in &inrs {
        for (w, &weight) in weights.iter().enumerate() {
            for modulation in [None, Some((place, true, w % 2 == 0))] {
                let family =
                    Family { latent_dim: 2, features: 3, shared_trunk: true, latents: 1, seed: 0, ..Family::default() };
                let model = family.build(inr.clone(), |_| HeadChoice { weight, modulation });
                let (mut layout, _) = Layout::new(&model, 128 << 20).expect("a model this small fits");
                layout.fused.packed = modulation.is_some();
                for extent in [(1, 1 << 16), (1000, 9)] {
                    kernels.portable.extend(learn::kernels(inr, &layout.materialised, extent));
                }
                for (plan, strategy) in [(&layout.materialised, "materialised"), (&layout.fused, "fused")] {
                    let targets: &[(&str, &str)] = match (inr.inputs, inr.outputs) {
                        (2, ..=4) => &[("grid", ""), ("grid", "rgba8unorm"), ("grid", "rgba16float"), ("points", "")],
                        _ => &[("points", "")],
                    };
                    for (n, (domain, texture)) in targets.iter().enumerate() {
                        // Large pictures, and few points of many latents.
                        let extent = if n % 2 == 0 { (1, 1 << 16) } else { (1000, 9) };
                        let name = format!("evaluate {inr} {weight:?} {modulation:?} {strategy} {domain} {texture}");
                        for (list, tiling) in kernels.tiers() {
                            let spec = EvaluateSpec::new(inr, plan, domain, texture, Jet::Value, extent, &tiling);
                            list.push((name.clone(), link("evaluate.wgsl", &spec)));
                        }
                    }
                    for (jet, extent) in [(Jet::Gradient, (1000, 9)), (Jet::Laplacian, (1, 1 << 16))] {
                        let name = format!("evaluate {inr} {weight:?} {modulation:?} {strategy} {jet:?}");
                        for (list, tiling) in kernels.tiers() {
                            let spec = EvaluateSpec::new(inr, plan, "points", "", jet, extent, &tiling);
                            list.push((name.clone(), link("evaluate.wgsl", &spec)));
                        }
                    }
                }
            }
        }
    }
    // Narrow tiles and tiles of few points share nothing; lists of points, jets and unbounded activations stay of 32 bits.
    kernels.subgroup.retain(|(_, text)| text.contains("subgroup"));
    kernels.f16.retain(|(_, text)| text.contains("f16"));
    kernels
}
