//! Cameras, their rays and their words.

use glam::{DVec3, Vec3};
use hypersine::surface::Cube;
use hypersine::trace::{Camera, Orbit, Projection, Slice, clip};

fn orbit(text: &str) -> Camera {
    text.parse::<Orbit>().unwrap().camera(&Cube::default())
}

#[test]
fn the_front_is_seen_along_minus_z() {
    let view = orbit("0,0,4,60").view(200, 100).unwrap();
    for p in [DVec3::new(0.5, 0.0, 0.0), DVec3::new(0.0, 0.5, 0.3), DVec3::new(-0.2, 0.7, -0.9)] {
        let scale = 50.0 / (30.0_f64.to_radians().tan() * (4.0 - p.z));
        let expected = [100.0 + scale * p.x, 50.0 - scale * p.y, 4.0 - p.z];
        let seen = view.project(p).unwrap();
        let error = seen.iter().zip(expected).map(|(s, e)| (s - e).abs()).fold(0.0, f64::max);
        println!("{p} is seen at {seen:?}, off by {error:e}");
        assert!(error < 1e-12);
    }
    assert_eq!(view.project(DVec3::new(0.0, 0.0, 4.5)), None);
    let [right, up, back] = view.axes();
    assert!(right.distance(Vec3::X) < 1e-6 && up.distance(Vec3::Y) < 1e-6 && back.distance(Vec3::Z) < 1e-6);
    // From the right, +z is on the left; from above, it is below.
    assert!(orbit("90,0").view(100, 100).unwrap().project(DVec3::Z).unwrap()[0] < 50.0);
    assert!(orbit("0,90").view(100, 100).unwrap().project(DVec3::Z).unwrap()[1] > 50.0);
}

#[test]
fn what_is_seen_through_a_place_is_projected_there() {
    let mut worst = 0.0_f64;
    for camera in ["0,0", "30,20", "-140,-75,3,80", "200,90,2.5", "12,34,5,0", "0,-90,3,0"] {
        let view = orbit(camera).view(173, 91).unwrap();
        for (x, y) in [(0.5, 0.5), (172.5, 90.5), (86.5, 45.5), (3.25, 88.0)] {
            let (origin, direction) = view.sight(x, y);
            let [px, py, _] = view.project(origin + 2.7 * direction).unwrap();
            worst = worst.max((px - x).abs()).max((py - y).abs());
            assert!((direction.length() - 1.0).abs() < 1e-12);
        }
    }
    println!("projection and sight differ by {worst:e} pixels");
    assert!(worst < 1e-10);
}

#[test]
fn lines_are_clipped_to_the_cube() {
    let cube = Cube::default();
    let c = |o: [f64; 3], d: [f64; 3]| clip(o.into(), d.into(), &cube);
    assert_eq!(c([0.0, 0.0, 3.0], [0.0, 0.0, -1.0]), Some([2.0, 4.0]));
    assert_eq!(c([0.0, 0.0, 0.25], [0.0, 0.0, -1.0]), Some([0.0, 1.25]));
    // Away from it, beside it along a slab, within a face, along an edge's outside.
    assert_eq!(c([0.0, 0.0, 3.0], [0.0, 0.0, 1.0]), None);
    assert_eq!(c([1.5, 0.0, 3.0], [0.0, 0.0, -1.0]), None);
    assert_eq!(c([1.0, 0.0, 3.0], [0.0, -0.0, -1.0]), Some([2.0, 4.0]));
    assert_eq!(c([1.0 + 1e-12, 1.0, 3.0], [0.0, 0.0, -1.0]), None);
    // A corner is no part of a line.
    assert_eq!(c([2.0, 0.0, 0.0], DVec3::new(-1.0, 1.0, 0.0).normalize().to_array()), None);
    assert_eq!(c([2.0, 2.0, 2.0], [0.0; 3]), None);
    let shifted = Cube { low: Vec3::new(10.0, -4.0, 0.0), side: 3.0 };
    assert_eq!(clip(DVec3::new(11.0, -9.0, 1.0), DVec3::Y, &shifted), Some([5.0, 8.0]));
}

#[test]
fn words_for_cameras_and_planes() {
    let parsed: Orbit = " 30, -20 ,3.2".parse().unwrap();
    assert_eq!(parsed, Orbit { azimuth: 30.0, elevation: -20.0, distance: Some(3.2), ..Orbit::default() });
    for bad in ["", "30", "a,b", "1,2,3,4,5", "1,2,0", "1,2,3,180", "1,2,3,-1", "1,2,inf", "1,2,nan"] {
        let error = bad.parse::<Orbit>().unwrap_err();
        assert!(error.contains(bad) && error.contains("camera"), "{error}");
    }
    for words in ["30,20", "1.5,-2,5,30", "-1,2,0.1,0,-0.25,1e-7,3"] {
        let read: Orbit = words.parse().unwrap();
        let again: Orbit = read.text(&Cube::default()).parse().unwrap();
        assert_eq!(read.camera(&Cube::default()), again.camera(&Cube::default()), "{words}");
    }
    let aside = orbit("0,0,4,30,1,2,3");
    assert_eq!((aside.target, aside.eye), (DVec3::new(1.0, 2.0, 3.0), DVec3::new(1.0, 2.0, 7.0)));
    let height = 2.0 * 5.0 * 15.0_f64.to_radians().tan();
    assert_eq!(orbit("1,2,5,0").projection, Projection::Orthographic { height });
    // Where no distance is given, a ball of 0.65 sides touches the picture's upper edge.
    let away = orbit("0,0").eye.z;
    assert!((away * 15.0_f64.to_radians().sin() - 1.3).abs() < 1e-12, "{away}");
    let slice: Slice = "y, -0.25".parse().unwrap();
    assert!(slice.offset == -0.25 && slice.cut);
    for words in ["y,-0.25", "x,0.1,whole"] {
        assert_eq!(words.parse::<Slice>().unwrap().to_string(), words);
    }
    assert!(!"z,0,whole".parse::<Slice>().unwrap().cut && "x".parse::<Slice>().unwrap().offset == 0.0);
    for bad in ["", "w,1", "z,", "z,inf", "z,0,half", "z,0,whole,1"] {
        assert!(bad.parse::<Slice>().is_err(), "{bad}");
    }
    let good = orbit("0,0");
    for camera in [
        Camera { target: good.eye, ..good },
        Camera { up: DVec3::Z, ..good },
        Camera { up: DVec3::ZERO, ..good },
        Camera { eye: DVec3::NAN, ..good },
        Camera { projection: Projection::Perspective { fov: 180.0 }, ..good },
        Camera { projection: Projection::Orthographic { height: 0.0 }, ..good },
    ] {
        println!("{}", camera.view(8, 8).unwrap_err());
    }
}
