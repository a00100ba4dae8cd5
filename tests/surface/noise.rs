//! Topology where nothing is smooth: every case, every ambiguous face, and values that are exactly the level.

use glam::DVec3;
use hypersine::surface::{Search, Settings, extract};

use crate::analytic::Analytic;
use crate::checks::{euler, turned, volume_and_area};
use crate::fields::{hash, waves};

#[test]
fn waves_are_closed_and_manifold() {
    let (mut triangles, mut turns, mut followed) = (0, 0, 0);
    for (seed, cells) in (0..40).zip([7, 12, 17, 30].into_iter().cycle()) {
        for (newton, search) in [(0, Search::Everywhere), (2, Search::Signs { coarse: 8 })] {
            let wanted = Settings { cells, newton, search, ..Settings::default() };
            let (surface, cost) = extract(&mut Analytic::new(waves(seed)), &wanted).unwrap();
            assert_eq!(euler(&surface.mesh) % 2, 0, "seed {seed}");
            let [volume, _] = volume_and_area(&surface.mesh);
            assert!(volume > 0.0);
            triangles += surface.mesh.triangles.len();
            turns += turned(&surface);
            followed += cost.followed;
        }
    }
    println!("{triangles} triangles, {turns} against their normals; {followed} cells followed");
    assert!(triangles > 100_000 && followed > 0);
}

/// A value of its own at every corner: all cases occur.
#[test]
fn noise_is_closed_and_manifold() {
    for seed in 0..60 {
        let wanted = Settings { cells: 12, newton: 0, search: Search::Everywhere, ..Settings::default() };
        let share = 0.6 * hash(DVec3::ONE, seed);
        let (surface, _) = extract(&mut Analytic::new(|p| hash(p, seed) + share), &wanted).unwrap();
        let euler = euler(&surface.mesh);
        if seed < 6 {
            println!("seed {seed}: {} triangles, Euler characteristic {euler}", surface.mesh.triangles.len());
        }
        assert_eq!(euler % 2, 0);
    }
}

/// -1, 0 or 1 at every corner: vertices would coincide on corners that are 0.
#[test]
fn corners_on_the_level_make_no_sliver() {
    let mut smallest = f64::INFINITY;
    for seed in 0..40 {
        let wanted = Settings { cells: 11, newton: 0, search: Search::Everywhere, ..Settings::default() };
        let field = |p: DVec3| (1.5 * hash(p, seed)).round();
        let (surface, _) = extract(&mut Analytic::new(field), &wanted).unwrap();
        assert_eq!(euler(&surface.mesh) % 2, 0);
        let areas = (0..surface.mesh.triangles.len()).map(|t| crate::checks::area(&surface.mesh, t));
        smallest = smallest.min(areas.fold(f64::INFINITY, f64::min));
    }
    let cell = (2.0_f64 / 11.0).powi(2);
    println!("the smallest triangle is {:.1e} of a cell's face", smallest / cell);
    assert!(smallest / cell > 5e-5);
}
