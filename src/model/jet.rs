//! Which derivatives of an INR with respect to its coordinates come along with its values.

use crate::math::Lanes;

/// The columns of an evaluation: the value alone, or with derivatives with respect to the `d` coordinates. In the order
/// in which columns are numbered: 0 the value, 1 to d the gradient, d + 1 the Laplacian (the sum of the d second
/// derivatives).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Jet {
    /// One column.
    #[default]
    Value,
    /// `1 + d` columns.
    Gradient,
    /// `2 + d` columns.
    Laplacian,
}

impl Jet {
    /// Number of columns for so many coordinates.
    pub fn columns(self, inputs: usize) -> usize {
        self.lanes(inputs, 1).columns()
    }

    /// Those of so many points of so many coordinates.
    pub(crate) fn lanes(self, inputs: usize, points: usize) -> Lanes {
        let gradient = if self == Self::Value { 0 } else { inputs };
        Lanes { points, gradient, laplacian: self == Self::Laplacian }
    }
}
