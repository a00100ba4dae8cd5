//! What a program owes its user: nothing lost, nothing half-written, no work for nothing.

use std::process::Stdio;
use std::time::{Duration, Instant};

use image::{GrayImage, RgbImage};

use crate::common::program::{command, fails, json, ok};

/// A folder with a picture of that size, light to the right.
fn folder_with_picture(width: u32, height: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let shade = |x: u32| image::Rgb([u8::try_from(255 * x / width).unwrap(), 90, 90]);
    RgbImage::from_fn(width, height, |x, _| shade(x)).save(folder.path().join("picture.png")).unwrap();
    folder
}

#[test]
fn outputs_are_checked_before_the_work() {
    let folder = folder_with_picture(16, 16);
    let fit = |output: &'static str, more: &[&'static str]| {
        // Enough steps for hours: whoever begins them is not back in time.
        let run = ["fit", "picture.png", "--steps", "100000000", "--device", "cpu", "-o", output];
        [&run[..], more].concat()
    };
    let folder = folder.path();
    fails(folder, &fit("nowhere/m.safetensors", &[]), &["there is no folder nowhere"]);
    fails(folder, &fit("picture.png", &[]), &["ends in .safetensors"]);
    fails(folder, &fit("m", &[]), &["ends in .safetensors"]);
    fails(folder, &fit("m.safetensors", &["--preview", "nowhere/p.png"]), &["there is no folder nowhere"]);
    fails(folder, &fit("m.safetensors", &["--preview", "picture.png"]), &["where the signals lie"]);
    fails(folder, &fit("m.safetensors", &["--preview", "p.jpg"]), &["p.jpg"]);
    fails(folder, &fit("m.safetensors", &["--resume"]), &["m.checkpoint.safetensors", "has ended, or none has begun"]);
    std::fs::create_dir(folder.join("d.safetensors")).unwrap();
    fails(folder, &fit("d.safetensors", &[]), &["a folder has that name"]);
    std::fs::write(folder.join("m.checkpoint.safetensors"), "an unfinished run").unwrap();
    fails(folder, &fit("m.safetensors", &[]), &["m.checkpoint.safetensors", "--resume"]);
    let kept = std::fs::read_to_string(folder.join("m.checkpoint.safetensors")).unwrap();
    assert_eq!(kept, "an unfinished run");
    fails(folder, &["bench", "-o", "nowhere/r.json"], &["there is no folder nowhere"]);
    fails(folder, &["mesh", "@bodies", "--latent", "0", "-o", "nowhere/m.stl"], &["there is no folder nowhere"]);
    fails(folder, &["encode", "@emoji", "picture.png", "-o", "nowhere/z.npy"], &["there is no folder nowhere"]);
}

#[test]
fn settings_that_are_no_numbers_are_named() {
    let folder = folder_with_picture(16, 16);
    for setting in ["time", "psnr", "omega", "first-omega", "lr", "clip", "ema"] {
        let arguments = ["fit", "picture.png", "-o", "m.safetensors", &format!("--{setting}"), "nan"];
        fails(folder.path(), &arguments, &[&format!("--{setting} nan")]);
    }
    std::fs::write(folder.path().join("run.toml"), "[stop]\npsnr = nan\n").unwrap();
    let fit = ["fit", "picture.png", "-o", "m.safetensors"];
    fails(folder.path(), &[&fit[..], &["--config", "run.toml"]].concat(), &["run.toml", "psnr = nan"]);
    fails(folder.path(), &["render", "@emoji", "--latent", "0", "--size", "0", "-o", "p.png"], &["0x0"]);
    fails(folder.path(), &[&fit[..], &["--time=-1"]].concat(), &["--time -1"]);
    fails(folder.path(), &[&fit[..], &["--lr-every", "0"]].concat(), &["--lr-every 0"]);
    fails(folder.path(), &["encode", "@bodies", "picture.png", "-o", "z.npy", "--noise", "nan"], &["--noise"]);
}

#[test]
fn a_mask_has_the_size_of_its_picture() {
    let folder = folder_with_picture(64, 64);
    GrayImage::from_pixel(32, 32, image::Luma([255])).save(folder.path().join("mask.png")).unwrap();
    let encode = ["encode", "@emoji", "picture.png", "--mask", "mask.png", "-o", "z.npy", "--device", "cpu"];
    fails(folder.path(), &encode, &["mask.png", "32x32", "64x64"]);
}

