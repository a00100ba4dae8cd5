//! Colours: normals, light, planes, mixed pixels.

use glam::{DVec3, Vec3};
use hypersine::trace::{Axis, Look, March, Scene, Slice, View};

use crate::analytic::{Analytic, cuboid};
use crate::fields::ball;
use crate::silhouettes::{depths, pixels, seen_from};

/// All pixels of a picture.
fn picture(scene: &Scene, f: impl Fn(DVec3) -> f64, [w, h]: [u32; 2], aa: u32) -> Vec<Vec3> {
    let mut all = Vec::new();
    scene
        .render(&mut Analytic::new(f), w, h, aa, |rows| {
            assert!(rows.len() % (3 * w as usize) == 0);
            all.extend(rows.chunks_exact(3).map(Vec3::from_slice));
            Ok(())
        })
        .unwrap();
    assert_eq!(all.len(), w as usize * h as usize);
    all
}

/// Where in a picture of that width a point is seen.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the point is in the picture")]
fn pixel(view: &View, point: DVec3, width: usize) -> usize {
    let [x, y, _] = view.project(point).unwrap();
    y.floor() as usize * width + x.floor() as usize
}

/// How bright a display's colour is, in linear light.
fn light(colour: Vec3) -> f32 {
    colour.to_array().iter().map(|&v| linear(v)).sum::<f32>() / 3.0
}

fn linear(v: f32) -> f32 {
    let u = 0.5 * v + 0.5;
    if u <= 0.04045 { u / 12.92 } else { ((u + 0.055) / 1.055).powf(2.4) }
}

const BOUND: March = March::Spheres { bound: Some(1.0), relaxation: 0.9 };

#[test]
fn normals_are_exact() {
    let (middle, radius, size) = (DVec3::new(0.2, -0.1, 0.1), 0.6, [120, 90]);
    let mut worst = 0.0_f32;
    for camera in ["0,0", "130,35,4,50", "30,20,5,0"] {
        let scene = Scene { look: Look::Normals, march: BOUND, ..seen_from(camera) };
        let view = scene.camera.view(size[0], size[1]).unwrap();
        let mut seen = 0;
        for ([x, y], colour) in pixels(size).zip(picture(&scene, ball(middle, radius), size, 1)) {
            let (origin, direction) = view.sight(x, y);
            let b = (origin - middle).dot(direction);
            let root = b * b - (origin - middle).length_squared() + radius * radius;
            if root > (0.2 * radius).powi(2) {
                let normal = (origin + (-b - root.sqrt()) * direction - middle) / radius;
                worst = worst.max(colour.distance(normal.as_vec3()));
                seen += 1;
            }
        }
        println!("{camera}: {seen} normals within {worst:e}");
        assert!(seen > 500);
    }
    assert!(worst < 3e-4);
}

#[test]
fn what_is_right_is_right_and_what_is_up_is_up() {
    let f = |p| ball(DVec3::new(0.6, 0.0, 0.0), 0.3)(p).min(ball(DVec3::new(0.0, 0.7, 0.0), 0.15)(p));
    let (found, _) = depths(&seen_from("0,0"), f, [100, 100]);
    let share =
        |keep: fn([f64; 2]) -> bool| pixels([100, 100]).zip(&found).filter(|(p, d)| d.is_finite() && keep(*p)).count();
    let [right, left, up, down] = [
        share(|[x, y]| x > 60.0 && (y - 50.0).abs() < 15.0),
        share(|[x, _]| x < 40.0),
        share(|[x, y]| y < 35.0 && (x - 50.0).abs() < 10.0),
        share(|[_, y]| y > 65.0),
    ];
    println!("{right} pixels to the right, {left} to the left, {up} above, {down} below");
    assert!(right > 300 && up > 100 && left == 0 && down == 0);
}

