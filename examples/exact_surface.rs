//! What marching cubes alone costs: the surface of a shape's exact signed distance, compared with the shape.
//!
//! `cargo run --release --example exact_surface -- MESH [CELLS]`: the bound that figures of `eval` are to be seen beside.

use std::path::Path;

use glam::Vec3;
use hypersine::model::Frame;
use hypersine::signal::shape::{Closeness, Comparison, Geometry, Shape, load};
use hypersine::surface::{Implicit, Search, Settings, extract};

/// The shape's signed distance; no gradients are taken of it.
struct Exact<'a>(&'a Shape);

impl Implicit for Exact<'_> {
    fn values(&mut self, points: &[f32], out: &mut [f32]) -> hypersine::Result<()> {
        let points: Vec<Vec3> = points.as_chunks::<3>().0.iter().map(|&p| Vec3::from(p)).collect();
        out.copy_from_slice(&self.0.signed_distance(&points)?);
        Ok(())
    }

    fn gradients(&mut self, _: &[f32], out: &mut [f32]) -> hypersine::Result<()> {
        out.fill(0.0);
        Ok(())
    }
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or_else(|| anyhow::anyhow!("give a mesh"))?;
    let cells = arguments.next().map_or(Ok(128), |n| n.parse())?;
    let geometry = load::geometry(Path::new(&path))?;
    let shape = Shape::new(geometry.in_frame(&geometry.frame(Frame::REACH)?));
    let settings = Settings { cells, search: Search::Bound(1.0), newton: 0, ..Settings::default() };
    let (surface, statistics) = extract(&mut Exact(&shape), &settings)?;
    println!(
        "{} triangles; {} of {} corners evaluated",
        surface.mesh.triangles.len(),
        statistics.evaluations,
        statistics.corners
    );
    let how = Comparison::default();
    println!("{:#?}", Closeness::of(&Shape::new(Geometry::Mesh(surface.mesh)), &shape, &how)?);
    println!("the shape with itself: {:#?}", Closeness::of(&shape, &shape, &Comparison { seed: 1, ..how })?);
    Ok(())
}
