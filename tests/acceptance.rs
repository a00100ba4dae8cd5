//! Part 1's acceptance: the imported emoji hypernetwork against PyTorch's own outputs, on every device.
//! Reads the data folder named by `HYPERSINE_DATA` (its sibling `models` holds the checkpoint).

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::path::PathBuf;
use std::sync::Arc;

use common::{engines, max_error, oracle};
use hypersine::engine::Strategy;
use hypersine::model::import::{Options, import, read};
use hypersine::model::{Domain, Model};

fn models() -> PathBuf {
    let data = std::env::var_os("HYPERSINE_DATA").expect("HYPERSINE_DATA names the data folder");
    PathBuf::from(data).join("../models")
}

fn emoji() -> Arc<Model> {
    Arc::new(import(&models().join("emoji_hypersiren.pth"), &Options::default()).unwrap().model)
}

#[test]
#[ignore = "reads HYPERSINE_DATA; scripts/test.sh runs it where that is set"]
fn both_containers_hold_the_same_model() {
    let other = import(&models().join("emoji_hypersiren.safetensors"), &Options::default()).unwrap().model;
    let model = emoji();
    assert_eq!(model.hypernetwork, other.hypernetwork);
    assert_eq!(model.latents, other.latents);
}

#[test]
#[ignore = "reads HYPERSINE_DATA; scripts/test.sh runs it where that is set"]
fn outputs_equal_pytorchs() {
    let stored = read(&models().join("emoji_hypersiren_outputs.safetensors")).unwrap();
    let tensor = |name: &str| &stored[name].data;
    let wide = |name: &str| -> Vec<f64> { tensor(name).iter().map(|&v| f64::from(v)).collect() };
    let model = emoji();
    let rows = [0, 17, 101, 255];
    for engine in engines() {
        let field = engine.load(&model).unwrap();
        let mut worst = [0.0_f64; 4]; // theta, pixels, far, grid
        let mut against_oracle = [0.0_f64; 2];
        for row in rows {
            let z = model.latents.get(row);
            let theta: Vec<f64> = (0..10).flat_map(|k| wide(&format!("theta.{row}.{k}"))).collect();
            worst[0] = worst[0].max(max_error(&field.generate(z).unwrap(), &theta));
            for strategy in [Strategy::Materialised, Strategy::Fused] {
                for (i, (points, values)) in
                    [("coords.pixels", "pixels"), ("coords.far", "far")].into_iter().enumerate()
                {
                    let domain = Domain::Points { coordinates: tensor(points), inputs: 2 };
                    let (got, _) = field.evaluate(z, &domain, strategy).unwrap();
                    worst[1 + i] = worst[1 + i].max(max_error(&got, &wide(&format!("{values}.{row}"))));
                    against_oracle[i] = against_oracle[i].max(max_error(&got, &oracle(&model, z, &domain)));
                }
                let grid = Domain::Grid(model.coordinates.grid(64, 64, None).unwrap());
                let (got, _) = field.evaluate(z, &grid, strategy).unwrap();
                worst[3] = worst[3].max(max_error(&got, &wide(&format!("pixels.{row}"))));
            }
        }
        let [theta, pixels, far, grid] = worst;
        println!(
            "{}: against PyTorch: theta {theta:.1e}, pixels {pixels:.1e}, far {far:.1e}, grid {grid:.1e}; against the f64 twin: pixels {:.1e}, far {:.1e}",
            engine.describe(),
            against_oracle[0],
            against_oracle[1]
        );
        assert!(theta <= 1e-5 && pixels <= 3e-5 && grid <= 3e-5 && far <= 1e-4);
        assert!(against_oracle[0] <= 3e-5 && against_oracle[1] <= 1e-4);
    }
}
