//! The kernels against the f64 twin: random models of unfriendly shapes, on every device of this machine,
//! into poisoned buffers.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::Arc;

use common::random::{ACTIVATIONS, random_model, random_model_of};
use common::{engines, gpu_engines, max_error, oracle};
use hypersine::cpu::Network;
use hypersine::engine::{Engine, Strategy};
use hypersine::gpu::{Target, TextureTarget, TileConfig, Tiles, Use};
use hypersine::math::Real;
use hypersine::model::{Domain, Head, Inr, Jet, Model, Order, builtin};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What the buffers hold before a kernel writes to them, and what must still stand behind its output.
const POISON: f32 = f32::NAN;
const GUARD: usize = 67;

/// Evaluates with a GPU's own interface into a poisoned buffer, and checks the space behind the output.
fn poisoned(
    engine: &Engine,
    model: &Arc<Model>,
    z: &[f32],
    batch: usize,
    domain: &Domain<'_>,
    jet: Jet,
    fused: bool,
) -> Vec<f32> {
    let field = engine.load(model).unwrap();
    let field = field.gpu().unwrap();
    let ctx = field.context();
    let len = batch * domain.len() * jet.columns(model.inr.inputs) * model.inr.outputs;
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    let bytes = ((len + GUARD) * 4) as u64;
    let output = ctx.buffer("output", bytes, usage, Use::Output).unwrap();
    ctx.queue().write_buffer(output.raw(), 0, bytemuck::cast_slice(&vec![POISON; len + GUARD]));
    let codes = field.prepare(z, batch, fused).unwrap();
    field.differentiate(&codes, 0..batch, domain, jet, output.raw()).unwrap();
    let mut all = vec![0.0; len + GUARD];
    ctx.read_back(&output, &ctx.staging(bytes).unwrap(), &mut all).unwrap();
    assert!(all[len..].iter().all(|v| v.is_nan()), "the kernel wrote beyond its output");
    all.truncate(len);
    all
}

/// The contract's bound: 10 x the f32 CPU twin's own error + 1e-6.
fn bound(model: &Model, z: &[f32], batch: usize, domain: &Domain<'_>, exact: &[f64]) -> f64 {
    let network = Network::new(model);
    let theta = network.materialise(batch, &network.features(batch, z));
    let mut twin = vec![POISON; exact.len()];
    network.evaluate(&theta, domain, &mut twin);
    10.0 * max_error(&twin, exact) + 1e-6
}

#[test]
fn random_models_equal_the_f64_twin_everywhere() {
    let gpus = gpu_engines();
    let mut rng = ChaCha8Rng::seed_from_u64(20);
    let mut worst = vec![0.0_f64; gpus.len()];
    for case in 0..27 {
        let (mut model, batch) = random_model(&mut rng, ACTIVATIONS[case % ACTIVATIONS.len()]);
        if case % 3 == 1 {
            // Heads stay halves of 16 bits on GPUs where all of their numbers are.
            let hypernetwork = Arc::new(model.hypernetwork.in_halves());
            model = Arc::new(Model { hypernetwork, ..(*model).clone() });
        }
        let z = if model.latent_dim() == 0 { Vec::new() } else { model.latents.values().to_vec() };
        let count = [1, 2, 63, 64, 65, 130, 257][rng.random_range(0..7)];
        let points: Vec<f32> = (0..count * model.inr.inputs).map(|_| rng.random_range(-1.5..1.5)).collect();
        let domain = Domain::Points { coordinates: &points, inputs: model.inr.inputs };
        let exact = oracle(&model, &z, &domain);
        let bound = bound(&model, &z, batch, &domain, &exact);
        for (engine, worst) in gpus.iter().zip(&mut worst) {
            for fused in [false, true] {
                let error = max_error(&poisoned(engine, &model, &z, batch, &domain, Jet::Value, fused), &exact);
                *worst = worst.max(error / bound);
                assert!(
                    error <= bound,
                    "case {case}: {} ({:?}, {:?}) on {}, {batch} latents, {count} points, fused {fused}: {error:.1e}, allowed {bound:.1e}",
                    model.inr,
                    model.inr.encoding.width(model.inr.inputs),
                    model.hypernetwork.heads.iter().map(Head::kind).collect::<Vec<_>>(),
                    engine.describe()
                );
            }
        }
        // The CPU backend's own two strategies.
        let cpu = Engine::cpu().load(&model).unwrap();
        let (a, _) = cpu.evaluate(&z, &domain, Strategy::Fused).unwrap();
        let (b, _) = cpu.evaluate(&z, &domain, Strategy::Materialised).unwrap();
        assert!(
            max_error(&a, &exact) <= bound && max_error(&b, &exact) <= bound,
            "case {case}: {} on the CPU",
            model.inr
        );
    }
    for (engine, worst) in gpus.iter().zip(worst) {
        println!("{}: largest error is {worst:.2} of its bound", engine.describe());
    }
}