#[test]
fn a_pixel_is_the_mean_of_its_light() {
    for look in [Look::Clay, Look::Normals] {
        let scene = Scene { look, march: BOUND, slice: Some("x,0.1,whole".parse().unwrap()), ..seen_from("30,20") };
        let (fine, coarse) = (
            picture(&scene, crate::analytic::torus, [69, 51], 1),
            picture(&scene, crate::analytic::torus, [23, 17], 3),
        );
        let mut worst = 0.0_f32;
        for (i, pixel) in coarse.iter().enumerate() {
            let (x, y) = (i % 23 * 3, i / 23 * 3);
            for c in 0..3 {
                let of = |v: Vec3| if look == Look::Clay { linear(v[c]) } else { v[c] };
                let mean: f32 = (0..9).map(|k| of(fine[(y + k / 3) * 69 + x + k % 3])).sum::<f32>() / 9.0;
                worst = worst.max((of(*pixel) - mean).abs());
            }
        }
        println!("{look:?}: means within {worst:e}");
        assert!(worst < 1e-5);
    }
}

/// A floor.
fn floor(p: DVec3) -> f64 {
    cuboid(p - DVec3::new(0.0, -0.6, 0.0), DVec3::new(0.9, 0.1, 0.9))
}

#[test]
fn it_is_darker_under_a_plate() {
    let roofed = |p| floor(p).min(cuboid(p - DVec3::new(0.0, 0.2, 0.0), DVec3::new(0.9, 0.05, 0.9)));
    for march in [BOUND, March::Steps(100)] {
        // The floor's front, seen from below the roof.
        let scene = Scene { march, ..seen_from("0,10,5,0") };
        let plain = Scene { shadow: false, occlusion: false, ..scene.clone() };
        let size = [41, 41];
        let view = scene.camera.view(41, 41).unwrap();
        let at = pixel(&view, DVec3::new(0.0, -0.5, 0.0), 41);
        let floor_alone = light(picture(&scene, floor, size, 1)[at]);
        let [bare, lit] = [&plain, &scene].map(|s| light(picture(s, roofed, size, 1)[at]));
        println!("{march:?}: {floor_alone} in the open, {bare} without shadows, {lit} under a roof");
        assert!((floor_alone - bare).abs() < 0.02 * bare && lit < 0.6 * bare);
    }
}

#[test]
fn it_is_darker_near_a_wall_and_at_a_shadows_heart() {
    let walled = |p| floor(p).min(cuboid(p - DVec3::new(0.0, 0.0, -0.8), DVec3::new(0.9, 0.6, 0.1)));
    // From above, row by row away from the wall.
    let from_above = Scene { march: BOUND, shadow: false, ..seen_from("0,90,5,0") };
    let (size, away) = ([3, 200], |z: f64| z + 0.7);
    let view = from_above.camera.view(3, 200).unwrap();
    let rows: Vec<(f64, f32)> = (pixels(size).zip(picture(&from_above, walled, size, 1)))
        .skip(1)
        .step_by(3)
        .map(|([x, y], c)| (away(view.sight(x, y).0.z), light(c)))
        .filter(|(away, _)| (0.005..1.5).contains(away))
        .collect();
    let open = rows.last().unwrap().1;
    println!(
        "light from {:.3} from the wall on: {:?}",
        rows[0].0,
        rows.iter().step_by(5).map(|r| r.1).collect::<Vec<_>>()
    );
    assert!(rows.windows(2).all(|r| r[1].1 >= r[0].1 - 1e-4), "light does not grow away from the wall");
    assert!(rows[0].1 < 0.9 * open && rows.len() > 50);
    // Beyond the reach of 0.24 the wall is forgotten.
    assert!(rows.iter().filter(|r| r.0 > 0.25).all(|r| (r.1 - open).abs() < 1e-4));

    // The shadow of a ball: dark within, soft at its edge, none far off.
    let hovering = |p| floor(p).min(ball(DVec3::new(0.0, 0.2, 0.0), 0.25)(p));
    let cast = Scene { march: BOUND, occlusion: false, ..seen_from("0,60,5,0") };
    let flat = Scene { shadow: false, ..cast.clone() };
    let size = [121, 121];
    let view = cast.camera.view(121, 121).unwrap();
    let (with, without) = (picture(&cast, hovering, size, 1), picture(&flat, hovering, size, 1));
    let share = |p: DVec3| {
        let at = pixel(&view, p, 121);
        light(with[at]) / light(without[at])
    };
    // Where the line from the ball's middle along the light meets the floor.
    let [right, up, back] = view.axes().map(Vec3::as_dvec3);
    let key = (-0.45 * right + 0.75 * up + 0.65 * back).normalize();
    let heart = DVec3::new(0.0, 0.2, 0.0) - 0.7 / key.y * key;
    let line: Vec<f32> = (0..13).map(|i| share(heart + DVec3::new(0.04 * f64::from(i), 0.0, 0.0))).collect();
    println!("light along a line from the shadow's heart: {line:?}");
    assert!(line[0] < 0.6 && line[12] > 0.999);
    assert!(line.windows(2).all(|l| l[1] >= l[0] - 0.02), "a shadow gets no darker outwards");
    assert!(line.iter().filter(|l| (line[0] + 0.05..0.95).contains(l)).count() >= 1, "the edge is soft");
}

