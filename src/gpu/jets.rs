//! What kernels that go along with a jet's columns must know.

use serde::Serialize;

use crate::model::Jet;

/// Which derivatives of activations a kernel takes, and what it makes of them: template values of `include/activate.wgsl`,
/// `activations/` and `include/jets.wgsl`.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Derivatives {
    /// First, second and third ones.
    slopes: bool,
    curvatures: bool,
    thirds: bool,
    /// Whether the last column of a jet is the Laplacian.
    laplacian: bool,
    /// Whether gradients go back through the chain rule.
    adjoint: bool,
}

impl Derivatives {
    /// For an evaluation.
    pub(super) fn forward(jet: Jet) -> Self {
        let laplacian = jet == Jet::Laplacian;
        Self { slopes: jet != Jet::Value, curvatures: laplacian, thirds: false, laplacian, adjoint: false }
    }

    /// For its backward pass, which takes one derivative more, and the first where modulations want jets again.
    pub(super) fn backward(jet: Jet) -> Self {
        let laplacian = jet == Jet::Laplacian;
        Self { slopes: true, curvatures: jet != Jet::Value, thirds: laplacian, laplacian, adjoint: jet != Jet::Value }
    }
}
