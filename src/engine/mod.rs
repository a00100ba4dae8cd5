//! The one interface that everything above speaks to: open a device, load a model, evaluate latents.
//!
//! ```no_run
//! use std::sync::Arc;
//! use hypersine::engine::{DeviceChoice, Engine, Strategy};
//! use hypersine::model::{Domain, file};
//!
//! # fn main() -> hypersine::Result<()> {
//! let model = Arc::new(file::load("model.safetensors".as_ref())?);
//! let field = Engine::open(&DeviceChoice::Auto)?.load(&model)?;
//! let z = model.latents.get(model.latents.find("airplane")?);
//! let grid = model.coordinates.grid(256, 256, None)?;
//! let (pixels, _) = field.evaluate(z, &Domain::Grid(grid), Strategy::Auto)?; // [256 * 256][3]
//! # Ok(()) }
//! ```

mod body;
mod cost;
mod device;
mod field;
mod follow;
mod mosaic;

pub use body::Body;
pub use cost::CostModel;
pub use device::{DeviceChoice, Engine, Strategy};
pub use field::{Block, Field, Report};
pub use mosaic::Mosaic;