/// Whatever a search may try, computes the same.
#[test]
fn every_tile_equals_the_f64_twin() {
    let gpus = gpu_engines();
    let mut rng = ChaCha8Rng::seed_from_u64(23);
    let mut tried: Vec<TileConfig> = Vec::new();
    let mut worst = vec![0.0_f64; gpus.len()];
    for case in 0..12 {
        let (model, batch) = random_model(&mut rng, ACTIVATIONS[case % ACTIVATIONS.len()]);
        let jet = [Jet::Value, Jet::Value, Jet::Gradient][case % 3];
        // Tiles are given to no fewer than four times their points.
        let count = rng.random_range(300..600);
        let points: Vec<f32> = (0..count * model.inr.inputs).map(|_| rng.random_range(-1.0..1.0)).collect();
        let domain = Domain::Points { coordinates: &points, inputs: model.inr.inputs };
        for (engine, worst) in gpus.iter().zip(&mut worst) {
            let ctx = engine.gpu().unwrap();
            let field = engine.load(&model).unwrap();
            let tiles: Tiles = [false, true]
                .map(|fused| {
                    // Some steps from the tile by rule, as a search takes them.
                    let space = field.gpu().unwrap().tile_space(batch, count, jet, fused);
                    let mut config = space.usual();
                    for step in 0..6 {
                        let next = &space.neighbours(config)[(case + step) % 4];
                        if !next.is_empty() {
                            config = next[rng.random_range(0..next.len())];
                        }
                    }
                    (space.kind(), config)
                })
                .into();
            tried.extend(tiles.values());
            let error = ctx.with_tiles(tiles, || {
                jet_error(std::slice::from_ref(engine), &model, model.latents.values(), batch, &domain, jet)
            });
            *worst = worst.max(error[0]);
        }
    }
    tried.sort_unstable();
    tried.dedup();
    println!("{} tiles: {}", tried.len(), tried.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
    assert!(tried.len() > 8);
    for (engine, worst) in gpus.iter().zip(worst) {
        println!("{}: largest error is {worst:.2} of its bound", engine.describe());
    }
}

/// A network's jets: `[latents][points][columns][outputs]`.
fn jets<T: Real>(network: &Network<T>, model: &Model, z: &[f32], domain: &Domain<'_>, jet: Jet) -> Vec<T> {
    let batch = z.len().checked_div(model.latent_dim()).unwrap_or(1);
    let z: Vec<T> = z.iter().map(|&v| T::from_f32(v)).collect();
    let theta = network.materialise(batch, &network.features(batch, &z));
    let numbers = batch * domain.len() * jet.columns(model.inr.inputs) * model.inr.outputs;
    let mut out = vec![T::from_f32(POISON); numbers];
    network.jets(&theta, domain, jet, &mut out);
    out
}

/// A GPU's jets against the f64 twin's, column by column: the largest error as a part of its bound, which is 10 x the f32
/// twin's own error + 1e-6 of the column's largest number (or of 1).
fn jet_error(
    engines: &[Engine],
    model: &Arc<Model>,
    z: &[f32],
    batch: usize,
    domain: &Domain<'_>,
    jet: Jet,
) -> Vec<f64> {
    let exact = jets(&Network::oracle(model), model, z, domain, jet);
    let twin = jets(&Network::new(model), model, z, domain, jet);
    let columns = jet.columns(model.inr.inputs);
    let column = |jets: &[f32], c: usize| -> Vec<f32> {
        jets.chunks_exact(model.inr.outputs).skip(c).step_by(columns).flatten().copied().collect()
    };
    let mut worst = vec![0.0_f64; engines.len()];
    for (engine, worst) in engines.iter().zip(&mut worst) {
        for fused in [false, true] {
            let got = poisoned(engine, model, z, batch, domain, jet, fused);
            for c in 0..columns {
                let exact: Vec<f64> =
                    exact.chunks_exact(model.inr.outputs).skip(c).step_by(columns).flatten().copied().collect();
                let size = exact.iter().fold(1.0_f64, |m, v| m.max(v.abs()));
                let bound = 10.0 * max_error(&column(&twin, c), &exact) + 1e-6 * size;
                let error = max_error(&column(&got, c), &exact);
                assert!(
                    error <= bound,
                    "{} ({} encoded, {:?}, {:?}) on {}, {batch} latents, {} points, fused {fused}: column {c} of {jet:?} is wrong by {error:.1e} of {size:.1e}, allowed {bound:.1e}",
                    model.inr,
                    model.inr.encoding.width(model.inr.inputs),
                    model.hypernetwork.heads.iter().map(Head::kind).collect::<Vec<_>>(),
                    model.inr.hidden.iter().map(|l| l.activation.kind()).collect::<Vec<_>>(),
                    engine.describe(),
                    domain.len(),
                );
                *worst = worst.max(error / bound);
            }
        }
    }
    worst
}

#[test]
fn derivatives_equal_the_f64_twins_everywhere() {
    let gpus = gpu_engines();
    let mut rng = ChaCha8Rng::seed_from_u64(21);
    let mut worst = vec![0.0_f64; gpus.len()];
    for case in 0..18 {
        let (model, batch) = random_model(&mut rng, ACTIVATIONS[case % ACTIVATIONS.len()]);
        let jet = [Jet::Gradient, Jet::Laplacian][case / ACTIVATIONS.len() % 2];
        let count = [1, 2, 31, 64, 65, 130][rng.random_range(0..6)];
        let points: Vec<f32> = (0..count * model.inr.inputs).map(|_| rng.random_range(-1.0..1.0)).collect();
        let domain = Domain::Points { coordinates: &points, inputs: model.inr.inputs };
        let errors = jet_error(&gpus, &model, model.latents.values(), batch, &domain, jet);
        worst.iter_mut().zip(errors).for_each(|(w, e)| *w = w.max(e));
    }
    // Wide layers, and grids in both orders.
    for (width, order) in [(64, Order::Yx), (256, Order::Xy), (512, Order::Yx)] {
        let mut model = Model::random_siren(Inr::siren(2, width, 2, 3, 30.0), 5);
        model.coordinates.order = order;
        let domain = Domain::Grid(model.coordinates.grid(19, 3, None).unwrap());
        let errors = jet_error(&gpus, &Arc::new(model), &[], 1, &domain, Jet::Laplacian);
        worst.iter_mut().zip(errors).for_each(|(w, e)| *w = w.max(e));
    }
    for (engine, worst) in gpus.iter().zip(worst) {
        println!("{}: largest error is {worst:.2} of its bound", engine.describe());
    }
}

#[test]
fn sirens_at_their_own_initialisation() {
    for width in [16, 64, 100, 128, 256, 512] {
        let depth = if width == 512 { 2 } else { 4 };
        let model = Arc::new(Model::random_siren(Inr::siren(2, width, depth, 3, 30.0), 5));
        let grid = model.coordinates.grid(19, 7, None).unwrap();
        let domain = Domain::Grid(grid);
        let exact = oracle(&model, &[], &domain);
        let scale = exact.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        for engine in engines() {
            let (got, _) = engine.load(&model).unwrap().evaluate(&[], &domain, Strategy::Auto).unwrap();
            let error = max_error(&got, &exact);
            println!("{} on {}: max error {error:.1e} of outputs up to {scale:.3}", model.inr, engine.describe());
            assert!(error <= 2e-6);
        }
    }
}

#[test]
fn grids_regions_and_axis_order() {
    let mut model = Model::random_hyper_siren(Inr::siren(2, 23, 2, 3, 30.0), 4, 9, true, 3, 11);
    for order in [Order::Xy, Order::Yx] {
        model.coordinates.order = order;
        let model = Arc::new(model.clone());
        let region = "-0.3,0.1,0.9,0.4".parse().unwrap();
        for (w, h, region) in [(1, 1, None), (37, 3, None), (5, 29, Some(region)), (70, 1, Some(region))] {
            let domain = Domain::Grid(model.coordinates.grid(w, h, region).unwrap());
            let exact = oracle(&model, model.latents.values(), &domain);
            let bound = bound(&model, model.latents.values(), 3, &domain, &exact);
            for engine in gpu_engines() {
                for fused in [false, true] {
                    let error = max_error(
                        &poisoned(&engine, &model, model.latents.values(), 3, &domain, Jet::Value, fused),
                        &exact,
                    );
                    assert!(error <= bound, "{w}x{h} {order:?} fused {fused}: {error:.1e}, allowed {bound:.1e}");
                }
            }
        }
    }
}

#[test]
fn generated_weights_equal_the_f64_twin() {
    for (trunks, batch) in [(true, 1), (false, 1), (true, 13), (false, 50)] {
        let model = Arc::new(Model::random_hyper_siren(Inr::siren(3, 21, 3, 5, 30.0), 6, 33, trunks, batch, 3));
        let network = Network::oracle(&model);
        let z: Vec<f64> = model.latents.values().iter().map(|&v| f64::from(v)).collect();
        let exact = network.materialise(batch, &network.features(batch, &z));
        for engine in engines() {
            let theta = engine.load(&model).unwrap().generate(model.latents.values()).unwrap();
            let error = max_error(&theta, &exact);
            println!("{batch} latents on {}: theta {error:.1e}", engine.describe());
            assert!(error <= 1e-5);
        }
    }
}

#[test]
fn heads_larger_than_one_binding() {
    // SIREN's own hypernetwork: 52.4 million numbers, 210 MB, where WebGPU promises 128 MiB a binding.
    let model = Arc::new(Model::random_hyper_siren(Inr::siren(2, 256, 4, 3, 30.0), 12, 256, false, 3, 17));
    let z = model.latents.values();
    let points = [0.25, -0.5, 0.75, 0.1, -1.0, 1.0];
    let domain = Domain::Points { coordinates: &points, inputs: 2 };
    let network = Network::oracle(&model);
    let theta = network.materialise(3, &network.features(3, &z.iter().map(|&v| f64::from(v)).collect::<Vec<_>>()));
    let mut exact = vec![f64::NAN; 27];
    network.evaluate(&theta, &domain, &mut exact);
    let bound = bound(&model, z, 3, &domain, &exact);
    for engine in gpu_engines() {
        let binding = engine.gpu().unwrap().largest_binding();
        let field = engine.load(&model).unwrap();
        let error = max_error(&field.generate(z).unwrap(), &theta);
        println!("{}, bindings of {} MiB: theta {error:.1e}", engine.describe(), binding >> 20);
        assert!(error <= 1e-5);
        let (got, _) = field.evaluate(z, &domain, Strategy::Auto).unwrap();
        assert!(max_error(&got, &exact) <= bound);
        // A fused kernel can read one binding only.
        let fused = field.evaluate(z, &domain, Strategy::Fused);
        if field.gpu().unwrap().fusible() {
            assert!(max_error(&fused.unwrap().0, &exact) <= bound);
        } else {
            assert!(model.bytes() as u64 > binding);
            assert!(fused.unwrap_err().to_string().contains("--strategy materialized"));
        }
    }
}

#[test]
fn a_thousand_latents_and_none() {
    let model = Arc::new(Model::random_hyper_siren(Inr::siren(2, 9, 2, 1, 30.0), 3, 5, false, 1000, 8));
    let z = model.latents.values();
    let point = [0.25, -0.5];
    let domain = Domain::Points { coordinates: &point, inputs: 2 };
    let exact = oracle(&model, z, &domain);
    let bound = bound(&model, z, 1000, &domain, &exact);
    for engine in engines() {
        let field = engine.load(&model).unwrap();
        for strategy in [Strategy::Fused, Strategy::Materialised] {
            let (got, _) = field.evaluate(z, &domain, strategy).unwrap();
            assert!(max_error(&got, &exact) <= bound);
            assert!(field.evaluate(&[], &domain, strategy).unwrap().0.is_empty());
            let nowhere = Domain::Points { coordinates: &[], inputs: 2 };
            assert!(field.evaluate(z, &nowhere, strategy).unwrap().0.is_empty());
        }
        assert!(field.evaluate(&z[1..], &domain, Strategy::Auto).is_err(), "part of a latent");
        let flat = Domain::Points { coordinates: &point[..1], inputs: 1 };
        assert!(field.evaluate(z, &flat, Strategy::Auto).is_err(), "points of another dimension");
    }
}

#[test]
fn textures_hold_the_same_picture() {
    let model = Arc::new(Model::random_hyper_siren(Inr::siren(2, 30, 2, 3, 30.0), 4, 9, false, 3, 2));
    let grid = model.coordinates.grid(64, 10, None).unwrap();
    let exact = oracle(&model, model.latents.values(), &Domain::Grid(grid));
    for engine in gpu_engines() {
        let field = engine.load(&model).unwrap();
        let field = field.gpu().unwrap();
        let ctx = field.context();
        // Two pictures side by side and one below.
        let size = wgpu::Extent3d { width: 128, height: 20, depth_or_array_layers: 1 };
        let texture = ctx.device().create_texture(&wgpu::TextureDescriptor {
            label: None,
            size,
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba8Unorm,
            usage: wgpu::TextureUsages::STORAGE_BINDING | wgpu::TextureUsages::COPY_SRC,
            view_formats: &[],
        });
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        let target =
            Target::Texture(TextureTarget { view: &view, format: wgpu::TextureFormat::Rgba8Unorm, columns: 2 });
        let codes = field.prepare(model.latents.values(), 3, false).unwrap();
        let mut evaluation = field.evaluation(&codes, 0..3, &Domain::Grid(grid), target).unwrap();
        let mut slices = 0;
        // A budget of nothing: one workgroup per slice.
        while evaluation.next_slice(std::time::Duration::ZERO).is_some() {
            let mut encoder = ctx.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            evaluation.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
            ctx.queue().submit([encoder.finish()]);
            slices += 1;
        }
        assert!(slices >= 6, "{slices} slices for three pictures");
        let staging = ctx.staging(128 * 20 * 4).unwrap();
        let mut encoder = ctx.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(512), rows_per_image: None };
        encoder.copy_texture_to_buffer(
            texture.as_image_copy(),
            wgpu::TexelCopyBufferInfo { buffer: staging.raw(), layout },
            size,
        );
        ctx.queue().submit([encoder.finish()]);
        staging.raw().map_async(wgpu::MapMode::Read, .., |_| {});
        ctx.wait().unwrap();
        let bytes = staging.raw().get_mapped_range(..).unwrap().to_vec();
        let mut worst = 0;
        for latent in 0..3 {
            for p in 0..640 {
                let (x, y) = (latent % 2 * 64 + p % 64, latent / 2 * 10 + p / 64);
                let pixel = &bytes[(y * 128 + x) * 4..][..4];
                assert_eq!(pixel[3], 255);
                for c in 0..3 {
                    #[expect(clippy::cast_possible_truncation, reason = "a display value")]
                    let want = model.values.to_byte(exact[(latent * 640 + p) * 3 + c] as f32);
                    worst = worst.max(pixel[c].abs_diff(want));
                }
            }
        }
        println!("{}: texture differs by {worst}/255 at most", engine.describe());
        assert!(worst <= 1);
    }
}

