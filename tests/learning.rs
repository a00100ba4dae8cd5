//! Learning as a person runs it: fit, train, interrupt, resume, encode.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{fixture, gpu_engines};
use hypersine::engine::Engine;
use hypersine::model::file;
use hypersine::model::{Coordinates, Domain, ValueRange};
use hypersine::signal::{Canvas, Depth, Picture, pictures, write_rows};
use hypersine::train::{
    BatchConfig, Config, FamilyConfig, LossConfig, LossKind, NetworkConfig, OptimiserConfig, Sampling, Signals,
    Supervise, Trainer,
};

fn hypersine(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hypersine"));
    command.args(arguments).current_dir(folder).env("XDG_CACHE_HOME", folder.join("cache"));
    command
}

fn output(folder: &Path, arguments: &[&str]) -> Output {
    hypersine(folder, arguments).output().unwrap()
}

fn json(folder: &Path, arguments: &[&str]) -> serde_json::Value {
    let out = output(folder, &[arguments, &["--json"]].concat());
    assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

/// A folder with `count` pictures of 16x16 pixels: discs of many sizes, places and colours.
fn discs(folder: &Path, count: u16) {
    std::fs::create_dir_all(folder).unwrap();
    for n in 0..count {
        let unit = |k: u16| f32::from((n * k + 7 * k) % 23) / 22.0;
        let (x0, y0, radius) = (4.0 + 8.0 * unit(5), 4.0 + 8.0 * unit(3), 2.0 + 4.0 * unit(7));
        let colour = [unit(2), unit(11), unit(13)].map(|c| 2.0 * c - 1.0);
        let pixel = |i: u16| {
            let (x, y) = (f32::from(i % 16) + 0.5 - x0, f32::from(i / 16) + 0.5 - y0);
            if (x * x + y * y).sqrt() < radius { colour } else { [1.0; 3] }
        };
        let values: Vec<f32> = (0..256).flat_map(pixel).collect();
        let canvas = Canvas { width: 16, height: 16, channels: 3, range: ValueRange::default() };
        write_rows(&folder.join(format!("disc{n:02}.png")), &canvas, Depth::Eight, |rows| rows(&values)).unwrap();
    }
}

/// Flags of a family that trains in a second.
const SMALL: [&str; 10] = ["--width", "16", "--layers", "2", "--latent-dim", "8", "--features", "16", "--lr", "2e-3"];

fn train<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let batch: &[&str] = if more.contains(&"--latents") { &[] } else { &["--latents", "4", "--points", "64"] };
    [&["train", "discs", "-o", out, "-q"], &SMALL[..], batch, more].concat()
}

#[test]
fn a_picture_is_fitted_and_rendered() {
    let folder = tempfile::tempdir().unwrap();
    let picture = fixture("clean.png");
    let picture = picture.to_str().unwrap();
    let report = json(
        folder.path(),
        &[
            "fit",
            picture,
            "-o",
            "m.safetensors",
            "--width",
            "32",
            "--layers",
            "2",
            "--lr",
            "2e-3",
            "--psnr",
            "33",
            "--steps",
            "3000",
        ],
    );
    assert_eq!(report["end"], "the PSNR is reached");
    let eval = json(folder.path(), &["eval", "m.safetensors", picture, "--device", "cpu"]);
    let psnr = eval["mean"]["psnr"].as_f64().unwrap();
    println!("clean.png: {psnr:.2} dB after {} steps", report["steps"]);
    // Clipped, and one update further than the loss that ended the run.
    assert!(psnr > 32.5, "{psnr}");
    // The settings travel in the file.
    let model = file::load(&folder.path().join("m.safetensors")).unwrap();
    assert_eq!(model.training.unwrap()["network"]["width"], 32);
}

/// With a time alone no number of steps ends a run, and its learning rate reaches the schedule's end with the time.
#[test]
fn time_alone_ends_a_run_and_its_schedule() {
    let folder = tempfile::tempdir().unwrap();
    let picture = fixture("clean.png");
    let tiny = "--width 4 --layers 1 --points 1 --time 2 --schedule cosine --lr 1e-3 --log log.jsonl --device cpu";
    let fit = ["fit", picture.to_str().unwrap(), "-o", "m.safetensors"];
    let report = json(folder.path(), &[&fit[..], &tiny.split(' ').collect::<Vec<_>>()].concat());
    let log = std::fs::read_to_string(folder.path().join("log.jsonl")).unwrap();
    let last: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    println!("{} steps; the last learning rate was {}", report["steps"], last["lr"]);
    assert_eq!(report["end"], "the time is up");
    assert!(report["steps"].as_u64().unwrap() > 500, "fit's own number of steps");
    // In the last hundredth of the time: the cosine falls to 0.02.
    assert!(last["lr"].as_f64().unwrap() < 2.1e-5, "{last}");
}

