//! The texts of all learning kernels for a model: for the test that translates every kernel.

use super::AdamSpec;
use super::heads::{LowRankSpec, MapSpec, TrunkSpec};
use super::points::{BackwardSpec, LossSpec, PieceSpec, Rows, ThetaGradientSpec};
use crate::gpu::evaluate::EvaluateSpec;
use crate::gpu::layout::{ActivationCode, Plan};
use crate::gpu::shader::link;
use crate::gpu::tile::{Extent, Tier, Tile};
use crate::model::{Activation, Inr};

/// Those whose text depends on the model, for so many latents and points; `plan` is the materialised one.
pub(in crate::gpu) fn kernels(inr: &Inr, plan: &Plan, (latents, points): (usize, usize)) -> Vec<(String, String)> {
    let rows = Rows::new(inr, plan).expect("the rows of a model that has a layout fit 32 bits");
    let tile =
        Tile::choose(Extent { width: inr.max_width(), dear: false, latents, points, columns: 1, tier: Tier::Portable });
    let forward = EvaluateSpec::on_tape(inr, plan, tile, rows.tape);
    let mut list = vec![
        ("evaluate on tape", link("evaluate.wgsl", &forward)),
        ("backward", link("backward.wgsl", &BackwardSpec::new(inr, plan, rows.tape, tile))),
        ("weight gradient", link("weight-gradient.wgsl", &PieceSpec::new(&inr.layers(), rows.tape))),
    ];
    for (loss, importance) in [("mse", false), ("l1", true), ("bce-logits", false)] {
        let spec = LossSpec::new(inr.outputs, loss, importance, rows.tape.sum_rows);
        list.push(("loss", link("loss.wgsl", &spec)));
    }
    for penalised in [false, true] {
        list.push(("theta gradient", link("theta-gradient.wgsl", &ThetaGradientSpec::new(plan, penalised))));
    }
    list.into_iter().map(|(name, text)| (format!("{name} of {inr}"), text)).collect()
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
