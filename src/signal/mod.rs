//! Signals: what a model represents, loaded from and written to ordinary files, and compared.

mod compare;
mod picture;

pub use compare::{psnr, ssim};
pub use picture::{Depth, Picture, Sheet, picture_format};
