//! Layouts of other codebases against their own formulas in double precision (fixtures by
//! `tests/fixtures/make_layouts.py`), and checkpoints that are wrong.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{engines, fixture, max_error};
use hypersine::engine::Strategy;
use hypersine::model::file::{self, Precision};
use hypersine::model::import::{Final, Layout, Options, StateDict, Tensor, from_state, import, read};
use hypersine::model::{Activation, Align, Domain, Head, Model, Side, Source, Span};
use safetensors::tensor::TensorView;

const BOUND: f64 = 1e-5;

/// Imports a fixture, with a file of latents where there is one.
fn imported(name: &str, latents: Option<&str>, options: Options) -> (Arc<Model>, Layout) {
    let options = Options { latents: latents.map(fixture), ..options };
    let read = import(&fixture(name), &options).unwrap();
    // What is tested is what a file brings back.
    let bytes = file::to_bytes(&read.model, Precision::F32).unwrap();
    (Arc::new(file::from_bytes(&bytes).unwrap()), read.layout)
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

/// Compares a model with the stored outputs of `what` (`values` or `pixels`) on every device.
fn compare(name: &str, model: &Arc<Model>, domain: &Domain<'_>, stored: &str, what: &str) {
    let stored = read(&fixture(&format!("{stored}_outputs.safetensors"))).unwrap();
    let count = model.latents.len().max(1);
    let want: Vec<f64> = (0..count).flat_map(|i| wide(&stored[&format!("{what}.{i}")].data)).collect();
    let z = model.latents.values();
    let exact = common::oracle(model, z, domain);
    let error = exact.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let largest = want.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    println!("{name} {what} (up to {largest:.2}), f64: {error:.1e}");
    assert!(error <= BOUND);
    for engine in engines() {
        let mut worst = 0.0_f64;
        for strategy in [Strategy::Materialised, Strategy::Fused] {
            let (got, _) = engine.load(model).unwrap().evaluate(z, domain, strategy).unwrap();
            worst = worst.max(max_error(&got, &want));
        }
        println!("{name} {what}, {}: {worst:.1e}", engine.describe());
        assert!(worst <= BOUND);
    }
}

fn points(name: &str, model: &Arc<Model>, stored: &str) {
    let coordinates = &read(&fixture(&format!("{stored}_outputs.safetensors"))).unwrap()["points"].data;
    compare(name, model, &Domain::Points { coordinates, inputs: model.inr.inputs }, stored, "values");
}

/// A picture of 7 x 5 pixels: its coordinates, as the codebase computes them, and its values.
fn picture(name: &str, model: &Arc<Model>, stored: &str) {
    let grid = model.coordinates.grid(7, 5, None).unwrap();
    let want = &read(&fixture(&format!("{stored}_outputs.safetensors"))).unwrap()["grid"].data;
    let got = (0..35).flat_map(|i| grid.point(i % 7, i / 7));
    let error = got.zip(wide(want)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    println!("{name} coordinates: {error:.1e}");
    assert!(error <= 1e-7, "stored in f32");
    compare(name, model, &Domain::Grid(grid), stored, "pixels");
}

#[test]
fn coin_is_one_picture() {
    let (model, layout) = imported("coin.pth", None, Options::default());
    assert_eq!((layout, model.inr.to_string(), model.latent_dim()), (Layout::Coin, "2-12x3-3".to_owned(), 0));
    assert_eq!((model.values.low, model.values.high), (0.0, 1.0));
    points("COIN", &model, "coin");
    picture("COIN", &model, "coin");
}

#[test]
fn coin_plus_plus_shifts_and_scales() {
    for name in ["coinpp", "coinpp_gains"] {
        let options = Options { omega: Some(50.0), ..Options::default() };
        let (model, layout) = imported(&format!("{name}.pth"), Some(&format!("{name}_latents.pth")), options);
        assert_eq!((layout, model.latents.len(), model.latent_dim()), (Layout::CoinPlusPlus, 3, 5));
        points(name, &model, name);
        picture(name, &model, name);
    }
}

#[test]
fn deepsdf_takes_latent_and_point_again() {
    // Which layers take what again, and how their weights are stored.
    for (name, skips) in [
        ("deepsdf", [false, false, true, false]),
        ("deepsdf_parametrized", [false, true, true, true]),
        ("deepsdf_plain", [false, true, true, true]),
    ] {
        let (model, layout) = imported(&format!("{name}.pth"), Some("deepsdf_latents.pth"), Options::default());
        assert_eq!((layout, model.inr.inputs, model.inr.outputs), (Layout::DeepSdf, 3, 1));
        assert!(model.inr.hidden.iter().map(|h| h.skip).eq(skips), "{name}");
        points(name, &model, name);
    }
    // Older files hold the latents one by one.
    let (model, _) = imported("deepsdf.pth", Some("deepsdf_latents.pth"), Options::default());
    for latents in ["deepsdf_latents_old.pth", "deepsdf_latents_list.pth"] {
        assert_eq!(imported("deepsdf.pth", Some(latents), Options::default()).0.latents, model.latents);
    }
}

#[test]
fn functa_in_every_container() {
    for name in ["functa", "functa_gains"] {
        let latents = format!("{name}_latents.npz");
        let (model, layout) = imported(&format!("{name}.npz"), Some(&latents), Options::default());
        assert_eq!((layout, model.inr.to_string()), (Layout::Functa, "2-6x11-3".to_owned()));
        points(name, &model, name);
        picture(name, &model, name);
    }
    let plain = imported("functa.npz", Some("functa_latents.npz"), Options::default()).0;
    for name in ["functa_pickled.npz", "functa_boxed.npz"] {
        let (model, _) = imported(name, Some("functa_pickled_latents.npz"), Options::default());
        assert_eq!((&model.hypernetwork, &model.inr), (&plain.hypernetwork, &plain.inr));
        // Two tables: the rows bear their names. `test` comes before `train`.
        assert_eq!(model.latents.names(), ["test.modulation/0", "train.modulation/0", "train.modulation/1"]);
        assert_eq!(model.latents.get(1), plain.latents.get(0));
    }
    // Without modulations there is the latent from which fits start.
    assert_eq!(imported("functa.npz", None, Options::default()).0.latents.values(), [0.0; 5]);
}

#[test]
fn siren_pytorch_has_two_omegas() {
    let (model, layout) = imported("siren_pytorch.pth", None, Options::default());
    assert_eq!((layout, model.inr.to_string()), (Layout::SirenPytorch, "2-12x3-3".to_owned()));
    points("siren-pytorch", &model, "siren_pytorch");
    picture("siren-pytorch", &model, "siren_pytorch");
}

#[test]
fn siren_pytorchs_modulator_multiplies_the_sines() {
    let latents = Some("siren_pytorch_modulated_latents.pth");
    let (model, layout) = imported("siren_pytorch_modulated.pth", latents, Options::default());
    assert_eq!((layout, model.inr.to_string()), (Layout::SirenPytorch, "2-9x3-3".to_owned()));
    assert_eq!((model.latents.len(), model.latent_dim()), (3, 4));
    points("siren-pytorch's modulator", &model, "siren_pytorch_modulated");
    picture("siren-pytorch's modulator", &model, "siren_pytorch_modulated");
    // Programs from before such trunks must not read it, and the file brings all of it back.
    let bytes = file::to_bytes(&model, Precision::F32).unwrap();
    assert!(String::from_utf8_lossy(&bytes).contains(r#"\"version\":3"#));
    let back = file::from_bytes(&bytes).unwrap();
    assert_eq!((&back.inr, &back.hypernetwork, &back.latents), (&model.inr, &model.hypernetwork, &model.latents));

    // Latents may come later; a wrapper without a modulator is a SIREN.
    let (bare, _) = imported("siren_pytorch_modulated.pth", None, Options::default());
    assert_eq!((bare.latents.len(), &bare.hypernetwork), (0, &model.hypernetwork));
    let mut state = read(&fixture("siren_pytorch_modulated.pth")).unwrap();
    state.retain(|name, _| !name.starts_with("modulator."));
    let plain = from_state(&state, &Options::default()).unwrap();
    assert_eq!((plain.layout, plain.model.latent_dim()), (Layout::SirenPytorch, 0));
    assert!(plain.model.hypernetwork.heads.iter().all(Head::is_shared));
}

#[test]
fn occupancy_networks_are_residual_and_normalised() {
    let (model, layout) = imported("onet.safetensors", None, Options::default());
    assert_eq!((layout, model.inr.to_string().as_str()), (Layout::OccupancyNetworks, "3-12x11-1 (5 residual)"));
    assert_eq!((model.latents.len(), model.latent_dim()), (3, 5));
    let solid = model.solid.as_ref().unwrap();
    assert_eq!((solid.values, solid.frame(Some(1)).scale), (Side::Occupancy, 0.55));
    points("Occupancy Networks", &model, "onet");
    let bytes = file::to_bytes(&model, Precision::F32).unwrap();
    assert!(String::from_utf8_lossy(&bytes).contains(r#"\"version\":5"#));

    // The first models had linear layers where later ones have convolutions of one point.
    let state = read(&fixture("onet.safetensors")).unwrap();
    let older = |(name, tensor): (&String, &Tensor)| {
        let mut tensor = tensor.clone();
        if name.contains(".conv_") && tensor.shape.len() == 3 {
            tensor.shape.pop();
        }
        (name.replace(".conv_", ".fc_"), tensor)
    };
    let old = from_state(&state.iter().map(older).collect(), &Options::default()).unwrap().model;
    assert_eq!((&old.hypernetwork, &old.latents), (&model.hypernetwork, &model.latents));

    // Latents in a file of their own; a random latent besides is at its mean, which adds a bias.
    let (other, _) = imported("onet.safetensors", Some("coinpp_latents.pth"), Options::default());
    assert_ne!(other.latents, model.latents);
    let mut random = state.clone();
    random.insert("decoder.fc_z.weight".into(), Tensor { shape: vec![12, 2], data: vec![9.0; 24] });
    random.insert("decoder.fc_z.bias".into(), Tensor { shape: vec![12], data: vec![0.25; 12] });
    let random = from_state(&random, &Options::default()).unwrap().model;
    let biases = |model: &Model| match &model.hypernetwork.heads[0].bias {
        Source::Shared(bias) => bias.clone(),
        other => panic!("{other:?}"),
    };
    assert!(biases(&random).iter().zip(biases(&model)).all(|(a, b)| *a == b + 0.25));
}

#[test]
fn a_file_of_latents_may_hold_the_model_too() {
    let own = &imported("hyper.pth", None, Options::default()).0.latents;
    assert_eq!(own.len(), 3);
    // Layers that take the latent are as wide as it.
    assert_eq!(&imported("hyper.pth", Some("hyper.pth"), Options::default()).0.latents, own);
}

#[test]
fn what_is_said_goes_before_the_layouts_own() {
    let options = |omega, first_omega| Options { omega, first_omega, ..Options::default() };
    let omegas = |name: &str, options: Options| {
        let activations = imported(name, None, options).0.inr.hidden.iter().map(|h| h.activation).collect::<Vec<_>>();
        activations.iter().map(|a| if let Activation::Sine { omega } = a { *omega } else { 0.0 }).collect::<Vec<_>>()
    };
    assert_eq!(omegas("coin.pth", options(Some(7.0), None)), [7.0, 7.0, 7.0]);
    assert_eq!(omegas("coin.pth", options(Some(7.0), Some(9.0))), [9.0, 7.0, 7.0]);
    assert_eq!(omegas("siren_pytorch.pth", options(Some(7.0), None)), [30.0, 7.0, 7.0]);

    let coordinates = |name: &str, align| {
        let (model, _) = imported(name, None, Options { align: Some(align), ..Options::default() });
        (model.coordinates.align, model.coordinates.span)
    };
    assert_eq!(coordinates("siren.pth", Align::Corner), (Align::Corner, Span::EachAxis));
    assert_eq!(coordinates("siren.pth", Align::Centre), (Align::Centre, Span::LongerSide));
    assert_eq!(coordinates("coin.pth", Align::Corner), (Align::Corner, Span::Height));
    assert_eq!(coordinates("coin.pth", Align::Centre), (Align::Centre, Span::Height));

    // A sigmoid behind the last layer, as siren-pytorch's own example has it.
    let points = Domain::Points { coordinates: &[0.1, -0.2, 0.7, 0.3], inputs: 2 };
    let plain = common::oracle(&imported("coin.pth", None, Options::default()).0, &[], &points);
    let options = Options { last: Some(Final::Sigmoid), ..Options::default() };
    let bent = common::oracle(&imported("coin.pth", None, options).0, &[], &points);
    assert!(plain.iter().zip(bent).all(|(u, y)| (1.0 / (1.0 + (-u).exp()) - y).abs() < 1e-12));
}

/// A state dict as a safetensors file.
fn save(folder: &Path, name: &str, state: &StateDict) -> PathBuf {
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = (state.iter())
        .map(|(k, t)| (k.clone(), t.shape.clone(), t.data.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views = (bytes.iter())
        .map(|(k, shape, b)| (k.as_str(), TensorView::new(safetensors::Dtype::F32, shape.clone(), b).unwrap()));
    let path = folder.join(name);
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    path
}

#[test]
fn wrong_checkpoints_get_a_sentence_that_says_where() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |state: &StateDict, options: &Options, words: &[&str]| {
        let path = save(dir.path(), "wrong.safetensors", state);
        let error = import(&path, options).map(|_| ()).expect_err(&format!("{words:?}")).to_string();
        println!("{error}");
        for word in words.iter().chain(&["wrong.safetensors"]) {
            assert!(error.contains(word), "'{error}' should speak of {word}");
        }
        assert!(!error.contains('\n') && error.len() < 400, "{error}");
    };
    let own = Options::default();
    for name in [
        "coin.pth",
        "coinpp.pth",
        "deepsdf.pth",
        "functa.npz",
        "siren_pytorch.pth",
        "siren.pth",
        "hyper.pth",
        "siren_pytorch_modulated.pth",
        "onet.safetensors",
    ] {
        let whole = read(&fixture(name)).unwrap();
        let used: Vec<&String> = whole.keys().filter(|k| !k.contains("latent") || k.contains("to_mod")).collect();
        let idle = ["lrs", "latents", "hypo", "grid", "encoder"];
        for key in used.iter().filter(|k| !idle.iter().any(|i| k.contains(i))) {
            // Without a tensor: an error. (Without both of a last layer's, what is left may be a smaller network.)
            let mut state = whole.clone();
            state.remove(*key);
            refused(&state, &own, &[]);
            // Cut by a row.
            let mut state = whole.clone();
            let tensor = state.get_mut(*key).unwrap();
            if tensor.shape[0] > 1 {
                tensor.shape[0] -= 1;
                tensor.data.truncate(tensor.shape.iter().product());
                refused(&state, &own, &[]);
            }
            let mut state = whole.clone();
            state.get_mut(*key).unwrap().data[0] = f32::NAN;
            refused(&state, &own, &["finite", key]);
        }
    }
    let mut mixed = read(&fixture("coin.pth")).unwrap();
    mixed.extend(read(&fixture("deepsdf.pth")).unwrap());
    refused(&mixed, &own, &["coin", "deepsdf", "--layout"]);
    let forced = Options { layout: Some(Layout::Coin), ..own.clone() };
    assert_eq!(import(&save(dir.path(), "both.safetensors", &mixed), &forced).unwrap().layout, Layout::Coin);
    refused(&read(&fixture("siren.pth")).unwrap(), &forced, &["last_layer.linear.weight", "missing"]);
    refused(&read(&fixture("deepsdf_layer_norm.pth")).unwrap(), &own, &["bn0", "LayerNorm"]);
    // What these codebases have besides, and cannot be read.
    let with = |name: &str, key: &str| {
        let mut state = read(&fixture(name)).unwrap();
        state.insert(key.into(), Tensor { shape: vec![6], data: vec![0.0; 6] });
        state
    };
    refused(&with("coinpp.pth", "modulation_net.bias"), &own, &["use_latent"]);
    let norm = "hyper_net.nets.0.net.0.1.weight";
    refused(&with("hyper.pth", norm), &own, &[norm]);
    refused(&with("siren_pytorch.pth", "modulator.layers.1.0.bias"), &own, &["modulator.layers.0.0", "missing"]);
    let mut plain = read(&fixture("onet.safetensors")).unwrap();
    plain.retain(|name, _| !name.contains("bn"));
    refused(&plain, &own, &["decoder.bn", "cbatchnorm"]);
    let mut deep = read(&fixture("onet.safetensors")).unwrap();
    for block in 5..8 {
        let of_last = deep.iter().filter(|(name, _)| name.contains("block4."));
        let more: Vec<_> = of_last.map(|(n, t)| (n.replace("block4.", &format!("block{block}.")), t.clone())).collect();
        deep.extend(more);
    }
    refused(&deep, &own, &["17 hidden layers", "16"]);
    let film = "modulated_siren/modulated_siren_layer/fi_lm/shift";
    refused(&with("functa.npz", film), &own, &[film, "single signal"]);
    refused(&StateDict::from([("x".into(), Tensor { shape: vec![2], data: vec![0.0; 2] })]), &own, &["layout"]);

    // Shapes with a 0, whose other numbers nothing bounds.
    let empty = |name: &str, key: &str, shape: [usize; 2]| {
        let mut state = read(&fixture(name)).unwrap();
        assert!(state.insert(key.into(), Tensor { shape: shape.to_vec(), data: Vec::new() }).is_some(), "{key}");
        refused(&state, &own, &["shape", "0"]);
    };
    empty("hyper.pth", "latents.weight", [1 << 60, 0]);
    empty("functa.npz", "latent_modulated_siren/modulated_siren_layer/linear/w", [0, 1 << 60]);

    let latents = |checkpoint: &str, file: &str| {
        let options = Options { latents: Some(fixture(file)), ..Options::default() };
        import(&fixture(checkpoint), &options).unwrap_err().to_string()
    };
    let wrong = latents("deepsdf.pth", "coinpp_latents.pth");
    assert!(wrong.contains("coinpp_latents.pth") && wrong.contains("4 entries") && wrong.contains("[3, 5]"), "{wrong}");
    let useless = latents("coin.pth", "coinpp_latents.pth");
    assert!(useless.contains("single INR"), "{useless}");
    // Latents that are wrong are not the checkpoint's fault.
    let mut codes = read(&fixture("deepsdf_latents.pth")).unwrap();
    codes.values_mut().for_each(|t| t.data[5] = f32::INFINITY);
    let wrong = Options { latents: Some(save(dir.path(), "codes.safetensors", &codes)), ..own.clone() };
    let error = import(&fixture("deepsdf.pth"), &wrong).unwrap_err().to_string();
    assert!(error.contains("codes.safetensors") && error.contains("latent '1'") && error.contains("finite"), "{error}");
    for checkpoint in ["coin.pth", "deepsdf.pth"] {
        let names = Options { names: Some(vec!["a".into()]), ..own.clone() };
        let error = import(&fixture(checkpoint), &names).unwrap_err().to_string();
        assert!(error.contains("1 names") && error.contains("0 latents"), "{error}");
    }
    let names = Options { latents: Some(fixture("deepsdf_latents.pth")), names: Some(vec!["a".into()]), ..own };
    let error = import(&fixture("deepsdf.pth"), &names).unwrap_err().to_string();
    assert!(
        error.contains("1 names") && error.contains("3 latents") && error.contains("deepsdf_latents.pth"),
        "{error}"
    );
}
