//! Rays that a GPU follows by itself find what the host finds by asking for values.

use std::sync::Arc;

use hypersine::Result;
use hypersine::cpu::Network;
use hypersine::engine::{Body, Engine};
use hypersine::model::{Activation, Domain, Head, HiddenLayer, Inr, Model, Side, Solid};
use hypersine::surface::{Implicit, Inside};
use hypersine::trace::{March, Outcome, Ray, Scene, Statistics};

use crate::common;
use crate::silhouettes::{pixels, seen_from};

/// An octahedron with bumps, `(|x'| + |y'| + |z'|) / sqrt 3 - 0.4` where x' are the coordinates and a little of a few sines;
/// `steep` times that, above 0 inside if `steep` is below.
fn bumpy(activation: Activation, steep: f32, side: Side) -> Arc<Model> {
    const SINES: usize = 13;
    let sines = HiddenLayer::new(SINES, Activation::Sine { omega: 9.0 });
    let folds = HiddenLayer { skip: true, ..HiddenLayer::new(6, activation) };
    let inr = Inr { hidden: vec![sines, folds], ..Inr::siren(3, 1, 1, 1, 1.0) };
    let mut model = Model::random_siren(inr, 5);
    let heads = &mut Arc::make_mut(&mut model.hypernetwork).heads;
    let weights = (0..6).flat_map(|r| {
        let sign = if r % 2 == 0 { 1.0 } else { -1.0 };
        let bumps = (0..SINES).map(move |s| if s % 3 == r / 2 { 0.02 * sign } else { 0.0 });
        bumps.chain((0..3).map(move |axis| if axis == r / 2 { sign } else { 0.0 }))
    });
    heads[1] = Head::shared(weights.collect(), vec![0.0; 6]);
    heads[2] = Head::shared(vec![steep / 3.0_f32.sqrt(); 6], vec![-0.4 * steep]);
    model.solid = Some(Solid { values: side, ..Solid::default() });
    Arc::new(model)
}

/// The same without bumps, so small that a GPU follows rays through it in one kernel.
fn tiny() -> Arc<Model> {
    let folds = HiddenLayer::new(6, Activation::Relu);
    let inr = Inr { hidden: vec![folds, folds], ..Inr::siren(3, 1, 1, 1, 1.0) };
    let mut model = Model::random_siren(inr, 5);
    let heads = &mut Arc::make_mut(&mut model.hypernetwork).heads;
    let entry = |r: usize, axis: usize| if axis == r / 2 { 1.0 - 2.0 * (r % 2) as f32 } else { 0.0 };
    heads[0] = Head::shared((0..18).map(|i| entry(i / 3, i % 3)).collect(), vec![0.0; 6]);
    heads[1] = Head::shared((0..36).map(|i| if i / 6 == i % 6 { 1.0 } else { 0.0 }).collect(), vec![0.0; 6]);
    heads[2] = Head::shared(vec![1.0 / 3.0_f32.sqrt(); 6], vec![-0.4]);
    model.solid = Some(Solid::default());
    Arc::new(model)
}

/// The f64 twin's values.
struct Oracle {
    network: Network<f64>,
    theta: Vec<f64>,
}

impl Oracle {
    fn new(model: &Model) -> Self {
        let network = Network::oracle(model);
        let theta = network.materialise(1, &network.features(1, &[]));
        Self { network, theta }
    }
}

impl Implicit for Oracle {
    #[expect(clippy::cast_possible_truncation, reason = "a field's values are f32")]
    fn values(&mut self, points: &[f32], out: &mut [f32]) -> Result<()> {
        let mut values = vec![f64::NAN; out.len()];
        self.network.evaluate(&self.theta, &Domain::Points { coordinates: points, inputs: 3 }, &mut values);
        out.iter_mut().zip(values).for_each(|(out, v)| *out = v as f32);
        Ok(())
    }

    fn gradients(&mut self, _: &[f32], _: &mut [f32]) -> Result<()> {
        unreachable!("the bound is given")
    }
}