#[test]
fn what_a_device_refuses_is_an_error_and_no_panic() {
    let model = Arc::new(Model::random_hyper_siren(Inr::siren(2, 16, 2, 3, 30.0), 3, 5, false, 2, 1));
    let domain = Domain::Grid(model.coordinates.grid(8, 8, None).unwrap());
    for engine in gpu_engines() {
        let field = engine.load(&model).unwrap();
        let ctx = field.gpu().unwrap().context().clone();
        let usage = wgpu::BufferUsages::STORAGE;
        let refused = ctx.buffer("a huge thing", 1 << 44, usage, Use::Other).unwrap_err().to_string();
        assert!(refused.contains("a huge thing") && refused.contains("MiB"), "{refused}");
        // A kernel that does not compile is a validation error, and the context goes on.
        let _ = ctx.device().create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl("this is no shader".into()),
        });
        assert!(ctx.check().unwrap_err().to_string().contains("bug in Hypersine"));
        let z = model.latents.values();
        assert!(field.evaluate(z, &domain, Strategy::Auto).is_ok());
        // A lost device stays lost.
        ctx.device().destroy();
        for _ in 0..2 {
            let lost = field.evaluate(z, &domain, Strategy::Auto).unwrap_err();
            println!("{}: {lost}", engine.describe());
            assert!(matches!(lost, hypersine::Error::Gpu(hypersine::gpu::GpuError::Lost(_))), "{lost}");
        }
    }
}