#[test]
fn error_weighted_batches_fit_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let picture = fixture("clean.png");
    let picture = picture.to_str().unwrap();
    let fit = ["fit", picture, "-o", "m.safetensors", "--width", "32", "--layers", "2", "--lr", "2e-3"];
    let run = ["--steps", "800", "--sampling", "error", "--points", "256"];
    let report = json(folder.path(), &[&fit[..], &run].concat());
    let eval = json(folder.path(), &["eval", "m.safetensors", picture, "--device", "cpu"]);
    let psnr = |report: &serde_json::Value| report["mean"]["psnr"].as_f64().unwrap();
    let reported = report["psnr"].as_f64().unwrap();
    println!("clean.png: {:.2} dB; {reported:.2} dB by the weighted losses of the last 200 steps", psnr(&eval));
    // Were losses not weighted, those of pixels that are drawn for their errors would look several dB worse.
    assert!(psnr(&eval) > 40.0 && (psnr(&eval) - reported).abs() < 2.0);
    let out = output(folder.path(), &[&fit[..], &run[..4]].concat());
    assert!(!out.status.success() && String::from_utf8_lossy(&out.stderr).contains("--points"));
}

#[test]
fn the_first_loss_is_that_of_the_untrained_model() {
    let folder = tempfile::tempdir().unwrap();
    discs(&folder.path().join("discs"), 5);
    let arguments = train("m.safetensors", &["--steps", "1", "--log", "log.jsonl", "--points", "0", "--latents", "5"]);
    assert!(output(folder.path(), &arguments).status.success());
    let line: serde_json::Value =
        serde_json::from_str(std::fs::read_to_string(folder.path().join("log.jsonl")).unwrap().trim()).unwrap();
    // One step at a tiny rate leaves the model where it was: the f64 twin's own loss on the written file.
    let arguments = train(
        "still.safetensors",
        &[
            "--steps",
            "1",
            "--points",
            "0",
            "--latents",
            "5",
            "--latent-lr",
            "1e-12",
            "--lr-end",
            "0",
            "--warm-up",
            "1000000000",
        ],
    );
    assert!(output(folder.path(), &arguments).status.success());
    let model = file::load(&folder.path().join("still.safetensors")).unwrap();
    let (mut sum, mut count) = (0.0, 0);
    for (name, path) in model.latents.names().iter().zip(pictures(&folder.path().join("discs")).unwrap()) {
        let truth = Picture::load(&path, 3, ValueRange::default()).unwrap();
        let domain = Domain::Grid(Coordinates::default().grid(16, 16, None).unwrap());
        let got = common::oracle(&model, model.latents.get(model.latents.find(name).unwrap()), &domain);
        sum += got.iter().zip(&truth.values).map(|(g, &t)| (g - f64::from(t)).powi(2)).sum::<f64>();
        count += got.len();
    }
    let (exact, logged) = (sum / f64::from(u32::try_from(count).unwrap()), line["loss"].as_f64().unwrap());
    println!("loss {logged}, exact {exact}");
    assert!((logged / exact - 1.0).abs() < 1e-5);
}

#[test]
fn an_interrupted_run_goes_on_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    discs(&folder.path().join("discs"), 9);
    for more in [
        &["--head", "low-rank", "--rank", "3"][..],
        &["--sampling", "error"],
        &["--ema", "0.9", "--clip", "1", "--schedule", "step", "--lr-every", "30", "--coords", "corner"],
        &["--inner-steps", "2", "--inner-lr", "0.3", "--ema", "0.9"],
    ] {
        let straight = train("straight.safetensors", &[&["--steps", "120"], more].concat());
        assert!(output(folder.path(), &straight).status.success());
        // Checkpoints at every step, so that a kill at any moment leaves one.
        let arguments =
            train("broken.safetensors", &[&["--steps", "120", "--checkpoint-every", "1e-9"], more].concat());
        let mut child = hypersine(folder.path(), &arguments).stderr(Stdio::null()).spawn().unwrap();
        let checkpoint = folder.path().join("broken.checkpoint.safetensors");
        let started = Instant::now();
        while !checkpoint.exists() && started.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(30));
        // SIGKILL, whatever is being written.
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(file::load(&checkpoint).is_ok(), "the checkpoint of a killed run is a model");
        let resume = ["train", "discs", "-o", "broken.safetensors", "-q", "--resume"];
        let out = output(folder.path(), &resume);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        assert!(!checkpoint.exists(), "a finished run leaves no checkpoint");
        let load = |name: &str| file::load(&folder.path().join(name)).unwrap();
        let (a, b) = (load("straight.safetensors"), load("broken.safetensors"));
        assert!(a.hypernetwork == b.hypernetwork && a.latents == b.latents, "{more:?}");
    }
}

