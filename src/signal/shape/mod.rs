//! Shapes: closed surfaces in space, by what they are known from.

mod mesh;

pub use mesh::Mesh;
