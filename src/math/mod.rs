//! The arithmetic that the model and its CPU twin share: a real number type and a matrix product.

mod product;
mod real;

pub use product::{Matrix, MatrixMut, add_product};
pub use real::Real;
