//! Pictures of solids: `cargo test --release --test trace`.

mod cameras;
mod fields;
mod marching;
mod shading;
mod silhouettes;