#[cfg(unix)]
#[test]
fn who_ends_a_run_finds_a_checkpoint_and_how_to_go_on() {
    for signal in ["-INT", "-TERM", "-HUP"] {
        end_by(signal);
    }
}

#[cfg(unix)]
fn end_by(signal: &str) {
    let folder = tempfile::tempdir().unwrap();
    discs(&folder.path().join("discs"), 4);
    let arguments = train("m.safetensors", &["--steps", "1000000", "--log", "log.jsonl"]);
    let child = hypersine(folder.path(), &arguments).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while std::fs::read_to_string(folder.path().join("log.jsonl")).unwrap_or_default().lines().count() < 3 {
        assert!(started.elapsed() < Duration::from_secs(60), "no step in a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = child.id().to_string();
    // One request may arrive twice, as from `timeout`.
    for _ in 0..2 {
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }
    let out = child.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(1), "{message}");
    assert!(message.contains("--resume") && message.contains("m.checkpoint.safetensors"), "{message}");
    assert!(file::load(&folder.path().join("m.checkpoint.safetensors")).is_ok());
    assert!(!folder.path().join("m.safetensors").exists());
}

#[test]
fn a_family_is_trained_and_unseen_pictures_are_encoded() {
    let folder = tempfile::tempdir().unwrap();
    discs(&folder.path().join("discs"), 24);
    let arguments =
        train("m.safetensors", &["--steps", "1500", "--latents", "12", "--points", "64", "--preview", "p.png"]);
    assert!(output(folder.path(), &arguments).status.success());
    assert!(folder.path().join("p.png").exists());
    let seen =
        json(folder.path(), &["eval", "m.safetensors", "discs", "--device", "cpu"])["mean"]["psnr"].as_f64().unwrap();
    // A disc whose latent the training never saw: found from all pixels, and from a third of them.
    discs(&folder.path().join("others"), 25);
    let unseen = ["encode", "m.safetensors", "others/disc24.png", "-o"];
    let psnr = |report: &serde_json::Value| report["mean"]["psnr"].as_f64().unwrap();
    let all = psnr(&json(folder.path(), &[&unseen[..], &["z.npy"]].concat()));
    let some = psnr(&json(folder.path(), &[&unseen[..], &["some.npy", "--points", "85"]].concat()));
    let none = psnr(&json(folder.path(), &[&unseen[..], &["none.npy", "--steps", "0"]].concat()));
    println!("seen {seen:.2} dB; unseen: {all:.2} from all pixels, {some:.2} from a third, {none:.2} at the start");
    assert!(seen > 18.0 && all > none + 2.0 && some > none + 1.0);
    // What was found renders.
    assert!(
        output(
            folder.path(),
            &["render", "m.safetensors", "--latent", "z.npy", "--size", "32", "-o", "z.png", "--device", "cpu"]
        )
        .status
        .success()
    );
}

#[test]
fn a_meta_learned_model_is_encoded_by_its_own_inner_steps() {
    let folder = tempfile::tempdir().unwrap();
    discs(&folder.path().join("discs"), 6);
    let arguments = train("m.safetensors", &["--steps", "100", "--inner-steps", "3", "--inner-lr", "0.3"]);
    assert!(output(folder.path(), &arguments).status.success());
    let encoded = |more: &[&str]| {
        let report =
            json(folder.path(), &[&["encode", "m.safetensors", "discs/disc05.png", "-o", "z.npy"], more].concat());
        report["mean"]["psnr"].as_f64().unwrap()
    };
    let table = json(folder.path(), &["eval", "m.safetensors", "discs/disc05.png", "--device", "cpu"]);
    let table = table["mean"]["psnr"].as_f64().unwrap();
    let own = encoded(&[]);
    // Alone or with others, a signal's latent is the same but for the rounding of products of another size.
    assert!((table - own).abs() < 1e-3, "the table holds what encode finds: {table} {own}");
    assert_eq!(encoded(&["--steps", "3", "--lr", "0.3"]), own);
    let others = [encoded(&["--steps", "30"]), encoded(&["--adam", "--prior", "0.1"]), encoded(&["--steps", "0"])];
    println!("3 steps {own:.2} dB; 30, Adam's 300, none: {others:.2?}");
    assert!(others[0] > own && others[1] > own && others[2] < own);
    let out = output(folder.path(), &["encode", "m.safetensors", "discs", "-o", "z/", "--prior", "0.1"]);
    let message = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.code() == Some(1) && message.contains("--adam"), "{message}");
}

