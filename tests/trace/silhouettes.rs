//! Outlines and depths of balls, against the exact ones.

use glam::DVec3;
use hypersine::surface::{Cube, Inside};
use hypersine::trace::{Camera, March, Orbit, Projection, Scene, Statistics, View};

use crate::analytic::Analytic;
use crate::fields::ball;

/// A scene, seen from a camera on an orbit.
pub fn seen_from(camera: &str) -> Scene {
    Scene { camera: camera.parse::<Orbit>().unwrap().camera(&Cube::default()), ..Scene::default() }
}

/// All depths of a picture.
pub fn depths(scene: &Scene, f: impl Fn(DVec3) -> f64, [w, h]: [u32; 2]) -> (Vec<f32>, Statistics) {
    let mut all = Vec::new();
    let statistics = scene
        .depths(&mut Analytic::new(f), w, h, |rows| {
            assert!(!rows.is_empty() && rows.len() % w as usize == 0);
            all.extend_from_slice(rows);
            Ok(())
        })
        .unwrap();
    assert_eq!(all.len(), w as usize * h as usize);
    assert_eq!(statistics.rays, all.len() as u64);
    (all, statistics)
}

/// The middles of a picture's pixels, row by row.
pub fn pixels([w, h]: [u32; 2]) -> impl Iterator<Item = [f64; 2]> {
    (0..h).flat_map(move |y| (0..w).map(move |x| [f64::from(x) + 0.5, f64::from(y) + 0.5]))
}

/// How far along a line a ball is entered, and the cosine at which it is.
fn entered(origin: DVec3, direction: DVec3, middle: DVec3, radius: f64) -> Option<(f64, f64)> {
    let from = origin - middle;
    let (b, c) = (from.dot(direction), from.length_squared() - radius * radius);
    let root = b * b - c;
    (root > 0.0).then(|| (-b - root.sqrt(), root.sqrt() / radius))
}

/// The outline of a ball in the picture, as so many of its points that they are near together.
fn outline(view: &View, scene: &Scene, middle: DVec3, radius: f64) -> Vec<[f64; 2]> {
    // The circle in which lines of sight touch: the ball's middle, radius and direction of the circle.
    let Camera { eye, target, projection, .. } = scene.camera;
    let (towards, share) = match projection {
        Projection::Perspective { .. } => (eye - middle, radius / eye.distance(middle)),
        Projection::Orthographic { .. } => (eye - target, 0.0),
    };
    let axis = towards.normalize();
    let (centre, circle) = (middle + share * radius * axis, radius * (1.0 - share * share).sqrt());
    let (u, v) = axis.any_orthonormal_pair();
    (0..4000)
        .map(|i| f64::from(i) * std::f64::consts::TAU / 4000.0)
        .map(|a| view.project(centre + circle * (a.cos() * u + a.sin() * v)).unwrap())
        .map(|[x, y, _]| [x, y])
        .collect()
}

/// The farthest that a pixel on the wrong side of the outline is from it, in pixels; and by how much depths are off where
/// the surface is not seen at a glancing angle, in widths of a pixel.
fn compare(scene: &Scene, f: impl Fn(DVec3) -> f64, middle: DVec3, radius: f64, size: [u32; 2]) -> [f64; 2] {
    let view = scene.camera.view(size[0], size[1]).unwrap();
    let (found, statistics) = depths(scene, f, size);
    let outline = outline(&view, scene, middle, radius);
    let (mut outside, mut deep, mut wrong) = (0.0_f64, 0.0_f64, 0);
    for ([x, y], &depth) in pixels(size).zip(&found) {
        let (origin, direction) = view.sight(x, y);
        let exact = entered(origin, direction, middle, radius);
        if exact.is_some() != depth.is_finite() {
            let away = outline.iter().map(|[a, b]| (a - x).hypot(b - y)).fold(f64::INFINITY, f64::min);
            (outside, wrong) = (outside.max(away), wrong + 1);
        } else if let Some((distance, _)) = exact.filter(|&(_, cosine)| cosine > 0.2) {
            let [px, py, expected] = view.project(origin + distance * direction).unwrap();
            let next = view.sight(x + 1.0, y);
            let pixel = (origin + distance * direction).distance(next.0 + distance * next.1);
            assert!((px - x).abs() < 1e-6 && (py - y).abs() < 1e-6);
            deep = deep.max((f64::from(depth) - expected).abs() / pixel);
        }
    }
    println!(
        "{size:?}: {wrong} of {} pixels wrong, up to {outside:.4} from the outline; depths within {deep:.5} pixels; \
         {:.2} steps a ray, {} at most; {} hits",
        found.len(),
        statistics.steps as f64 / statistics.traced.max(1) as f64,
        statistics.longest,
        statistics.hits
    );
    [outside, deep]
}