#[test]
fn planes_show_the_field() {
    let f = ball(DVec3::ZERO, 0.6);
    let slice = Slice { axis: Axis::Z, offset: 0.2, cut: true };
    let scene = Scene { slice: Some(slice), march: BOUND, ..seen_from("0,0,5,0") };
    let size = [151, 151];
    let view = scene.camera.view(151, 151).unwrap();
    let (found, statistics) = depths(&scene, &f, size);
    assert!(found.iter().filter(|d| d.is_finite()).all(|d| (d - 4.8).abs() < 1e-5));
    assert_eq!(statistics.hits, 0);
    let shown = picture(&scene, &f, size, 1);
    let colour = |p: DVec3| shown[pixel(&view, p, 151)];
    // Between two lines, on the inside and on the outside; and where the sphere is cut.
    let (inside, outside) = (colour(DVec3::new(0.05, 0.05, 0.2)), colour(DVec3::new(0.83, 0.0, 0.2)));
    let surface = colour(DVec3::new((0.36_f64 - 0.04).sqrt(), 0.0, 0.2));
    println!("inside {inside}, outside {outside}, on the surface {surface}");
    assert!(inside.z > inside.x && outside.x > outside.z && light(surface) < 0.3 * light(outside));
    // The solid in front hides the plane where it is left whole.
    let whole = Scene { slice: Some(Slice { cut: false, ..slice }), ..scene.clone() };
    let (found, _) = depths(&whole, &f, size);
    assert!((found[75 * 151 + 75] - 4.4).abs() < 1e-4 && (found[75 * 151 + 130] - 4.8).abs() < 1e-5);
    // From behind, the other half is taken away; from the side, the plane is too thin to be seen.
    let behind = Scene { camera: seen_from("180,0,5,0").camera, ..scene.clone() };
    assert!((depths(&behind, &f, size).0[75 * 151 + 75] - 5.2).abs() < 1e-5);
    let beside = Scene { camera: seen_from("90,0,5,0").camera, ..scene };
    assert!((depths(&beside, &f, size).0[75 * 151 + 75] - 4.4).abs() < 1e-4);
}

#[test]
fn what_the_cube_cuts_is_flat() {
    let scene = Scene { look: Look::Normals, march: BOUND, ..seen_from("0,0,5,0") };
    let f = ball(DVec3::ZERO, 1.3);
    let shown = picture(&scene, f, [31, 31], 1);
    assert!(shown[15 * 31 + 15].distance(Vec3::Z) < 1e-6, "{}", shown[15 * 31 + 15]);
}
