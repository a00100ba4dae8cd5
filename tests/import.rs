//! Importers against PyTorch's own outputs (fixtures by tests/fixtures/make.py), and the comparison figures
//! against scikit-image's.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::Arc;

use common::{engines, fixture, max_error};
use hypersine::engine::Strategy;
use hypersine::model::file::{self, Precision};
use hypersine::model::import::{Options, from_bytes, import, read};
use hypersine::model::{Align, Domain, Interval, Order, Span, ValueRange};
use hypersine::signal::{Picture, psnr, ssim};

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

#[test]
fn a_hypernetwork_in_every_container() {
    let stored = read(&fixture("hyper_outputs.safetensors")).unwrap();
    for name in ["hyper.pth", "hyper_legacy.pth", "hyper.safetensors"] {
        let model = Arc::new(import(&fixture(name), &Options::default()).unwrap().model);
        assert_eq!(model.inr.to_string(), "2-11x2-3");
        assert_eq!(model.latents.names(), ["0", "1", "2"]);
        let domain = Domain::Points { coordinates: &stored["points"].data, inputs: 2 };
        for engine in engines() {
            let field = engine.load(&model).unwrap();
            let mut worst = [0.0_f64; 2];
            for row in 0..3 {
                let z = model.latents.get(row);
                let theta: Vec<f32> = (0..6).flat_map(|k| stored[&format!("theta.{row}.{k}")].data.clone()).collect();
                worst[0] = worst[0].max(max_error(&field.generate(z).unwrap(), &wide(&theta)));
                for strategy in [Strategy::Materialised, Strategy::Fused] {
                    let (got, _) = field.evaluate(z, &domain, strategy).unwrap();
                    worst[1] = worst[1].max(max_error(&got, &wide(&stored[&format!("values.{row}")].data)));
                }
            }
            println!("{name} on {}: theta {:.1e}, values {:.1e}", engine.describe(), worst[0], worst[1]);
            assert!(worst[0] <= 1e-5 && worst[1] <= 1e-5);
        }
    }
}

#[test]
fn a_plain_siren_with_its_own_conventions() {
    let stored = read(&fixture("siren_outputs.safetensors")).unwrap();
    let options = Options { order: Some(Order::Yx), align: Some(Align::Corner), ..Options::default() };
    for name in ["siren.pth", "siren_wrapped.pth"] {
        let model = Arc::new(import(&fixture(name), &options).unwrap().model);
        assert_eq!((model.inr.to_string(), model.latent_dim()), ("2-13x3-1".to_owned(), 0));
        let grid = model.coordinates.grid(9, 9, None).unwrap();
        for engine in engines() {
            let (got, _) = engine.load(&model).unwrap().evaluate(&[], &Domain::Grid(grid), Strategy::Auto).unwrap();
            let error = max_error(&got, &wide(&stored["pixels"].data));
            println!("{name} on {}: {error:.1e}", engine.describe());
            assert!(error <= 2e-6);
        }
    }
}

#[test]
fn a_safetensors_file_may_begin_like_another_container() {
    let bytes = std::fs::read(fixture("hyper.safetensors")).unwrap();
    let (length, rest) = bytes.split_first_chunk::<8>().unwrap();
    let (header, data) = rest.split_at(usize::try_from(u64::from_le_bytes(*length)).unwrap());
    // The header's length comes first: these are 0x80 of a pickle and PK of a zip.
    for length in [header.len().next_multiple_of(256) + 0x80, usize::from(u16::from_le_bytes(*b"PK"))] {
        let mut padded = header.to_vec();
        padded.resize(length, b' ');
        let whole = [&(length as u64).to_le_bytes()[..], &padded, data].concat();
        assert_eq!(from_bytes(&whole).unwrap(), from_bytes(&bytes).unwrap());
    }
}

#[test]
fn strides_and_offsets_of_views() {
    let stored = read(&fixture("hyper_outputs.safetensors")).unwrap();
    let state = read(&fixture("hyper_strided.pth")).unwrap();
    assert_eq!(state["latents.weight"], stored["strided"]);
}

#[test]
fn code_in_a_checkpoint_is_named_and_not_run() {
    for name in ["evil.pth", "evil_plain.pkl"] {
        let error = import(&fixture(name), &Options::default()).unwrap_err().to_string();
        assert!(error.contains("posix.system") && error.contains(name), "{error}");
    }
}

