//! How rays find surfaces: none is missed, nothing is asked in vain.

use glam::DVec3;
use hypersine::surface::BATCH;
use hypersine::trace::{March, Outcome, Ray, Scene, Statistics};

use crate::analytic::{Analytic, cuboid, torus};
use crate::fields::ball;
use crate::silhouettes::{depths, pixels, seen_from};

fn rays(scene: &Scene, size: [u32; 2]) -> Vec<Ray> {
    let view = scene.camera.view(size[0], size[1]).unwrap();
    pixels(size).filter_map(|[x, y]| view.ray(x, y, 1, &scene.cube)).collect()
}

/// A picture's worth of rays.
fn traced(march: March, f: impl Fn(DVec3) -> f64, size: [u32; 2]) -> (Vec<Ray>, Vec<Outcome>, Statistics) {
    let scene = Scene { march, ..seen_from("30,20") };
    let rays = rays(&scene, size);
    let (outcomes, statistics) = scene.trace(&mut Analytic::new(f), &rays).unwrap();
    (rays, outcomes, statistics)
}

fn edged(p: DVec3) -> f64 {
    cuboid(p - DVec3::new(0.1, 0.0, -0.1), DVec3::new(0.5, 0.3, 0.4))
}

/// Rays that go at least so deep, by steps of a thousandth, and yet are said to miss.
fn missed(rays: &[Ray], outcomes: &[Outcome], f: impl Fn(DVec3) -> f64, deep: f64) -> usize {
    let goes_through = |ray: &Ray| {
        let (from, along) = (ray.origin.as_dvec3(), ray.direction.as_dvec3());
        (0..).map(|i| f64::from(i) * 1e-3).take_while(|&t| t < ray.length.into()).any(|t| f(from + t * along) < -deep)
    };
    rays.iter().zip(outcomes).filter(|(ray, outcome)| outcome.hit.is_none() && goes_through(ray)).count()
}

#[test]
fn a_measured_bound_leaves_no_holes() {
    for (name, f, scale) in
        [("torus", torus as fn(DVec3) -> f64, 2.0), ("box", edged as fn(DVec3) -> f64, 3.0), ("torus", torus, 0.3)]
    {
        let steep = |p| scale * f(p);
        let mut holes = Vec::new();
        for bound in [None, Some(1.0)] {
            let (rays, outcomes, statistics) = traced(March::Spheres { bound, relaxation: 0.9 }, steep, [96, 72]);
            let missed = missed(&rays, &outcomes, f, 1e-4);
            println!(
                "{name} {scale} times too steep, bound {bound:?} ({:?}): {missed} of {} rays miss what is there; {:.2} \
                 steps a ray, {} lost",
                statistics.bound,
                rays.len(),
                statistics.steps as f64 / rays.len() as f64,
                statistics.lost
            );
            assert_eq!(statistics.lost, 0);
            holes.push(missed);
        }
        assert_eq!(holes[0], 0);
        // With steps that are too long there are some: the measurement is what closes them.
        assert_eq!(holes[1] > 0, scale > 1.0, "{holes:?}");
    }
}

#[test]
fn relaxed_steps_find_the_same_in_fewer() {
    let two = |p| ball(DVec3::new(0.5, 0.0, 0.0), 0.3)(p).min(edged(p));
    for (name, f) in [("torus", torus as fn(DVec3) -> f64), ("box", edged), ("two", two)] {
        for bound in [1.0, 1.25] {
            let run = |relaxation| traced(March::Spheres { bound: Some(bound), relaxation }, f, [160, 120]);
            let (_, plain, before) = run(0.0);
            for relaxation in [0.5, 0.8, 0.9, 1.0] {
                let (rays, relaxed, after) = run(relaxation);
                let (mut differ, mut apart) = (0, 0.0_f64);
                for ((ray, a), b) in rays.iter().zip(&plain).zip(&relaxed) {
                    match (a.hit, b.hit) {
                        (Some(a), Some(b)) => {
                            // Glancing hits are anywhere within a tenth of a pixel of the surface.
                            let height = |t: f32| f(ray.at(t).as_dvec3()).abs() / f64::from(ray.footprint(t));
                            apart = apart.max(height(a.distance)).max(height(b.distance));
                        }
                        (None, None) => {}
                        _ => differ += 1,
                    }
                }
                println!(
                    "{name}, bound {bound}, relaxed by {relaxation}: {} steps for {}, the longest {} for {}; {differ} \
                     of {} hits differ; all within {apart:.3} pixels of the surface",
                    after.steps, before.steps, after.longest, before.longest, before.hits
                );
                assert!(differ * 500 <= before.hits && apart <= 0.13);
                assert!(after.steps < before.steps);
            }
        }
    }
}

