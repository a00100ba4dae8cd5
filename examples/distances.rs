//! How fast signed distances, and sides alone, are worked out for a shape: in its box, and near its surface.
//!
//! `cargo run --release --example distances -- MESH [POINTS]`

use std::path::Path;
use std::time::Instant;

use hypersine::model::Frame;
use hypersine::signal::shape::{Shape, in_box, load};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or_else(|| anyhow::anyhow!("give a mesh"))?;
    let count: usize = arguments.next().map_or(Ok(1 << 18), |n| n.parse())?;
    let geometry = load::geometry(Path::new(&path))?;
    let geometry = geometry.in_frame(&geometry.frame(Frame::REACH)?);
    let start = Instant::now();
    let shape = Shape::new(geometry);
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    // The trees are built when a distance is first asked for.
    shape.signed_distance(&in_box(1, &mut rng))?;
    println!("{path}: ready after {:.3} s, {} threads", start.elapsed().as_secs_f64(), rayon::current_num_threads());
    let near = |sigma: f64, rng: &mut ChaCha8Rng| shape.near_surface(count, sigma, rng);
    for (name, points) in [
        ("in the box", in_box(count, &mut rng)),
        ("within 0.05 of the surface", near(0.05, &mut rng)?),
        ("within 0.004", near(0.004, &mut rng)?),
    ] {
        let million_per_second = |start: Instant| points.len() as f64 / start.elapsed().as_secs_f64() / 1e6;
        let start = Instant::now();
        shape.signed_distance(&points)?;
        let distances = million_per_second(start);
        let start = Instant::now();
        shape.occupancy(&points)?;
        println!("{name}: {distances:.3} M signed distances/s, {:.3} M sides/s", million_per_second(start));
    }
    Ok(())
}