#[test]
fn no_cut_or_flipped_byte_makes_a_reader_panic() {
    for name in ["hyper.pth", "hyper_legacy.pth", "hyper.safetensors", "siren.pth", "evil.pth"] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        for n in (0..bytes.len()).step_by(7) {
            assert!(from_bytes(&bytes[..n]).is_err(), "{name} cut at {n}");
        }
        for at in (0..bytes.len()).step_by(3) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x55;
            // A flipped bit inside a weight is not noticed; everything else is an error.
            let _ = from_bytes(&damaged);
        }
    }
}

#[test]
fn the_model_file_brings_everything_back() {
    let names = Some(["ape", "bee", "cat"].map(String::from).to_vec());
    let options = Options {
        order: Some(Order::Yx),
        interval: Some(Interval::Unit),
        span: Some(Span::Height),
        values: Some(ValueRange { low: 0.0, high: 1.0 }),
        first_omega: Some(12.5),
        omega: Some(31.0),
        names,
        ..Options::default()
    };
    let model = import(&fixture("hyper.pth"), &options).unwrap().model;
    let bytes = file::to_bytes(&model, Precision::F32).unwrap();
    let back = file::from_bytes(&bytes).unwrap();
    assert_eq!(back.hypernetwork, model.hypernetwork);
    assert_eq!((&back.latents, &back.inr, back.coordinates), (&model.latents, &model.inr, model.coordinates));
    assert_eq!((back.values, &back.provenance), (model.values, &model.provenance));
    assert_eq!(bytes, file::to_bytes(&back, Precision::F32).unwrap(), "the same model is the same file");

    let half = file::from_bytes(&file::to_bytes(&model, Precision::F16).unwrap()).unwrap();
    for (a, b) in half.latents.values().iter().zip(model.latents.values()) {
        assert!((a - b).abs() <= b.abs() / 2048.0 + 1e-7);
    }
    for n in (0..bytes.len()).step_by(11) {
        assert!(file::from_bytes(&bytes[..n]).is_err(), "cut at {n}");
    }
}

#[test]
fn psnr_and_ssim_equal_scikit_images() {
    let load = |name| Picture::load(&fixture(name), 3, ValueRange::default()).unwrap();
    let (a, b) = (load("clean.png"), load("noisy.png"));
    let text = std::fs::read_to_string(fixture("compare.json")).unwrap();
    let want: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (p, s) = (psnr(&a, &b).unwrap(), ssim(&a, &b).unwrap().unwrap());
    println!("psnr {p} ssim {s}");
    assert!((p - want["psnr"].as_f64().unwrap()).abs() < 1e-4);
    // scikit-image averages over the pixels whose window lies inside, too.
    assert!((s - want["ssim"].as_f64().unwrap()).abs() < 1e-5);
}

#[test]
fn one_of_everything_equals_pytorch() {
    let model = Arc::new(file::load(&fixture("zoo.safetensors")).unwrap());
    let stored = read(&fixture("zoo_outputs.safetensors")).unwrap();
    let domain = Domain::Points { coordinates: &stored["points"].data, inputs: 3 };
    let want: Vec<f64> = (0..2).flat_map(|i| wide(&stored[&format!("values.{i}")].data)).collect();
    let exact = common::oracle(&model, model.latents.values(), &domain);
    let twin = exact.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    println!("the f64 twin against float64 PyTorch (stored in f32): {twin:.1e}");
    assert!(twin <= 1e-6);
    for engine in engines() {
        for strategy in [Strategy::Materialised, Strategy::Fused] {
            let (got, _) = engine.load(&model).unwrap().evaluate(model.latents.values(), &domain, strategy).unwrap();
            let error = max_error(&got, &want);
            println!("{strategy:?} on {}: {error:.1e}", engine.describe());
            assert!(error <= 2e-5);
        }
    }
    // The file brings all of it back.
    let again = file::from_bytes(&file::to_bytes(&model, Precision::F32).unwrap()).unwrap();
    assert_eq!((&again.inr, &again.hypernetwork), (&model.inr, &model.hypernetwork));
}
