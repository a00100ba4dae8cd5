//! How faithful the solid of a model is to the true shape.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::engine::Body;
use crate::model::Side;
use crate::signal::shape::{Closeness, Comparison, Geometry, Shape};
use crate::surface::{Implicit, extract};
use crate::{Error, Result};

/// How many points near the surface the gradient is measured at, and how near (standard deviation), in the box.
const NEAR: (usize, f64) = (10_000, 0.01);

/// Figures of one shape, or the mean of several.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Fidelity {
    /// Of the extracted surface.
    #[serde(flatten)]
    pub closeness: Closeness,
    /// The mean of `| |gradient| - 1 |` near the true surface; None for occupancies, whose gradients mean nothing.
    pub eikonal: Option<f64>,
}

/// Compares a solid, as its surface at so many cells along an axis, with the true shape in its box.
///
/// # Errors
/// Where the solid has no surface, a shape cannot be sampled, or the device fails.
pub fn fidelity(body: &mut Body, truth: &Shape, cells: u32, how: &Comparison) -> Result<Fidelity> {
    let settings = body.settings(cells);
    let (surface, _) = extract(body, &settings)?;
    if surface.mesh.triangles.is_empty() {
        return Err(Error::invalid("the solid has no surface in its box"));
    }
    let closeness = Closeness::of(&Shape::new(Geometry::Mesh(surface.mesh)), truth, how)?;
    let eikonal = match body.side() {
        Side::Occupancy => None,
        Side::Distance => {
            let (count, sigma) = NEAR;
            let points = truth.near_surface(count, sigma, &mut ChaCha8Rng::seed_from_u64(how.seed))?;
            let mut gradients = vec![0.0; 3 * count];
            body.gradients(&points.iter().flat_map(glam::Vec3::to_array).collect::<Vec<_>>(), &mut gradients)?;
            let lengths = gradients.as_chunks::<3>().0.iter().map(|&g| f64::from(glam::Vec3::from(g).length()));
            Some(lengths.map(|l| (l - 1.0).abs()).sum::<f64>() / count as f64)
        }
    };
    Ok(Fidelity { closeness, eikonal })
}

/// The mean of each figure, over those that have it.
///
/// # Panics
/// Where there are none.
pub fn mean(rows: &[Fidelity]) -> Fidelity {
    assert!(!rows.is_empty(), "a mean of nothing");
    let some = |of: &dyn Fn(&Fidelity) -> Option<f64>| {
        let values: Vec<f64> = rows.iter().filter_map(of).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let all = |of: &dyn Fn(&Closeness) -> f64| rows.iter().map(|r| of(&r.closeness)).sum::<f64>() / rows.len() as f64;
    let closeness = Closeness {
        iou: some(&|r| r.closeness.iou),
        accuracy: all(&|c| c.accuracy),
        completeness: all(&|c| c.completeness),
        chamfer_l1: all(&|c| c.chamfer_l1),
        chamfer_l2: all(&|c| c.chamfer_l2),
        normal_consistency: all(&|c| c.normal_consistency),
        precision: all(&|c| c.precision),
        recall: all(&|c| c.recall),
        f_score: all(&|c| c.f_score),
    };
    Fidelity { closeness, eikonal: some(&|r| r.eikonal) }
}