#[test]
fn what_cannot_be_learned_is_said_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    discs(&folder.path().join("discs"), 3);
    std::fs::write(folder.path().join("bad.toml"), "[network]\nwidht = 3\n").unwrap();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let cases: [(&[&str], &str); 10] = [
        (&["train", "empty", "-o", "m.safetensors"], "no pictures"),
        (&["train", "nothing", "-o", "m.safetensors"], "nothing"),
        (&["fit", "discs", "-o", "m.safetensors"], "hypersine train"),
        (&["fit", "discs/disc00.png", "-o", "m.safetensors", "--width", "9999"], "--width 9999"),
        (&["fit", "discs/disc00.png", "-o", "m.safetensors", "--device", "no such GPU"], "no such GPU"),
        (&["train", "discs", "-o", "m.safetensors", "--config", "bad.toml"], "widht"),
        (&["train", "discs", "-o", "m.safetensors", "--inner-steps", "3", "--inner-lr", "0"], "--inner-lr 0"),
        (&["train", "discs", "-o", "m.safetensors", "--resume"], "m.checkpoint.safetensors"),
        (&["encode", "@emoji", "discs/disc00.png", "discs/disc01.png", "-o", "z.npy"], "z.npy"),
        (
            &["fit", "discs/disc00.png", "-o", "m.safetensors", "--lr", "1e6", "--steps", "400", "--width", "16"],
            "diverged",
        ),
    ];
    for (arguments, word) in cases {
        let out = output(folder.path(), &[arguments, &["-q"]].concat());
        let message = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(1), "{arguments:?}: {message}");
        assert!(message.contains(word) && message.trim().lines().count() == 1, "{arguments:?}: {message}");
        assert!(!folder.path().join("m.safetensors").exists() && !folder.path().join("z.npy").exists());
    }
}

#[test]
fn settings_come_from_a_file_and_flags_win() {
    let folder = tempfile::tempdir().unwrap();
    discs(&folder.path().join("discs"), 3);
    let text = "[network]\nwidth = 12\nlayers = 3\n[family]\nhead = \"shift\"\n[stop]\nsteps = 2\n";
    std::fs::write(folder.path().join("run.toml"), text).unwrap();
    let arguments = ["train", "discs", "-o", "m.safetensors", "--config", "run.toml", "--layers", "2", "-q"];
    assert!(output(folder.path(), &arguments).status.success());
    let model = file::load(&folder.path().join("m.safetensors")).unwrap();
    assert_eq!(model.inr.to_string(), "2-12x2-3");
    assert!(model.hypernetwork.heads[0].modulation.is_some());
    assert_eq!(model.training.unwrap()["stop"]["steps"], 2);
    // The settings of a run can be taken out of its model and used again: the same seed gives the same model.
    let settings = output(folder.path(), &["info", "m.safetensors", "--config"]);
    std::fs::write(folder.path().join("again.toml"), settings.stdout).unwrap();
    let again = ["train", "discs", "-o", "n.safetensors", "--config", "again.toml", "-q"];
    assert!(output(folder.path(), &again).status.success());
    let bytes = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert!(bytes("m.safetensors") == bytes("n.safetensors"));
}

/// A run of a few steps on a device: the loss of every step, and the run.
fn run(engine: &Engine, config: &Config, signals: &Signals, steps: usize) -> (Vec<f64>, Trainer) {
    let mut trainer = Trainer::new(config.clone(), signals.clone(), 3, engine).unwrap();
    let losses = (0..steps).map(|_| trainer.step().unwrap().loss).collect();
    (losses, trainer)
}

/// Largest difference of losses, as a part of them.
fn apart(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| ((a - b) / b).abs()).fold(0.0, f64::max)
}

