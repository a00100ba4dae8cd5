//! The texts of all learning kernels for a model: for the test that translates every kernel.

use super::AdamSpec;
use super::heads::{LowRankSpec, MapSpec, TrunkSpec};
use super::objective::{LossKind, LossSpec};
use super::points::{BackwardSpec, PieceSpec, Rows, ThetaGradientSpec};
use crate::gpu::evaluate::EvaluateSpec;
use crate::gpu::layout::{ActivationCode, Plan};
use crate::gpu::shader::link;
use crate::gpu::tile::{Extent, Tier, Tile};
use crate::model::{Activation, Importance, Inr, Jet, Loss, Supervised};

/// Those whose text depends on the model, for so many latents and points; `plan` is the materialised one.
pub(in crate::gpu) fn kernels(inr: &Inr, plan: &Plan, (latents, points): (usize, usize)) -> Vec<(String, String)> {
    let rows = Rows::new(inr, plan).expect("the rows of a model that has a layout fit 32 bits");
    let mut list = vec![("weight gradient", link("weight-gradient.wgsl", &PieceSpec::new(&inr.layers(), rows.tape)))];
    for jet in [Jet::Value, Jet::Gradient, Jet::Laplacian] {
        let columns = jet.columns(inr.inputs);
        let (dear, half, tier) = (false, false, Tier::Portable);
        let extent = Extent { width: inr.max_width(), dear, latents, points, columns, half, tier };
        let tile = Tile::choose(extent);
        let forward = EvaluateSpec::on_tape(inr, plan, jet, tile, rows.tape);
        list.push(("evaluate on tape", link("evaluate.wgsl", &forward)));
        list.push(("backward", link("backward.wgsl", &BackwardSpec::new(inr, plan, jet, tile, rows.tape))));
        for kind in losses(inr, jet) {
            list.push(("loss", link("loss.wgsl", &LossSpec::new(inr, &tile, kind, rows.tape.sum_rows))));
        }
    }
    for penalised in [false, true] {
        list.push(("theta gradient", link("theta-gradient.wgsl", &ThetaGradientSpec::new(plan, penalised))));
    }
    list.into_iter().map(|(name, text)| (format!("{name} of {inr}"), text)).collect()
}

/// What may be minimised over such columns.
fn losses(inr: &Inr, jet: Jet) -> Vec<LossKind> {
    let importance = Importance { weights: &[], errors: &[] };
    let plain = Supervised { of: jet, ..Supervised::new(&[], 1, inr.outputs) };
    let mut goals = vec![
        plain,
        Supervised { loss: Loss::L1, within: Some(0.1), importance: Some(importance), ..plain },
        Supervised { loss: Loss::BceLogits, ..plain },
    ];
    if jet != Jet::Value {
        goals.push(Supervised { eikonal: 0.1, ..plain });
    }
    if jet == Jet::Gradient {
        goals.push(Supervised { of: Jet::Value, eikonal: 0.1, ..plain });
    }
    let oriented = (jet == Jet::Gradient && inr.inputs == 3).then(LossKind::oriented);
    goals.iter().map(|goal| LossKind::supervised(goal, inr)).chain(oriented).collect()
}

/// The others.
pub(in crate::gpu) fn general_kernels(activations: &[Activation]) -> Vec<(String, String)> {
    let named = |file: &str, text| (file.to_owned(), text);
    let mut list: Vec<_> = ["shared-gradient.wgsl", "norm-gradient.wgsl", "squares.wgsl"]
        .map(|file| named(file, link(file, &())))
        .into_iter()
        .collect();
    for flag in [false, true] {
        for many in [false, true] {
            for file in ["map-gradient.wgsl", "map-vjp.wgsl"] {
                list.push(named(file, link(file, &MapSpec::new(flag, many))));
            }
        }
        for activations in [&activations[..0], &activations[..1], activations] {
            let spec = TrunkSpec::new(flag, ActivationCode::list(activations.iter()));
            list.push(named("trunk-vjp.wgsl", link("trunk-vjp.wgsl", &spec)));
        }
        list.push(named("adam.wgsl", link("adam.wgsl", &AdamSpec { means: flag })));
    }
    list.extend(LowRankSpec::STAGES.map(|s| named(s, link("low-rank-gradient.wgsl", &LowRankSpec::new(s)))));
    list
}
