//! Shapes in closed form.

use std::f64::consts::PI;

use glam::{DVec3, Vec3};
use hypersine::surface::{Cube, Inside, Search, Settings, components, extract};

use crate::analytic::{Analytic, cuboid, torus};
use crate::checks::{euler, turned, volume_and_area};
use crate::fields::{plate, sphere, union};

type Shape = (&'static str, fn(DVec3) -> f64, i64);
const SHAPES: [Shape; 4] = [("sphere", sphere, 2), ("torus", torus, 0), ("plate", plate, 2), ("union", union, 2)];

fn settings(cells: u32) -> Settings {
    Settings { cells, search: Search::Bound(1.0), ..Settings::default() }
}

#[test]
fn shapes_are_closed_manifold_and_face_outwards_at_odd_resolutions() {
    for (name, shape, expected) in SHAPES {
        for cells in [7, 33, 50, 64] {
            for newton in [0, 3] {
                let (surface, cost) =
                    extract(&mut Analytic::new(shape), &Settings { newton, ..settings(cells) }).unwrap();
                // A plate thinner than a cell comes in pieces or not at all, but closed.
                let whole = name != "plate" || cells > 50;
                if surface.mesh.triangles.is_empty() {
                    assert!(!whole);
                    continue;
                }
                let found = euler(&surface.mesh);
                let (turned, kept) = (turned(&surface), cost.kept_back);
                let [volume, _] = volume_and_area(&surface.mesh);
                println!(
                    "{name} {cells} newton {newton}: {} triangles, Euler {found}, {turned} turned, {kept} kept back",
                    surface.mesh.triangles.len()
                );
                assert!(volume > 0.0 && cost.followed == 0);
                assert!(!whole || found == expected || cells == 7);
                assert!(name == "plate" || cells == 7 || turned == 0);
            }
        }
    }
}

/// Volumes and areas against closed forms: the error falls with the square of the cells' size.
#[test]
fn volume_and_area_come_to_the_closed_forms() {
    let truths = [
        ("sphere", sphere as fn(DVec3) -> f64, [4.0 / 3.0 * PI * 0.343, 4.0 * PI * 0.49]),
        ("torus", torus, [2.0 * PI * PI * 0.6 * 0.04, 4.0 * PI * PI * 0.6 * 0.2]),
    ];
    for (name, shape, truth) in truths {
        for newton in [0, 2] {
            let mut last = None;
            for cells in [32, 64, 128] {
                let (surface, _) = extract(&mut Analytic::new(shape), &Settings { newton, ..settings(cells) }).unwrap();
                let found = volume_and_area(&surface.mesh);
                let errors = [0, 1].map(|i| (found[i] / truth[i] - 1.0).abs());
                println!("{name} {cells} newton {newton}: volume {:.2e}, area {:.2e}", errors[0], errors[1]);
                if let Some(before) = last {
                    let ratios = [0, 1].map(|i| {
                        let before: [f64; 2] = before;
                        before[i] / errors[i]
                    });
                    assert!(ratios.iter().all(|r| (3.0..6.0).contains(r)), "{ratios:?}");
                }
                last = Some(errors);
            }
            assert!(last.unwrap().iter().all(|&e| e < 2e-3));
        }
    }
}

#[test]
fn newton_steps_put_vertices_on_the_surface() {
    // Steep and curved like the logits of an occupancy, positive inside.
    let logit = |p: DVec3| 4.0 * (9.0 * (0.7_f64.powi(3) - p.length().powi(3))).tanh() + 0.5;
    let wanted = Settings { level: 0.5, inside: Inside::Above, search: Search::Signs { coarse: 16 }, ..settings(41) };
    let mut worst = Vec::new();
    for newton in 0..=3 {
        let mut field = Analytic::new(logit);
        let (surface, cost) = extract(&mut field, &Settings { newton, ..wanted.clone() }).unwrap();
        assert_eq!((euler(&surface.mesh), turned(&surface), cost.kept_back), (2, 0, 0));
        let off = |v: &Vec3| (v.as_dvec3().length() - 0.7).abs();
        worst.push(surface.mesh.vertices.iter().map(off).fold(0.0, f64::max));
        let tilt = |(v, n): (&Vec3, &Vec3)| (v.normalize() - *n).length();
        let tilted = surface.mesh.vertices.iter().zip(&surface.normals).map(tilt).fold(0.0, f32::max);
        println!("newton {newton}: off by {:.1e}, normals by {tilted:.1e}", worst[newton as usize]);
        assert!(tilted < 1e-4);
    }
    assert!(worst[1] < worst[0] / 10.0 && worst[2] < 1e-5 && worst[3] < 1e-6);
}

/// Faces, edges and corners exactly on corners of cells: the field is 0 there.
#[test]
fn a_box_on_the_corners_of_cells_is_whole() {
    for cells in [8, 16, 32] {
        let half = DVec3::new(0.5, 0.25, 0.75);
        for newton in [0, 2] {
            let mut field = Analytic::new(|p| cuboid(p, half));
            let (surface, cost) = extract(&mut field, &Settings { newton, ..settings(cells) }).unwrap();
            assert_eq!(euler(&surface.mesh), 2);
            let [volume, area] = volume_and_area(&surface.mesh);
            let errors = [volume / (8.0 * half.element_product()) - 1.0, area / 5.5 - 1.0];
            println!(
                "box {cells} newton {newton}: volume {:.1e}, area {:.1e}, {} kept",
                errors[0], errors[1], cost.kept_back
            );
            // The box loses half a cell along each of its edges, and up to one at its faces.
            assert!(errors.iter().all(|e| e.abs() < 4.0 / f64::from(cells)));
        }
    }
}

#[test]
fn what_leaves_the_cube_is_closed_by_lids_or_open_there() {
    // Through five sides of the cube, two of its edges' middles and none of its corners.
    let ball = |p: DVec3| p.distance(DVec3::new(0.2, -0.1, 0.3)) - 1.1;
    for (cells, search) in [(33, Search::Bound(1.0)), (40, Search::Signs { coarse: 8 }), (7, Search::Everywhere)] {
        let cube = Cube { low: Vec3::new(-0.9, -1.0, -1.1), side: 2.0 };
        let wanted = Settings { cube, search, ..settings(cells) };
        let (surface, cost) = extract(&mut Analytic::new(ball), &wanted).unwrap();
        assert_eq!((euler(&surface.mesh), cost.followed), (2, 0));
        let (low, high) = (cube.low, cube.low + cube.side);
        let on_border = |v: Vec3| v.cmpeq(low).any() || v.cmpeq(high).any();
        assert!(surface.mesh.vertices.iter().all(|v| v.cmpge(low).all() && v.cmple(high).all()));
        let lids = surface.mesh.vertices.iter().filter(|v| on_border(**v)).count();
        // The share of the ball in the cube, counted.
        let inside = |i: u32| {
            let p = DVec3::from([i % 100, i / 100 % 100, i / 10_000].map(|c| (f64::from(c) + 0.5) / 50.0));
            ball(cube.low.as_dvec3() + p) < 0.0
        };
        let truth = (0..1_000_000).filter(|&i| inside(i)).count() as f64 * 8e-6;
        let [volume, _] = volume_and_area(&surface.mesh);
        println!("lids {cells}: {lids} vertices on the border, volume {:.1e}", volume / truth - 1.0);
        assert!(lids > 3 * cells as usize && (volume / truth - 1.0).abs() < 2.0 / f64::from(cells));
        // Open: the edges that have one triangle lie in the cube's sides.
        let (open, _) = extract(&mut Analytic::new(ball), &Settings { closed: false, newton: 0, ..wanted }).unwrap();
        assert!(!open.mesh.is_closed());
        let mut edges = std::collections::HashSet::new();
        for &[a, b, c] in &open.mesh.triangles {
            edges.extend([(a, b), (b, c), (c, a)]);
        }
        let boundary: Vec<_> = edges.iter().filter(|&&(a, b)| !edges.contains(&(b, a))).collect();
        assert!(boundary.iter().all(|&&(a, b)| [a, b].iter().all(|&v| on_border(open.mesh.vertices[v as usize]))));
        assert!(boundary.len() > 3 * cells as usize);
    }
}

#[test]
fn pieces_are_counted() {
    let balls = |p: DVec3| {
        let far = |x: f64, r: f64| p.distance(DVec3::new(x, 0.1, 0.0)) - r;
        // A shell and a small ball beside it.
        (far(-0.3, 0.55)).max(-far(-0.3, 0.3)).min(far(0.7, 0.12))
    };
    let (surface, _) = extract(&mut Analytic::new(balls), &settings(75)).unwrap();
    assert_eq!(euler(&surface.mesh), 6);
    let pieces = components(&surface.mesh);
    let truth = [0.55_f64, -0.3, 0.12].map(|r| 4.0 / 3.0 * PI * r.powi(3));
    let errors: Vec<f64> = pieces.iter().zip(truth).map(|(p, t)| (p.volume / t - 1.0).abs()).collect();
    println!("volumes of pieces: {errors:.4?}");
    assert!(pieces.len() == 3 && errors.iter().all(|&e| e < 3e-2));
}
