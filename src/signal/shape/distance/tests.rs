//! Against all triangles one by one, and against formulas.

use std::f64::consts::PI;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::super::mesh::tests::cube;
use super::super::sample::{self, in_box};
use super::*;

/// A surface over a grid that is closed in both directions, or ends in poles.
fn grid(rows: u16, columns: u16, at: impl Fn(f64, f64) -> DVec3) -> Mesh {
    let mut vertices = Vec::new();
    for (i, j) in (0..=rows).flat_map(|i| (0..=columns).map(move |j| (i, j))) {
        // The last is the first again, to the bit.
        let part = |k: u16, of: u16| f64::from(k % of) / f64::from(of);
        let u = if i == rows { 1.0 } else { part(i, rows) };
        vertices.push(at(u, part(j, columns)).as_vec3());
    }
    let corner = |i: u16, j: u16| u32::from(i) * (u32::from(columns) + 1) + u32::from(j);
    let cells = (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j)));
    let triangles = cells.flat_map(|(i, j)| {
        let [a, b, c, d] = [corner(i, j), corner(i + 1, j), corner(i + 1, j + 1), corner(i, j + 1)];
        [[a, b, c], [a, c, d]]
    });
    Mesh::new(vertices, triangles.collect()).unwrap().welded()
}

/// A ball's surface, from pole to pole in `rows`.
pub(in super::super) fn ball(rows: u16, columns: u16, radius: f32) -> Mesh {
    cap(rows, columns, radius, 1.0)
}

/// The part of a ball's surface from the pole down to that part of the way to the other.
fn cap(rows: u16, columns: u16, radius: f32, part: f64) -> Mesh {
    let mesh = grid(rows, columns, |u, v| {
        let (down, turn) = (PI * part * u, 2.0 * PI * v);
        // The poles are points.
        let across = if u <= 0.0 || part * u >= 1.0 { 0.0 } else { down.sin() };
        f64::from(radius) * DVec3::new(across * turn.cos(), across * turn.sin(), down.cos())
    });
    mesh.welded()
}

fn torus(rows: u16, columns: u16, large: f64, small: f64) -> Mesh {
    grid(rows, columns, |u, v| {
        // The last row is the first.
        let (a, b) = (2.0 * PI * if u >= 1.0 { 0.0 } else { u }, 2.0 * PI * v);
        let ring = large + small * a.cos();
        DVec3::new(ring * b.cos(), -ring * b.sin(), small * a.sin())
    })
}

/// The exact winding number: all triangles' solid angles, an arc tangent each.
fn winding(mesh: &Mesh, p: Vec3) -> f64 {
    let angle = |t: usize| {
        let [a, b, c] = mesh.corners(t).map(|v| v.as_dvec3() - p.as_dvec3());
        let [x, y, z] = [a, b, c].map(DVec3::length);
        2.0 * a.dot(b.cross(c)).atan2(x * y * z + a.dot(b) * z + b.dot(c) * x + c.dot(a) * y)
    };
    (0..mesh.triangles.len()).map(angle).sum::<f64>() / (4.0 * PI)
}

/// The exact distance to a triangle by another way than the one under test: the quadratic of the barycentric
/// coordinates is minimal inside, or on an edge, where it is a parabola.
fn apart(corners: [Vec3; 3], p: Vec3) -> f64 {
    let [a, b, c] = corners.map(Vec3::as_dvec3);
    let p = p.as_dvec3();
    let (e, f, d) = (b - a, c - a, a - p);
    let (ee, ef, ff, ed, fd) = (e.dot(e), e.dot(f), f.dot(f), e.dot(d), f.dot(d));
    let det = ee * ff - ef * ef;
    let (s, t) = ((ef * fd - ff * ed) / det, (ef * ed - ee * fd) / det);
    let edge = |from: DVec3, to: DVec3| {
        let steps = (p - from).dot(to - from) / (to - from).length_squared();
        p.distance(from.lerp(to, steps.clamp(0.0, 1.0)))
    };
    if s >= 0.0 && t >= 0.0 && s + t <= 1.0 {
        return (d + s * e + t * f).length();
    }
    edge(a, b).min(edge(b, c)).min(edge(c, a))
}

