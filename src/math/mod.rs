//! The arithmetic that the model and its CPU twin share: a real number type, loops over slices and a matrix product.

mod product;
mod real;
mod slices;

pub use product::{Matrix, MatrixMut, add_product, product};
pub use real::Real;
pub use slices::{dot, sum, zip};