fn solids() -> [(&'static str, Arc<Model>, Scene); 5] {
    let spheres = |relaxation| March::Spheres { bound: Some(1.4), relaxation };
    let scene = |march, inside| Scene { march, inside, ..seen_from("30,20") };
    let relu = Activation::Relu;
    [
        ("edges", bumpy(relu, 1.0, Side::Distance), scene(spheres(0.9), Inside::Below)),
        (
            "rounded",
            bumpy(Activation::Softplus { beta: 20.0 }, 1.0, Side::Distance),
            scene(spheres(0.9), Inside::Below),
        ),
        ("edges, not relaxed", bumpy(relu, 1.0, Side::Distance), scene(spheres(0.0), Inside::Below)),
        ("tiny", tiny(), scene(spheres(0.9), Inside::Below)),
        ("occupancy", bumpy(relu, -9.0, Side::Occupancy), scene(March::Steps(40), Inside::Above)),
    ]
}

/// Rays through a picture of odd sides.
fn rays(scene: &Scene, size: [u32; 2]) -> Vec<Ray> {
    let view = scene.camera.view(size[0], size[1]).unwrap();
    pixels(size).filter_map(|[x, y]| view.ray(x, y, 1, &scene.cube)).collect()
}

fn steps(statistics: &Statistics) -> f64 {
    statistics.steps as f64 / statistics.traced as f64
}

/// How far apart two sets of outcomes are: the most in widths of a pixel, but along the surface where both graze it, and
/// how many rays hit in one only.
fn apart(rays: &[Ray], truth: &mut Oracle, scene: &Scene, [a, b]: [&[Outcome]; 2]) -> (f32, usize) {
    let (mut farthest, mut only_one) = (0.0_f32, 0);
    for ((ray, a), b) in rays.iter().zip(a).zip(b) {
        match (a.hit, b.hit) {
            (Some(a), Some(b)) => {
                assert_eq!(a.cut, b.cut);
                let pixel = ray.footprint(a.distance);
                // How far from the surface each is, at least.
                let mut heights = [0.0; 2];
                let points = [ray.at(a.distance), ray.at(b.distance)].map(|p| p.to_array()).concat();
                truth.values(&points, &mut heights).unwrap();
                let off = heights.iter().fold(0.0_f32, |most, v| most.max((v - scene.level).abs()));
                farthest = farthest.max(((a.distance - b.distance).abs() / pixel).min(off / pixel));
            }
            (None, None) => {}
            _ => only_one += 1,
        }
    }
    (farthest, only_one)
}

#[test]
fn a_gpu_finds_what_the_host_finds() {
    let engines = common::engines();
    for (name, model, scene) in solids() {
        let rays = rays(&scene, [97, 61]);
        let mut truth = Oracle::new(&model);
        let (expected, by_values) = scene.trace(&mut truth, &rays).unwrap();
        assert!(by_values.hits > 300 && by_values.hits < by_values.traced, "{by_values:?}");
        for engine in &engines {
            let mut body = Body::new(engine, &model, &[]).unwrap();
            let (found, statistics) = scene.trace(&mut body, &rays).unwrap();
            let (farthest, only_one) = apart(&rays, &mut truth, &scene, [&expected, &found]);
            println!(
                "{name}, {}: {:.2} steps a ray for {:.2}, {} hits for {}, {only_one} of one only; {farthest:.1e} pixels \
                 apart at most; asked {} times for {}",
                engine.describe(),
                steps(&statistics),
                steps(&by_values),
                statistics.hits,
                by_values.hits,
                statistics.batches,
                by_values.batches
            );
            assert!(farthest <= 0.1 && only_one <= 2);
            assert!((steps(&statistics) / steps(&by_values) - 1.0).abs() < 0.01);
            assert_eq!(statistics.evaluations, statistics.steps);
            assert_eq!(statistics.lost, by_values.lost);
            if engine.gpu().is_some() {
                assert!(statistics.batches < by_values.batches);
            }
            // Fewer and more than a workgroup's, in any company: the same.
            for some in [&rays[..0], &rays[2000..2001], &rays[2000..2063], &rays[2000..2065], &rays[1999..2700]] {
                let first = rays.iter().position(|ray| Some(ray) == some.first()).unwrap_or(0);
                let (again, statistics) = scene.trace(&mut body, some).unwrap();
                assert_eq!(again, found[first..][..some.len()], "{name}, {} rays", some.len());
                assert_eq!(statistics.evaluations, again.iter().map(|o| u64::from(o.steps)).sum::<u64>());
            }
        }
    }
}

#[test]
fn a_gpu_paints_what_the_host_paints() {
    let engines = common::gpu_engines();
    for (name, model, scene) in solids() {
        let picture = |engine: &Engine| {
            let mut values = Vec::new();
            let mut body = Body::new(engine, &model, &[]).unwrap();
            let statistics = scene.render(&mut body, 83, 65, 1, |rows| {
                values.extend_from_slice(rows);
                Ok(())
            });
            (values, statistics.unwrap())
        };
        let (expected, _) = picture(&Engine::cpu());
        for engine in &engines {
            let (found, statistics) = picture(engine);
            let off: Vec<f32> = expected.iter().zip(&found).map(|(a, b)| 127.5 * (a - b).abs()).collect();
            let mean = off.iter().sum::<f32>() / off.len() as f32;
            let seen = off.iter().filter(|&&off| off > 2.0).count() as f64 / off.len() as f64;
            println!(
                "{name}, {}: off by {mean:.1e} of 255 in the mean, {:.3} % by more than 2; asked {} times for {} values",
                engine.describe(),
                100.0 * seen,
                statistics.batches,
                statistics.evaluations
            );
            assert!(mean < 0.05 && seen < 0.005);
        }
    }
}

#[test]
fn a_gpu_tells_where_there_is_no_value() {
    let broken = |model: Arc<Model>| {
        let mut model = Arc::unwrap_or_clone(model);
        // Not beyond what a file may hold, but beyond what f32 does.
        Arc::make_mut(&mut model.hypernetwork).heads[2] = Head::shared(vec![f32::MAX; 6], vec![-f32::MAX / 2.0]);
        Arc::new(model)
    };
    let (model, small) = (broken(bumpy(Activation::Relu, 1.0, Side::Distance)), broken(tiny()));
    for (engine, model) in common::engines().iter().flat_map(|engine| [(engine, &model), (engine, &small)]) {
        let mut body = Body::new(engine, model, &[]).unwrap();
        let scene = Scene { march: March::Spheres { bound: Some(1.0), relaxation: 0.9 }, ..seen_from("30,20") };
        let error = scene.trace(&mut body, &rays(&scene, [9, 9])).unwrap_err().to_string();
        println!("{}: {error}", engine.describe());
        assert!(error.contains("finite"));
    }
}