#[test]
fn only_rays_on_their_way_are_asked_about() {
    let f = ball(DVec3::new(0.3, 0.1, 0.0), 0.5);
    for march in [March::Spheres { bound: Some(1.0), relaxation: 0.9 }, March::Steps(50)] {
        let scene = Scene { march, ..seen_from("30,20") };
        // More than one batch.
        let rays = rays(&scene, [660, 640]);
        assert!(rays.len() > BATCH, "{}", rays.len());
        let mut field = Analytic::keeping(&f);
        let (outcomes, statistics) = scene.trace(&mut field, &rays).unwrap();
        let steps: u64 = outcomes.iter().map(|o| u64::from(o.steps)).sum();
        println!("{march:?}: {} values for {} rays in {} batches", field.values, rays.len(), statistics.batches);
        assert_eq!([field.values, statistics.evaluations, statistics.steps], [steps; 3]);
        assert!(statistics.batches <= 2 * u64::from(statistics.longest));
        // Nobody is asked about beyond where they arrived or left the cube.
        let asked = field.asked.unwrap();
        assert!(asked.iter().all(|p| p.abs().max_element() <= 1.0 + 1e-6));
        if let March::Steps(steps) = march {
            let step = 12.0_f64.sqrt() / f64::from(steps);
            let deepest = asked.iter().map(|&p| f(p)).fold(0.0, f64::min);
            println!("the deepest point asked about is {deepest} deep, with steps of {step}");
            assert!(deepest > -step);
        }
        // Alone or among others: the same.
        for i in (0..rays.len()).step_by(997) {
            assert_eq!(scene.trace(&mut Analytic::new(&f), &rays[i..=i]).unwrap().0[0], outcomes[i]);
        }
    }
}

#[test]
fn nothing_is_asked_where_nothing_can_be() {
    let scene = Scene { march: March::Spheres { bound: Some(1.0), relaxation: 0.9 }, ..seen_from("0,0") };
    let away = hypersine::trace::Camera { target: DVec3::new(0.0, 0.0, 9.0), ..scene.camera };
    let mut field = Analytic::new(torus);
    let statistics = Scene { camera: away, ..scene }
        .render(&mut field, 5, 3, 2, |rows| {
            assert!(rows.iter().all(|&v| (v - (0.93 * 2.0 - 1.0)).abs() < 1e-5));
            Ok(())
        })
        .unwrap();
    assert_eq!((field.values, field.gradients, statistics.traced, statistics.rays), (0, 0, 0, 60));
}

#[test]
fn eyes_within() {
    // Within the solid: it is all there is.
    let mut scene = seen_from("0,0");
    scene.camera.eye = DVec3::new(0.1, 0.1, 0.1);
    let (found, _) = depths(&scene, ball(DVec3::ZERO, 0.5), [9, 7]);
    assert!(found.iter().all(|&d| d == 0.0), "{found:?}");
    let mut finite = true;
    scene
        .render(&mut Analytic::new(ball(DVec3::ZERO, 0.5)), 9, 7, 1, |rows| {
            finite &= rows.iter().all(|v| v.is_finite());
            Ok(())
        })
        .unwrap();
    assert!(finite);
    // Within the cube, before the solid.
    scene.camera.eye = DVec3::new(0.0, 0.0, 0.9);
    let (found, _) = depths(&scene, ball(DVec3::ZERO, 0.5), [9, 7]);
    println!("a ball 0.4 before the eye: {}", found[31]);
    assert!((found[31] - 0.4).abs() < 1e-4);
    // Near enough to touch it.
    scene.camera.eye = DVec3::new(0.0, 0.0, 0.5001);
    let (found, statistics) = depths(&scene, ball(DVec3::ZERO, 0.5), [9, 7]);
    println!("a ball 0.0001 before the eye: {}", found[31]);
    assert!((found[31] - 1e-4).abs() < 1e-5 && statistics.lost == 0);
}

#[test]
fn fields_and_scenes_that_make_no_sense_are_refused() {
    let render = |scene: &Scene, f: fn(DVec3) -> f64, size: [u32; 2], aa| {
        scene.render(&mut Analytic::new(f), size[0], size[1], aa, |_| Ok(())).unwrap_err().to_string()
    };
    let good = Scene { march: March::Spheres { bound: Some(1.0), relaxation: 0.9 }, ..Scene::default() };
    let broken = |p: DVec3| if p.x > 0.5 { f64::NAN } else { p.length() - 0.3 };
    println!("{}", render(&good, broken, [20, 20], 1));
    assert!(render(&good, broken, [20, 20], 1).contains("NaN"));
    assert!(render(&Scene { march: March::default(), ..good.clone() }, |_| 1.0, [9, 9], 1).contains("no surface"));
    for (size, aa) in [([0, 5], 1), ([5, 1 << 18], 1), ([5, 5], 0), ([5, 5], 17)] {
        println!("{}", render(&good, torus, size, aa));
    }
    for march in [
        March::Steps(0),
        March::Steps(1 << 17),
        March::Spheres { bound: Some(0.0), relaxation: 0.9 },
        March::Spheres { bound: Some(f32::NAN), relaxation: 0.9 },
        March::Spheres { bound: Some(1.0), relaxation: 1.1 },
    ] {
        println!("{}", render(&Scene { march, ..good.clone() }, torus, [5, 5], 1));
    }
    println!("{}", render(&Scene { level: f32::NAN, ..good.clone() }, torus, [5, 5], 1));
    println!("{}", render(&Scene { background: [f32::NAN; 3], ..good }, torus, [5, 5], 1));
}