#[test]
fn trunks_without_layers_hand_the_latent_through() {
    let mut model = Model::random_hyper_siren(Inr::siren(2, 19, 2, 3, 30.0), 6, 6, false, 5, 4);
    for trunk in &mut Arc::make_mut(&mut model.hypernetwork).trunks {
        trunk.layers.clear();
    }
    model.validate().unwrap();
    let model = Arc::new(model);
    let z = model.latents.values();
    let domain = Domain::Grid(model.coordinates.grid(9, 8, None).unwrap());
    let exact = oracle(&model, z, &domain);
    let bound = bound(&model, z, 5, &domain, &exact);
    for engine in gpu_engines() {
        for fused in [false, true] {
            let error = max_error(&poisoned(&engine, &model, z, 5, &domain, Jet::Value, fused), &exact);
            println!("{}, fused {fused}: {error:.1e}, allowed {bound:.1e}", engine.describe());
            assert!(error <= bound);
        }
    }
}

/// The bounds of DESIGN's numerics: with halves of 16 bits outputs are within 5e-3, and a picture of 45 dB loses 0.1 dB at most.
#[test]
fn halves_stay_within_their_bounds() {
    const BOUND: f64 = 5e-3;
    let able = |e: &Engine| e.gpu().unwrap().has_half();
    let gpus: Vec<Engine> = gpu_engines().into_iter().filter(able).collect();
    assert!(!gpus.is_empty(), "no adapter here has numbers of 16 bits; llvmpipe does");
    let mut rng = ChaCha8Rng::seed_from_u64(24);
    for engine in &gpus {
        engine.gpu().unwrap().set_half(true);
        let halved = |model: &Arc<Model>| {
            let field = engine.load(model).unwrap();
            field.gpu().unwrap().tile_space(1, 1, Jet::Value, false).kind().contains("f16")
        };
        let error = |model: &Arc<Model>, latents: usize, domain: &Domain<'_>, fused| {
            let z = &model.latents.values()[..latents * model.latent_dim()];
            let exact = oracle(model, z, domain);
            let got = poisoned(engine, model, z, latents.max(1), domain, Jet::Value, fused);
            let square = got.iter().zip(&exact).map(|(&g, e)| (f64::from(g) - e).powi(2)).sum::<f64>();
            (max_error(&got, &exact), square / exact.len() as f64)
        };
        let mut used = 0;
        while used < 12 {
            let activation = ACTIVATIONS[rng.random_range(0..ACTIVATIONS.len())];
            let (model, latents) = random_model_of(&mut rng, activation, Some((2, 3)));
            let (w, h) = (rng.random_range(1..=40), rng.random_range(1..=9));
            let domain = Domain::Grid(model.coordinates.grid(w, h, None).unwrap());
            // Derivatives, and layers that pass on larger numbers, keep 32 bits.
            if !halved(&model) || model.inr.hidden.len() < 2 {
                continue;
            }
            used += 1;
            let (e, _) = error(&model, latents, &domain, used % 2 == 0);
            println!("{} on {}: {e:.1e}", model.inr, engine.describe());
            assert!(e <= BOUND);
        }
        for (width, depth) in [(64, 4), (100, 3), (256, 4), (512, 2)] {
            let model = Arc::new(Model::random_siren(Inr::siren(2, width, depth, 3, 30.0), 5));
            let domain = Domain::Grid(model.coordinates.grid(19, 7, None).unwrap());
            let (e, _) = error(&model, 0, &domain, false);
            println!("{} on {}: {e:.1e}", model.inr, engine.describe());
            assert!(halved(&model) && e <= BOUND);
        }
        let emoji = Arc::new(builtin("emoji").unwrap());
        let domain = Domain::Grid(emoji.coordinates.grid(64, 64, None).unwrap());
        for fused in [false, true] {
            let (e, mse) = error(&emoji, 64, &domain, fused);
            let loss = 10.0 * (1.0 + mse / (4.0 / 10_f64.powf(4.5))).log10();
            println!("@emoji on {}, fused {fused}: {e:.1e}, {loss:.4} dB of 45", engine.describe());
            assert!(e <= BOUND && loss <= 0.1);
        }
    }
}
