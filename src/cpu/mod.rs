//! The CPU twin of every kernel, generic over the number type: in `f32` it is the fallback backend
//! (`--device cpu`), in `f64` the oracle of the tests.

mod backward;
mod network;
mod spread;

pub use backward::Gradients;
pub use network::Network;
pub use spread::{LayerSpread, Spread};

/// Number of worker threads that evaluation uses.
pub fn threads() -> usize {
    rayon::current_num_threads()
}

/// The widest vector unit that the sine kernel and the matrix products find on this machine.
pub fn vector_unit() -> String {
    format!("{:?}", pulp::Arch::new()).split('(').next().unwrap_or_default().to_lowercase()
}
