//! Shapes: surfaces in space with an inside, whatever they are known from; loaded, measured, sampled and compared.

mod cloud;
mod distance;
mod kind;
pub mod load;
mod mesh;
mod metrics;
mod molecule;
mod sample;
mod tree;
mod winding;

pub use cloud::PointCloud;
pub use distance::{Closest, Distance};
pub use kind::{Geometry, Shape};
pub use mesh::Mesh;
pub use metrics::{Closeness, Comparison, iou};
pub use molecule::Molecule;
pub use sample::{in_box, jitter};
