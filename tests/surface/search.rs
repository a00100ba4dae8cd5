//! What a search leaves out, and what it must not.

use std::time::Instant;

use glam::DVec3;
use hypersine::surface::{Cube, Search, Settings, extract, steepest};

use crate::analytic::{Analytic, torus};
use crate::checks::euler;
use crate::fields::{plate, sphere, union, waves};

type Shape = (&'static str, fn(DVec3) -> f64);
const SHAPES: [Shape; 4] = [("sphere", sphere), ("torus", torus), ("plate", plate), ("union", union)];

/// The same vertices and triangles in the same order as from all corners, from few of them, none evaluated twice.
#[test]
fn the_mesh_is_that_of_the_dense_grid() {
    for (name, shape) in SHAPES {
        for cells in [256, 75, 9] {
            let wanted = Settings { cells, newton: 0, search: Search::Everywhere, ..Settings::default() };
            let (dense, all) = extract(&mut Analytic::new(shape), &wanted).unwrap();
            assert_eq!(all.evaluations, all.corners);
            for search in [Search::Bound(1.0), Search::Measured, Search::Signs { coarse: 32 }] {
                let mut field = Analytic::keeping(shape);
                let (sparse, cost) = extract(&mut field, &Settings { search, ..wanted.clone() }).unwrap();
                let share = cost.evaluations as f64 / cost.corners as f64;
                println!("{name} {cells} {search:?}: {:.2} % of the corners", 100.0 * share);
                assert!(sparse == dense, "{name} {cells} {search:?}");
                assert_eq!((field.values - field.distinct(), field.distinct()), (0, cost.evaluations));
                assert!(cells < 256 || share < 0.15);
                assert!(search != Search::Bound(1.0) || (cost.followed == 0 && cost.steepest < 1.0001));
            }
        }
    }
}

/// Noise is no distance, but its gradient has a bound: 12 waves of |k| < 16.
#[test]
fn a_bound_finds_all_of_a_steep_field() {
    for seed in 0..4 {
        let wanted = Settings { cells: 61, newton: 0, search: Search::Everywhere, ..Settings::default() };
        let (dense, _) = extract(&mut Analytic::new(waves(seed)), &wanted).unwrap();
        for (search, closed) in [(Search::Bound(190.0), true), (Search::Measured, true)] {
            let (sparse, cost) =
                extract(&mut Analytic::new(waves(seed)), &Settings { search, closed, ..wanted.clone() }).unwrap();
            println!(
                "waves {seed} {search:?}: {:.0} %, {} followed, bound {:.1}, steepest {:.1}",
                100.0 * cost.evaluations as f64 / cost.corners as f64,
                cost.followed,
                cost.bound.unwrap(),
                cost.steepest
            );
            assert!(sparse == dense && cost.followed == 0 && cost.steepest < cost.bound.unwrap());
        }
    }
}

/// A bound that is three times too low loses cells; the surface is followed through them, and the cost tells.
#[test]
fn a_wrong_bound_tears_no_hole_and_is_told() {
    let mut told = 0;
    for (name, shape) in SHAPES {
        let steep = move |p: DVec3| 3.0 * shape(p) * (1.0 + 0.5 * (9.0 * p.x).sin());
        let wanted = Settings { cells: 90, newton: 0, search: Search::Everywhere, ..Settings::default() };
        let (dense, _) = extract(&mut Analytic::new(steep), &wanted).unwrap();
        let (sparse, cost) =
            extract(&mut Analytic::new(steep), &Settings { search: Search::Bound(1.0), ..wanted }).unwrap();
        println!("{name}: {} cells followed, steepest {:.2} with a bound of 1", cost.followed, cost.steepest);
        assert!(cost.steepest > 1.0);
        // Whatever was found at all is whole.
        if !sparse.mesh.triangles.is_empty() {
            assert_eq!(euler(&sparse.mesh), euler(&dense.mesh));
            assert!(sparse == dense);
            told += u64::from(cost.followed > 0);
        }
    }
    assert!(told > 0);
}

#[test]
fn the_steepest_gradient_is_measured() {
    let cube = Cube::default();
    let slope = DVec3::new(1.0, -2.0, 0.5);
    let found = steepest(&mut Analytic::new(|p| slope.dot(p)), &cube).unwrap();
    println!("{found} for {}", slope.length());
    assert!((f64::from(found) / slope.length() - 1.0).abs() < 1e-5);
    // The longest gradient of x^2 + y^2 + z^2 is in the cube's corners; the points come near them.
    let found = f64::from(steepest(&mut Analytic::new(DVec3::length_squared), &cube).unwrap());
    println!("{found} for {}", 12.0_f64.sqrt());
    assert!((0.96..1.0).contains(&(found / 12.0_f64.sqrt())));
}

/// What is held grows with the surface, a quarter of what the grid's values alone would take at 256 cells along an axis
/// and a twentieth at 1024.
#[test]
fn memory_is_bounded_by_the_surface() {
    let mut last = None;
    for cells in [256_u32, 512, 1024] {
        let begun = Instant::now();
        let wanted = Settings { cells, newton: 0, search: Search::Bound(1.0), ..Settings::default() };
        let (surface, cost) = extract(&mut Analytic::new(sphere), &wanted).unwrap();
        let share = cost.evaluations as f64 / cost.corners as f64;
        let n = f64::from(cells);
        // Cells' faces that the sphere's area is worth, and the blocks within reach of it: a layer 2 sqrt(3) blocks thick
        // for the corners of cells of 2, one more on either side for those of the coarser cells.
        let faces = 4.0 * std::f64::consts::PI * 0.49 * (n / 2.0).powi(2);
        let stated = n.powi(3) / 24.0 + 24.0 * n.powi(2) + 5.0 * faces / 64.0 * 2048.0 + 36.0 * 1.5 * faces;
        println!(
            "{cells}: {:.2} % of the corners, {} triangles, {} MiB held (stated {:.0}), {:.1} s",
            100.0 * share,
            surface.mesh.triangles.len(),
            cost.bytes >> 20,
            stated / f64::from(1 << 20),
            begun.elapsed().as_secs_f64()
        );
        assert!((cost.bytes as f64) < stated);
        if let Some(before) = last {
            // Twice the cells: four times the surface, eight times the cube.
            assert!((cost.bytes as f64) < 5.0 * before);
        }
        last = Some(cost.bytes as f64);
    }
}

#[test]
fn nonsense_is_refused_with_a_sentence() {
    let wanted = Settings { cells: 20, ..Settings::default() };
    let said = |settings: Settings| extract(&mut Analytic::new(sphere), &settings).unwrap_err().to_string();
    assert_eq!(said(Settings { cells: 1, ..wanted.clone() }), "1 cells along an axis: 2 to 2048 are possible");
    assert!(said(Settings { cells: 2049, ..wanted.clone() }).contains("2 to 2048"));
    assert!(said(Settings { level: f32::NAN, ..wanted.clone() }).contains("level"));
    let flat = Cube { side: 0.0, ..Cube::default() };
    assert!(said(Settings { cube: flat, ..wanted.clone() }).contains("of side 0"));
    assert!(said(Settings { search: Search::Bound(0.0), ..wanted.clone() }).contains("bound"));
    let little = said(Settings { cells: 512, memory: 30 << 20, search: Search::Bound(1.0), ..wanted.clone() });
    println!("{little}");
    assert!(little.contains("30 MiB"));
    let broken = extract(&mut Analytic::new(|p| if p.x > 0.5 { f64::NAN } else { sphere(p) }), &wanted);
    let broken = broken.unwrap_err().to_string();
    println!("{broken}");
    assert!(broken.starts_with("the field is NaN at ["));
    // Nothing on the level is no error.
    let (empty, _) = extract(&mut Analytic::new(|p| sphere(p) + 9.0), &wanted).unwrap();
    assert!(empty.mesh.triangles.is_empty() && empty.normals.is_empty());
}