fn brute(mesh: &Mesh, p: Vec3) -> f64 {
    (0..mesh.triangles.len()).map(|t| apart(mesh.corners(t), p)).fold(f64::INFINITY, f64::min)
}

/// Points all around, and points close to the surface.
fn probes(mesh: &Mesh, n: usize) -> Vec<Vec3> {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut near = sample::on_mesh(mesh, &sample::triangles(mesh), n, &mut rng).points;
    sample::jitter(&mut near, 0.02, &mut rng);
    near.extend(in_box(n, &mut rng));
    near
}

#[test]
fn as_all_triangles_one_by_one() {
    let scaled = cube(Vec3::splat(-0.6), 1.2);
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    let loose = in_box(600, &mut rng);
    let soup = Mesh::new(loose, (0..200).map(|t| [3 * t, 3 * t + 1, 3 * t + 2]).collect()).unwrap();
    for (name, mesh) in
        [("cube", scaled), ("ball", ball(23, 37, 0.9)), ("torus", torus(31, 53, 0.6, 0.3)), ("soup", soup)]
    {
        let distance = Distance::new(&mesh);
        let (mut far, mut turn, mut signs) = (0.0_f64, 0.0_f64, 0);
        for p in probes(&mesh, 1000) {
            let (exact, around) = (brute(&mesh, p), winding(&mesh, p));
            let closest = distance.closest(p);
            far = far.max((f64::from(closest.distance) - exact).abs());
            // The point is on the triangle, and as far away as is said.
            assert!(apart(mesh.corners(closest.triangle), closest.point) < 1e-6);
            assert!((closest.point.distance(p) - closest.distance).abs() < 1e-6);
            turn = turn.max((f64::from(distance.winding(p)) - around).abs());
            let inside = around > 0.5;
            signs += u32::from(inside == distance.inside(p) && inside == (distance.signed(p) < 0.0));
        }
        println!("{name}: distance wrong by {far:.1e}, winding number by {turn:.1e}; signs {signs} of 2000");
        assert!(far < 1e-6 && turn < 0.03);
        // A soup's winding number is anything: where it is 1/2, rounding decides.
        assert!(signs == 2000 || name == "soup" && signs > 1990);
    }
}

#[test]
fn as_the_formulas_of_ball_and_torus() {
    let round = ball(150, 300, 0.8);
    let ring = torus(150, 300, 0.6, 0.25);
    assert!(round.is_closed() && ring.is_closed() && round.volume() > 0.0 && ring.volume() > 0.0);
    let to_ball = |p: DVec3| p.length() - 0.8;
    let to_ring = |p: DVec3| DVec3::new(p.truncate().length() - 0.6, p.z, 0.0).length() - 0.25;
    for (name, mesh, formula) in [("ball", round, &to_ball as &dyn Fn(DVec3) -> f64), ("torus", ring, &to_ring)] {
        let points = probes(&mesh, 5000);
        let got = Distance::new(&mesh).signed_all(&points);
        let wrong = points.iter().zip(got).map(|(p, d)| (f64::from(d) - formula(p.as_dvec3())).abs());
        let worst = wrong.fold(0.0, f64::max);
        // The chord of 1/150 of half a turn, or of 1/300 of a whole one, is r (1 - cos(pi / 300)) below its arc.
        println!("{name}: wrong by {worst:.1e}, of which the mesh's corners are 1e-4");
        assert!(worst < 3e-4);
    }
}