/// Points of a sphere along a spiral, each with its normal, as XYZ text.
fn oriented_ball(points: u16) -> String {
    let line = |i: u16| {
        let z = 1.0 - (2.0 * f32::from(i) + 1.0) / f32::from(points);
        let (sine, cosine) = (2.4 * f32::from(i)).sin_cos();
        let r = (1.0 - z * z).sqrt();
        let [x, y] = [r * cosine, r * sine];
        format!("{x} {y} {z} {x} {y} {z}\n")
    };
    (0..points).map(line).collect()
}

#[test]
fn gpus_learn_as_the_cpu_does() {
    let folder = tempfile::tempdir().unwrap();
    discs(folder.path(), 6);
    let load = |path: &Path| Signals::load(path, Some(3), ValueRange::default(), Coordinates::default()).unwrap();
    // A family with all that a run can have, and one picture.
    let family = Config {
        network: NetworkConfig { width: 20, layers: 2, ..NetworkConfig::default() },
        family: Some(FamilyConfig { latent_dim: 8, features: 12, ..FamilyConfig::default() }),
        batch: BatchConfig { latents: 4, points: 50, sampling: Sampling::Error },
        optimiser: OptimiserConfig {
            lr: 2e-3,
            clip: Some(0.02),
            weight_decay: 0.1,
            ema: Some(0.9),
            ..Config::train().optimiser
        },
        ..Config::train()
    };
    let single = Config {
        network: NetworkConfig { width: 64, layers: 4, ..NetworkConfig::default() },
        batch: BatchConfig { points: 0, ..BatchConfig::default() },
        ..Config::fit()
    };
    let meta = Config {
        family: Some(FamilyConfig { inner_steps: 2, ..family.family.clone().unwrap() }),
        batch: BatchConfig { sampling: Sampling::Uniform, ..family.batch.clone() },
        ..family.clone()
    };
    // A picture from its Laplacian, and a solid from oriented points: losses of derivatives.
    let poisson = Config {
        network: NetworkConfig { width: 20, layers: 2, ..NetworkConfig::default() },
        loss: LossConfig { supervise: Supervise::Laplacian, ..LossConfig::default() },
        optimiser: OptimiserConfig { lr: 2e-3, ..Config::fit().optimiser },
        ..single.clone()
    };
    let solid = Config {
        network: NetworkConfig { width: 20, layers: 2, ..NetworkConfig::default() },
        loss: LossConfig { kind: LossKind::Oriented, ..LossConfig::default() },
        batch: BatchConfig { points: 150, ..BatchConfig::default() },
        ..Config::fit_solid()
    };
    let picture = load(&folder.path().join("disc01.png"));
    let ball = folder.path().join("ball.xyz");
    std::fs::write(&ball, oriented_ball(400)).unwrap();
    let cases = [
        ("family", family, load(folder.path())),
        ("meta-learned", meta, load(folder.path())),
        ("picture", single, picture.clone()),
        ("picture's Laplacian", poisson, picture),
        ("oriented points", solid, Signals::load_solids(&ball).unwrap()),
    ];
    for (name, config, signals) in cases {
        let (want, cpu) = run(&Engine::cpu(), &config, &signals, 20);
        for engine in gpu_engines() {
            let (got, gpu) = run(&engine, &config, &signals, 20);
            let error = apart(&got, &want);
            println!("{name} on {}: losses of 20 steps within {error:.1e} of the CPU's", engine.describe());
            assert!(want[19] < 0.9 * want[0] && error <= 1e-3);
            // What is written is the same model, means and all; and either device goes on from the other's checkpoint.
            let [a, b] = [&cpu, &gpu].map(|t| t.model().unwrap().hypernetwork.as_ref().clone());
            let [mut a, mut b] = [a, b];
            for ((name, a), (_, b)) in a.tensors_mut().into_iter().zip(b.tensors_mut()) {
                let far = a.iter().zip(&*b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(far < 2e-3, "{name} is {far:.1e} away");
            }
            let path = folder.path().join("run.safetensors");
            gpu.save_checkpoint(&path).unwrap();
            let [mut on_gpu, mut on_cpu] =
                [&engine, &Engine::cpu()].map(|e| Trainer::resume(&path, signals.clone(), e).unwrap());
            let go_on = |t: &mut Trainer| (0..3).map(|_| t.step().unwrap().loss).collect::<Vec<f64>>();
            let mut gpu = gpu;
            let straight = go_on(&mut gpu);
            assert_eq!(straight, go_on(&mut on_gpu), "the same bits after an interruption");
            assert!(apart(&go_on(&mut on_cpu), &straight) <= 1e-3);
        }
    }
}