const CAMERAS: [&str; 6] = ["0,0", "30,20", "-120,-60,4,45", "77,90,2.5,90", "30,20,5,0", "180,-10,40,4"];
const SIZES: [[u32; 2]; 5] = [[1, 1], [7, 5], [64, 64], [201, 90], [90, 201]];

#[test]
fn balls_have_their_outline_and_depth() {
    let balls = [(DVec3::ZERO, 0.7), (DVec3::new(0.4, -0.3, 0.2), 0.45), (DVec3::new(-0.5, 0.5, -0.5), 0.1)];
    for camera in CAMERAS {
        for (middle, radius) in balls {
            println!("{camera}, {radius} about {middle}");
            for size in SIZES {
                let [outside, deep] = compare(&seen_from(camera), ball(middle, radius), middle, radius, size);
                assert!(outside < 0.2, "the outline is off by {outside}");
                assert!(deep < 0.01, "depths are off by {deep} pixels");
            }
        }
    }
}

#[test]
fn occupancies_have_the_same_outline() {
    let (middle, radius) = (DVec3::new(0.2, -0.1, 0.15), 0.6);
    let distance = ball(middle, radius);
    for march in [March::Steps(64), March::Steps(256)] {
        for camera in CAMERAS {
            let scene = Scene { march, level: 0.5, inside: Inside::Above, ..seen_from(camera) };
            let soft = |p| 1.0 / (1.0 + (80.0 * distance(p)).exp());
            let hard = |p| if distance(p) < 0.0 { 1.0 } else { 0.0 };
            for size in [[7, 5], [64, 64], [201, 90]] {
                let soft = compare(&scene, soft, middle, radius, size);
                let hard = compare(&scene, hard, middle, radius, size);
                assert!(soft[0] < 1.0 && hard[0] < 1.0, "the outline is off by {soft:?}, {hard:?}");
                assert!(soft[1] < 0.01 && hard[1] < 0.01, "depths are off by {soft:?}, {hard:?} pixels");
            }
        }
    }
}

#[test]
fn depths_do_not_depend_on_bands() {
    // More rays than are followed together, and more than are asked about together.
    let scene = Scene { march: March::Spheres { bound: Some(1.0), relaxation: 0.9 }, ..seen_from("30,20") };
    let size = [1100, 601];
    let (found, _) = depths(&scene, crate::analytic::torus, size);
    let view = scene.camera.view(size[0], size[1]).unwrap();
    let mut checked = 0;
    for ([x, y], depth) in pixels(size).zip(found).skip(300_000).step_by(7).take(40_000) {
        let Some(ray) = view.ray(x, y, 1, &scene.cube) else { continue };
        let (alone, _) = scene.trace(&mut Analytic::new(crate::analytic::torus), &[ray]).unwrap();
        match alone[0].hit {
            Some(hit) => {
                let [.., expected] = view.project(ray.at(hit.distance).as_dvec3()).unwrap();
                assert!((f64::from(depth) - expected).abs() < 2e-6 * expected, "{depth} for {expected}");
            }
            None => assert_eq!(depth, f32::INFINITY),
        }
        checked += 1;
    }
    println!("{checked} rays alone and among others are the same");
    assert!(checked > 10_000);
}
