//! Part 5's shapes: whatever lies in the data folder named by `HYPERSINE_DATA` is loaded, normalised, and asked which
//! points are inside, against the sum of all its triangles' solid angles.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::PathBuf;
use std::time::Instant;

use glam::{DVec3, Vec3};
use hypersine::model::Frame;
use hypersine::signal::shape::load::family;
use hypersine::signal::shape::{Closeness, Comparison, Distance, Geometry, Mesh, Shape, in_box};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn shapes(part: &str) -> Vec<(String, Geometry)> {
    let data = std::env::var_os("HYPERSINE_DATA").expect("HYPERSINE_DATA names the data folder");
    let path = PathBuf::from(data).join("shapes").join(part);
    family(&path).unwrap_or_else(|e| panic!("{e}"))
}

/// The shape with its longest side on [-0.9, 0.9].
fn normalised(geometry: &Geometry) -> Geometry {
    let shape = geometry.in_frame(&geometry.frame(Frame::REACH).unwrap());
    let [low, high] = shape.bounds();
    assert!((low.abs().max(high.abs()).max_element() - 0.9).abs() < 1e-6, "{low} {high}");
    shape
}

/// How often a mesh winds around a point: all its triangles' solid angles (van Oosterom and Strackee 1983).
fn winding(mesh: &Mesh, p: Vec3) -> f64 {
    let angle = |t: usize| {
        let [a, b, c] = mesh.corners(t).map(|v| v.as_dvec3() - p.as_dvec3());
        let [x, y, z] = [a, b, c].map(DVec3::length);
        2.0 * a.dot(b.cross(c)).atan2(x * y * z + a.dot(b) * z + b.dot(c) * x + c.dot(a) * y)
    };
    (0..mesh.triangles.len()).map(angle).sum::<f64>() / (4.0 * std::f64::consts::PI)
}

#[test]
#[ignore = "reads HYPERSINE_DATA; scripts/test.sh runs it where that is set"]
fn every_mesh_knows_its_inside() {
    for (part, count) in [("bodies/bodies128.npz", 128), ("objects", 128), ("chairs", 18), ("single", 3), ("bodies", 4)]
    {
        let start = Instant::now();
        let family = shapes(part);
        assert_eq!(family.len(), count, "{part}");
        let loaded = start.elapsed().as_secs_f64();
        let (mut closed, mut triangles, mut worst, mut unsure, mut wrong) = (0, 0, 0.0_f64, 0, 0);
        let (mut points_seen, mut seconds) = (0, 0.0);
        for (i, (name, geometry)) in family.iter().enumerate() {
            let Geometry::Mesh(mesh) = normalised(geometry) else { panic!("{name} is no mesh") };
            closed += usize::from(mesh.is_closed());
            triangles += mesh.triangles.len();
            let mut rng = ChaCha8Rng::seed_from_u64(i as u64);
            let shape = Shape::new(Geometry::Mesh(mesh.clone()));
            let distance = Distance::new(&mesh);
            // Half of them anywhere, half where it is difficult.
            let mut points = in_box(100, &mut rng);
            points.extend(shape.near_surface(100, 0.02, &mut rng).unwrap());
            let start = Instant::now();
            let signed = shape.signed_distance(&points).unwrap();
            seconds += start.elapsed().as_secs_f64();
            points_seen += points.len();
            for (&p, d) in points.iter().zip(signed) {
                let exact = winding(&mesh, p);
                worst = worst.max((f64::from(distance.winding(p)) - exact).abs());
                // Where the mesh is open, the threshold may fall anywhere.
                unsure += usize::from((exact - 0.5).abs() < 0.05);
                wrong += usize::from((d < 0.0) != (exact > 0.5));
                // No corner is nearer, and the nearest point is where it is said to be.
                let corner = mesh.vertices.iter().map(|v| v.distance(p)).fold(f32::INFINITY, f32::min);
                let closest = distance.closest(p);
                assert!(d.abs() <= corner + 1e-6 && (closest.point.distance(p) - d.abs()).abs() < 1e-6, "{name} {p}");
            }
        }
        println!(
            "{part}: {count} shapes of {} triangles on average, {closed} closed, loaded in {loaded:.2} s; winding number wrong \
             by {worst:.1e}, signs by {wrong} of {points_seen} ({unsure} within 0.05 of the threshold); {:.2} M distances/s",
            triangles / count,
            points_seen as f64 / seconds / 1e6
        );
        assert!(wrong == 0 && worst < 0.02);
    }
}

#[test]
#[ignore = "reads HYPERSINE_DATA; scripts/test.sh runs it where that is set"]
fn molecules_are_sampled_and_compared() {
    let family = shapes("molecules/molecules.json");
    assert_eq!(family.len(), 360);
    let how = Comparison { points: 20_000, samples: 5_000, ..Comparison::default() };
    let mut last: Option<Shape> = None;
    let mut worst = 0.0_f32;
    for (i, (name, geometry)) in family.iter().enumerate() {
        let shape = Shape::new(normalised(geometry));
        let mut rng = ChaCha8Rng::seed_from_u64(i as u64);
        let surface = shape.surface(500, &mut rng).unwrap();
        let off = shape.signed_distance(&surface.points).unwrap();
        worst = off.iter().fold(worst, |w, d| w.max(d.abs()));
        if i % 60 == 0 {
            let itself = Closeness::of(&shape, &shape, &how).unwrap();
            assert!(itself.iou == Some(1.0) && itself.normal_consistency > 0.95, "{name}: {itself:?}");
            if let Some(other) = &last {
                let close = Closeness::of(&shape, other, &how).unwrap();
                println!("{name} and the one before: {close:?}");
                assert!(close.iou.unwrap() < 0.9 && close.chamfer_l1 > 2.0 * itself.chamfer_l1);
            }
            last = Some(shape);
        }
    }
    println!("surface points of 360 molecules are off by {worst:.1e} at most");
    assert!(worst < 1e-6);
}
