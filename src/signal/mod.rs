//! Signals: what a model represents, loaded from and written to ordinary files, and compared.

mod animation;
mod compare;
mod picture;
pub mod shape;
mod srgb;
mod write;

pub use animation::write_gif;
pub use compare::{psnr, ssim};
pub use picture::{Picture, is_picture, pictures};
pub(crate) use srgb::{linear_to_srgb, srgb_to_linear};
pub use write::{Canvas, Depth, Rows, picture_format, write_rows};
