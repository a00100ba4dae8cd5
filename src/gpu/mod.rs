//! The GPU side: adapters and memory, shader linking, and one file per kernel family.

mod adapter;
mod arena;
mod context;
mod evaluate;
mod field;
mod generate;
mod jets;
mod layout;
mod learn;
mod march;
mod memory;
mod resident;
pub mod shader;
mod tile;
mod timing;
mod tuning;

pub(crate) use adapter::presenting_adapter;
pub use adapter::{AdapterSummary, Reject, adapters};
pub use context::{Context, Kernel};
pub(crate) use evaluate::SLICE;
pub use evaluate::{Evaluation, Target, TextureTarget};
pub use field::{Codes, Field};
pub use generate::Generation;
pub use learn::{AdamStep, Learner};
pub use march::{End, Ends, Marcher, Rules, Track, Walk};
pub use memory::{Buffer, Use};
pub use tile::TileConfig;
pub use timing::Stopwatch;
pub use tuning::{TileSpace, Tiles, keep as keep_tiles, tiles};

/// What a GPU can refuse.
#[derive(Clone, Debug, thiserror::Error)]
pub enum GpuError {
    /// There is no adapter, or none of that name.
    #[error("{0}")]
    NoAdapter(String),
    /// The device went away: a crash or reset of the driver, or the card was unplugged.
    #[error("the GPU was lost ({0}); close other heavy programs and run again, or use --device cpu")]
    Lost(String),
    /// An allocation failed.
    #[error("the GPU is out of memory ({0}); render smaller or fewer pictures at a time, or use --device cpu")]
    OutOfMemory(String),
    /// The model or the work does not fit this adapter's limits.
    #[error("{0}")]
    Limit(String),
    /// A bug of ours: the driver or wgpu refused what we sent.
    #[error("the GPU refused a command, which is a bug in Hypersine; please report it: {0}")]
    Validation(String),
}
