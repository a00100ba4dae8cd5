//! What is minimised, as `loss.wgsl` takes it.

use bytemuck::{Pod, Zeroable};
use serde::Serialize;

use crate::Result;
use crate::gpu::arena::index;
use crate::gpu::tile::Tile;
use crate::math::Real;
use crate::model::{Goal, Importance, Inr, Jet, Oriented, SHARPNESS, Supervised};

/// An objective, but for its targets: what a step's plan depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Objective {
    /// The columns that it wants of the outputs.
    pub jet: Jet,
    /// How many targets there are.
    pub targets: usize,
    /// Of theta's squares.
    pub theta_penalty: f32,
    pub kind: LossKind,
    pub weights: Weights,
}

/// The template values of `loss.wgsl` that are the objective's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct LossKind {
    /// Which of `shaders/losses/`.
    file: &'static str,
    /// The loss of a single number.
    loss: &'static str,
    /// The first column that is compared with targets, and how many are.
    first: usize,
    compared: usize,
    clamped: bool,
    eikonal: bool,
    /// Whether points have weights.
    pub importance: bool,
}

/// A part of the kernel's `Job`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub(super) struct Weights {
    scale: f32,
    within: f32,
    eikonal: f32,
    on: u32,
    value: f32,
    normal: f32,
    off: f32,
    sharpness: f32,
}

/// Mirrors the `Job` of `loss.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct LossJob {
    pub points: u32,
    pub quads: u32,
    pub tape_stride: u32,
    pub samples: u32,
    pub first_sample: u32,
    pub row: u32,
    pub part: u32,
    pub weights: Weights,
    pub pad: u32,
}

impl Objective {
    /// For so many latents and points of each, a latent having so many numbers of theta.
    ///
    /// # Panics
    /// Where the targets are not as many.
    pub(super) fn new(goal: &Goal<'_>, inr: &Inr, (latents, points): (usize, usize), theta_len: usize) -> Result<Self> {
        let (kind, weights, expected, theta) = match goal {
            Goal::Supervised(goal) => {
                let kind = LossKind::supervised(goal, inr);
                let expected = points * kind.compared * inr.outputs;
                (kind, Weights::supervised(goal, inr), expected, goal.penalties.theta)
            }
            Goal::Oriented(goal) => {
                assert_eq!(
                    (inr.inputs, inr.outputs, goal.points),
                    (3, 1, points),
                    "a distance at every point of a solid"
                );
                (LossKind::oriented(), Weights::oriented(goal)?, 3 * goal.on, goal.penalties.theta)
            }
        };
        let targets = targets(goal).len();
        assert_eq!(targets, latents * expected, "targets do not match the points");
        Ok(Self {
            jet: crate::model::Objective::<f32>::jet(goal),
            targets,
            theta_penalty: f32::from_f64(theta / (latents * theta_len) as f64),
            kind,
            weights,
        })
    }
}

/// What an objective's outputs are compared with.
pub(super) fn targets<'a>(goal: &Goal<'a>) -> &'a [f32] {
    match goal {
        Goal::Supervised(goal) => goal.targets,
        Goal::Oriented(goal) => goal.normals,
    }
}

/// What its points weigh, if they were not drawn alike.
pub(super) fn importance<'a>(goal: &Goal<'a>) -> Option<Importance<'a>> {
    if let Goal::Supervised(goal) = goal { goal.importance } else { None }
}

impl LossKind {
    pub(super) fn supervised(goal: &Supervised<'_>, inr: &Inr) -> Self {
        // Columns are a gradient's, one for each coordinate, between the value and the Laplacian.
        let (first, compared) = match goal.of {
            Jet::Value => (0, 1),
            Jet::Gradient => (1, inr.inputs),
            Jet::Laplacian => (inr.inputs + 1, 1),
        };
        Self {
            file: "supervised",
            loss: goal.loss.name(),
            first,
            compared,
            clamped: goal.within.is_some(),
            eikonal: goal.eikonal > 0.0,
            importance: goal.importance.is_some(),
        }
    }

    pub(super) fn oriented() -> Self {
        Self { file: "oriented", loss: "", first: 0, compared: 0, clamped: false, eikonal: true, importance: false }
    }
}

impl Weights {
    fn supervised(goal: &Supervised<'_>, inr: &Inr) -> Self {
        // Losses are means over targets, the eikonal term one over points.
        let each = LossKind::supervised(goal, inr).compared * inr.outputs;
        Self {
            scale: f32::from_f64(1.0 / goal.targets.len() as f64),
            within: goal.within.unwrap_or_default(),
            eikonal: f32::from_f64(goal.eikonal * each as f64),
            ..Self::default()
        }
    }

    fn oriented(goal: &Oriented<'_>) -> Result<Self> {
        let weights = &goal.weights;
        Ok(Self {
            scale: f32::from_f64(1.0 / (goal.latents * goal.points) as f64),
            eikonal: f32::from_f64(weights.eikonal),
            on: index(goal.on)?,
            value: f32::from_f64(weights.value),
            normal: f32::from_f64(weights.normal),
            off: f32::from_f64(weights.off),
            sharpness: f32::from_f64(SHARPNESS),
            ..Self::default()
        })
    }
}

/// The template values of `loss.wgsl`.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct LossSpec {
    inputs: usize,
    outputs: usize,
    columns: usize,
    point_groups: usize,
    sum_rows: u32,
    #[serde(flatten)]
    kind: LossKind,
}

impl LossSpec {
    pub(super) fn new(inr: &Inr, tile: &Tile, kind: LossKind, sum_rows: u32) -> Self {
        let Tile { columns, point_groups, .. } = *tile;
        Self { inputs: inr.inputs, outputs: inr.outputs, columns, point_groups, sum_rows, kind }
    }
}