#[test]
fn overlapping_parts_are_one() {
    let (a, b) = (cube(Vec3::splat(-0.8), 1.0), cube(Vec3::splat(-0.3), 1.0));
    let shifted = b.triangles.iter().map(|t| t.map(|v| v + 8));
    let triangles = a.triangles.iter().copied().chain(shifted).collect();
    let both = Mesh::new([&a.vertices[..], &b.vertices].concat(), triangles).unwrap();
    let distance = Distance::new(&both);
    assert!((distance.winding(Vec3::splat(0.0)) - 2.0).abs() < 1e-3);
    let within = |p: Vec3, low: f32| (p - low).min_element() > 0.0 && (p - low - 1.0).max_element() < 0.0;
    for p in in_box(5000, &mut ChaCha8Rng::seed_from_u64(13)) {
        assert_eq!(distance.inside(p), within(p, -0.8) || within(p, -0.3), "{p}");
    }
}

#[test]
fn an_open_hemisphere_is_closed_by_the_winding_number() {
    let dome = cap(60, 120, 0.8, 0.5);
    assert!(!dome.is_closed());
    let distance = Distance::new(&dome);
    // Over a dome's open end, on the axis, the solid angle is that of the disc which would close it.
    for z in [-0.5, -0.2, 0.0, 0.1, 0.3, 0.6, 0.79, 0.9] {
        let angle = 0.5 * (1.0 - z / f64::hypot(z, 0.8));
        let want = if z < 0.8 { 1.0 - angle } else { -angle };
        #[expect(clippy::cast_possible_truncation, reason = "coordinates are f32")]
        let got = f64::from(distance.winding(Vec3::new(0.0, 0.0, z as f32)));
        println!("z = {z}: {got:.4}, by the formula {want:.4}");
        // Under the pole, a hundredth from the mesh, far triangles are nearest.
        assert!((got - want).abs() < 0.01);
    }
    assert!(distance.inside(Vec3::new(0.0, 0.0, 0.05)) && !distance.inside(Vec3::new(0.0, 0.0, -0.05)));
    assert!(distance.inside(Vec3::new(0.4, 0.0, 0.3)) && !distance.inside(Vec3::new(0.7, 0.7, 0.1)));
}

#[test]
fn triangles_without_area_do_no_harm() {
    let mut mesh = cube(Vec3::splat(-0.5), 1.0);
    mesh.vertices.extend([Vec3::new(0.9, 0.0, 0.0), Vec3::new(0.9, 0.5, 0.0), Vec3::new(0.9, 0.9, 0.0)]);
    mesh.triangles.extend([[8, 8, 8], [8, 9, 10], [9, 9, 10]]);
    let distance = Distance::new(&mesh);
    assert!((distance.closest(Vec3::new(1.0, 0.7, 0.0)).distance - 0.1).abs() < 1e-6);
    assert!((distance.closest(Vec3::new(1.0, -1.0, 0.0)).distance - f32::hypot(0.5, 0.5)).abs() < 1e-6);
    assert!((distance.signed(Vec3::new(0.1, 0.0, 0.0)) + 0.4).abs() < 1e-6);
    // On a corner, an edge, a side: no distance, and no NaN.
    for p in [Vec3::splat(0.5), Vec3::new(0.5, 0.5, 0.0), Vec3::new(0.5, 0.1, 0.2), Vec3::new(0.9, 0.2, 0.0)] {
        assert!(distance.signed(p).abs() <= 0.0 && distance.winding(p).is_finite(), "{p}");
    }
    assert!(distance.signed(Vec3::NAN).is_nan());
    // A mesh of nothing else.
    let line = Mesh::new(vec![Vec3::ZERO, Vec3::X, 2.0 * Vec3::X], vec![[0, 1, 2]; 9]).unwrap();
    let distance = Distance::new(&line);
    assert!((distance.signed(Vec3::new(0.7, 0.3, 0.4)) - 0.5).abs() < 1e-6 && distance.winding(Vec3::Y).abs() <= 0.0);
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let distance = Distance::new(&ball(23, 37, 0.9));
    let points = in_box(1001, &mut ChaCha8Rng::seed_from_u64(14));
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| (distance.signed_all(&points), distance.inside_all(&points)))
    };
    assert_eq!(with(1), with(3));
    let one_by_one: Vec<f32> = points.iter().map(|&p| distance.signed(p)).collect();
    assert_eq!(with(2).0, one_by_one);
}