#[test]
fn pictures_come_back_in_their_own_proportions() {
    let folder = folder_with_picture(60, 24);
    let at = |name: &str| folder.path().join(name);
    let fit = ["fit", "picture.png", "--width", "16", "--steps", "300", "--lr", "1e-3", "-o", "m.safetensors"];
    ok(folder.path(), &fit);
    ok(folder.path(), &["render", "m.safetensors", "--size", "60", "-o", "again.png"]);
    let [again, own] = ["again.png", "picture.png"].map(|name| image::open(at(name)).unwrap().to_rgb8());
    assert_eq!(again.dimensions(), own.dimensions());
    let wrong = own.pixels().zip(again.pixels()).flat_map(|(a, b)| (0..3).map(|c| a.0[c].abs_diff(b.0[c])));
    let worst = wrong.max().unwrap();
    println!("at most {worst} of 255 apart");
    assert!(worst < 30);
    let size = json(folder.path(), &["info", "m.safetensors"])["coordinates"]["size"].clone();
    assert_eq!(size, serde_json::json!([60, 24]));
    ok(folder.path(), &["render", "m.safetensors", "--size", "32x32", "-o", "square.png"]);
    assert_eq!(image::open(at("square.png")).unwrap().to_rgb8().dimensions(), (32, 32));
}

#[test]
fn two_signals_of_one_name_are_refused() {
    let folder = folder_with_picture(16, 16);
    let pictures = folder.path().join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    let picture = image::open(folder.path().join("picture.png")).unwrap();
    for ending in ["png", "bmp.png", "jpg"] {
        picture.save(pictures.join(format!("cat.{ending}"))).unwrap();
    }
    fails(folder.path(), &["train", "pictures", "-o", "m.safetensors"], &["two signals have the name 'cat'"]);
    // With names of their own they are a family.
    std::fs::remove_file(pictures.join("cat.jpg")).unwrap();
    ok(folder.path(), &["train", "pictures", "--steps", "1", "--width", "8", "-o", "m.safetensors"]);
    let names = json(folder.path(), &["info", "m.safetensors"])["latents"].clone();
    assert_eq!(names, serde_json::json!(["cat.bmp", "cat"]));
}

#[test]
fn a_level_that_nothing_crosses_has_no_surface() {
    let folder = tempfile::tempdir().unwrap();
    for level in ["--level=100", "--level=-100"] {
        let mesh = ["mesh", "@bodies", "--latent", "0", "--resolution", "16", level, "-o", "m.stl"];
        fails(folder.path(), &mesh, &["no value crosses"]);
    }
}

#[test]
fn what_is_no_model_is_called_by_its_name() {
    let folder = folder_with_picture(16, 16);
    std::fs::write(folder.path().join("m.pth"), b"PK\x03\x04 and so on").unwrap();
    fails(folder.path(), &["info", "m.pth"], &["m.pth", "PyTorch", "hypersine import"]);
    fails(folder.path(), &["render", "picture.png", "-o", "p.png"], &["a picture", "hypersine fit"]);
    ok(folder.path(), &["fit", "picture.png", "--width", "8", "--steps", "1", "-o", "own.safetensors"]);
    fails(folder.path(), &["import", "own.safetensors", "-o", "m.safetensors"], &["model of Hypersine's already"]);
}

/// Whoever reads the first lines alone is no reason to stop, and a full disk is said in a sentence.
#[cfg(target_os = "linux")]
#[test]
fn output_that_nobody_takes_is_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["info", "@emoji", "--names"][..], &["devices"], &["bench", "--help"]] {
        let mut child =
            command(folder.path(), arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let out = child.wait_with_output().unwrap();
        let message = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success() && !message.contains("panicked"), "{arguments:?}: {message}");
    }
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let out = command(folder.path(), &["info", "@emoji"]).stdout(full).output().unwrap();
    let message = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.code() == Some(1) && message.contains("standard output"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}

/// Who is told to end while writing leaves nothing behind.
#[cfg(unix)]
#[test]
fn an_interrupted_write_leaves_nothing() {
    for signal in ["-INT", "-TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let picture = folder.path().join("pictures");
        std::fs::create_dir(&picture).unwrap();
        let render =
            ["render", "@emoji", "--latent", "0", "--device", "cpu", "--size", "60000", "-o", "pictures/p.png"];
        let mut child = command(folder.path(), &render).stderr(Stdio::piped()).spawn().unwrap();
        let files = || std::fs::read_dir(&picture).unwrap().count();
        let started = Instant::now();
        while files() == 0 {
            assert!(started.elapsed() < Duration::from_secs(60), "nothing is written");
            std::thread::sleep(Duration::from_millis(5));
        }
        let told = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(told.success());
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert_eq!(files(), 0, "{signal}");
    }
}
