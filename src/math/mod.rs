//! The arithmetic that the model and its CPU twin share: a real number type, loops over slices and a matrix product.

mod function;
mod jet;
mod product;
mod real;
mod slices;

pub use function::{Function, apply, apply_to, apply_vjp};
pub use jet::{Lanes, chain, chain_vjp};
pub use product::{Matrix, MatrixMut, add_product, product};
pub use real::Real;
pub use slices::{dot, map, sum, zip};
