//! Shapes as a person meets them: fitted, trained, encoded, meshed, compared and seen; derivatives of pictures learned; bad
//! files that get one clear sentence.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use common::program;
use glam::{DAffine3, DVec3, Vec3};
use hypersine::engine::{Body, Engine};
use hypersine::model::file;
use hypersine::signal::shape::{Geometry, Shape, load};
use hypersine::surface::{Implicit, Search, Settings, components, extract, write};
use hypersine::trace::Scene;

/// On the CPU backend, the fastest where there is no GPU but in software.
fn hypersine(folder: &Path, arguments: &[&str]) -> Output {
    program::hypersine(folder, &[arguments, &["--device", "cpu"]].concat())
}

fn json(folder: &Path, arguments: &[&str]) -> serde_json::Value {
    program::json(folder, &[arguments, &["--device", "cpu"]].concat())
}

fn fails(folder: &Path, arguments: &[&str], words: &[&str]) {
    program::fails(folder, &[arguments, &["--device", "cpu"]].concat(), words);
}

/// The distance from an ellipsoid of these half axes, nearly: exact enough for its surface.
struct Ellipsoid(Vec3);

impl Implicit for Ellipsoid {
    fn values(&mut self, points: &[f32], out: &mut [f32]) -> hypersine::Result<()> {
        let values =
            points.as_chunks::<3>().0.iter().map(|&p| ((Vec3::from(p) / self.0).length() - 1.0) * self.0.min_element());
        out.iter_mut().zip(values).for_each(|(out, v)| *out = v);
        Ok(())
    }

    fn gradients(&mut self, points: &[f32], out: &mut [f32]) -> hypersine::Result<()> {
        for (out, &p) in out.as_chunks_mut::<3>().0.iter_mut().zip(points.as_chunks::<3>().0) {
            let scaled = Vec3::from(p) / self.0;
            *out = (scaled / self.0 / scaled.length() * self.0.min_element()).to_array();
        }
        Ok(())
    }
}

/// Writes an ellipsoid in a world where one unit of the box is five, far from the origin.
fn ellipsoid(path: &Path, half_axes: Vec3) {
    let settings = Settings { cells: 40, search: Search::Everywhere, ..Settings::default() };
    let (surface, _) = extract(&mut Ellipsoid(half_axes), &settings).unwrap();
    let place = DAffine3::from_translation(DVec3::new(10.0, 20.0, -30.0)) * DAffine3::from_scale(DVec3::splat(5.0));
    write(path, &surface, &place).unwrap();
}

const SMALL: [&str; 10] = ["--width", "32", "--layers", "2", "--omega", "10", "--points", "512", "--lr", "2e-3"];

#[test]
fn a_shape_is_fitted_meshed_compared_and_seen() {
    let dir = tempfile::tempdir().unwrap();
    let axes = Vec3::new(0.8, 0.5, 0.6);
    ellipsoid(&dir.path().join("egg.ply"), axes);
    let volume = 4.0 / 3.0 * std::f64::consts::PI * (axes * 5.0).as_dvec3().to_array().iter().product::<f64>();
    // What is only told apart, inside from outside, takes longer.
    for (loss, steps) in [("l1", "400"), ("occupancy", "1500"), ("oriented", "400")] {
        let fit = ["fit", "egg.ply", "-o", "egg.safetensors", "--loss", loss, "--steps", steps];
        json(dir.path(), &[&fit[..], &SMALL].concat());
        let mesh = json(dir.path(), &["mesh", "egg.safetensors", "--resolution", "48", "-o", "again.obj"]);
        let off = mesh["volume"].as_f64().unwrap() / volume - 1.0;
        let eval = json(dir.path(), &["eval", "egg.safetensors", "egg.ply", "--resolution", "48"]);
        let (iou, chamfer) = (eval["mean"]["iou"].as_f64().unwrap(), eval["mean"]["chamfer_l1"].as_f64().unwrap());
        let missed = eval["mean"]["completeness"].as_f64().unwrap();
        println!("{loss}: volume off by {off:.4}, IoU {iou:.4}, Chamfer-L1 {chamfer:.5}, {missed:.5} from the truth");
        assert!(missed < 0.03);
        if loss == "oriented" {
            // After so few steps there are other surfaces where no point lies: nothing says yet which side that is.
            continue;
        }
        assert!(iou > 0.93 && chamfer < 0.04 && off.abs() < 0.06);
        assert_eq!(eval["mean"]["eikonal"].is_null(), loss == "occupancy");
        // One solid; crumbs of less than a hundredth of it are no second one.
        let second = mesh["components"][1].as_f64().unwrap_or(0.0);
        assert!(second < 0.01, "{}", mesh["components"]);

        // In the world again, closed, and where it was.
        let again = load::mesh(&dir.path().join("again.obj")).unwrap();
        assert!(again.is_closed());
        let [low, high] = again.bounds().map(Vec3::as_dvec3);
        assert!(((low + high) / 2.0 - DVec3::new(10.0, 20.0, -30.0)).length() < 0.3, "{low} {high}");
        assert!(((high - low) / 10.0 - axes.as_dvec3()).length() < 0.1, "{low} {high}");

        // Seen along z: wide and low; along x: narrow and low. What is outside is background.
        for (camera, half) in [("0,0", axes.x), ("90,0", axes.z)] {
            let picture =
                ["render", "egg.safetensors", "--size", "96x96", "--plain", "--camera", &format!("{camera},8,0")];
            json(dir.path(), &[&picture[..], &["-o", "egg.png"]].concat());
            let picture = image::open(dir.path().join("egg.png")).unwrap().to_rgb8();
            let background = *picture.get_pixel(0, 0);
            let solid =
                |x: u32, y: u32| picture.get_pixel(x, y).0.iter().zip(background.0).any(|(a, b)| a.abs_diff(b) > 4);
            let across = (0..96).filter(|&x| solid(x, 48)).count() as f32;
            let up = (0..96).filter(|&y| solid(48, y)).count() as f32;
            println!("{loss} from {camera}: {across} x {up} pixels");
            assert!((across / up - half / axes.y).abs() < 0.08, "{across} x {up}");
        }
    }
    let model = file::load(&dir.path().join("egg.safetensors")).unwrap();
    let frame = model.solid.unwrap().frame(None);
    // The longest side, eight units, spans [-0.9, 0.9].
    assert!((frame.scale - 4.0 / 0.9).abs() < 0.05, "{frame:?}");
}

#[test]
fn a_residual_decoder_learns_who_is_inside() {
    let dir = tempfile::tempdir().unwrap();
    let eggs = dir.path().join("eggs");
    std::fs::create_dir(&eggs).unwrap();
    for (i, height) in [0.3, 0.5, 0.7].into_iter().enumerate() {
        ellipsoid(&eggs.join(format!("egg{i}.stl")), Vec3::new(0.8, height, 0.5));
    }
    // Occupancy Networks' decoder with three blocks instead of five.
    let network = ["--width", "32", "--layers", "7", "--residual", "--activation", "relu", "--head", "film"];
    let start = ["--trunk-layers", "0", "--init", "zero-residual", "--latent-dim", "8", "--latent-std", "1"];
    let batch = ["--loss", "occupancy", "--points", "512", "--lr", "2e-3", "--steps", "600"];
    json(dir.path(), &[&["train", "eggs", "-o", "eggs.safetensors"][..], &network, &start, &batch].concat());
    let eval = json(dir.path(), &["eval", "eggs.safetensors", "eggs", "--resolution", "32"]);
    let ious: Vec<f64> = eval["signals"].as_array().unwrap().iter().map(|s| s["iou"].as_f64().unwrap()).collect();
    println!("a residual decoder of three eggs: IoU {ious:.4?}");
    assert!(ious.len() == 3 && ious.iter().all(|&iou| iou > 0.93));
    let info = json(dir.path(), &["info", "eggs.safetensors"]);
    assert_eq!(info["inr"], "3-32x7-1 (3 residual)");
    let stream = info["layers"].as_array().unwrap().iter().map(|l| l["stream"] == true);
    assert!(stream.eq((0..8).map(|l| l % 2 == 0)));
    let short = ["train", "eggs", "-o", "no.safetensors", "--residual", "--layers", "2"];
    fails(dir.path(), &short, &["--residual", "--layers 3"]);
}

#[test]
fn a_family_of_shapes_is_trained_and_others_are_encoded() {
    let dir = tempfile::tempdir().unwrap();
    let eggs = dir.path().join("eggs");
    std::fs::create_dir(&eggs).unwrap();
    for (i, height) in [0.3, 0.4, 0.5, 0.6, 0.7].into_iter().enumerate() {
        ellipsoid(&eggs.join(format!("egg{i}.stl")), Vec3::new(0.8, height, 0.5));
    }
    let train =
        ["train", "eggs#0..4", "-o", "eggs.safetensors", "--steps", "400", "--latent-dim", "4", "--features", "16"];
    json(dir.path(), &[&train[..], &SMALL].concat());
    let eval = json(dir.path(), &["eval", "eggs.safetensors", "eggs#0..4", "--resolution", "40"]);
    let iou = eval["mean"]["iou"].as_f64().unwrap();
    let found = json(dir.path(), &["encode", "eggs.safetensors", "eggs#4..5", "--points", "300", "-o", "z.npy"]);
    let unseen = found["mean"]["iou"].as_f64().unwrap();
    println!("IoU {iou:.4} of four eggs, {unseen:.4} of a fifth from 300 points");
    assert!(iou > 0.9 && unseen > 0.8);
    let morph =
        ["render", "eggs.safetensors", "--from", "egg0", "--to", "egg3", "--steps", "3", "--size", "24x24", "--plain"];
    assert_eq!(json(dir.path(), &[&morph[..], &["-o", "m.gif"]].concat())["pictures"], 3);
    json(dir.path(), &[&morph[..], &["-o", "m.png"]].concat());
    assert_eq!(image::image_dimensions(dir.path().join("m.png")).unwrap(), (72, 24));
    json(dir.path(), &["mesh", "eggs.safetensors", "--latent", "z.npy", "--resolution", "24", "-o", "z.glb"]);
    let mesh = load::mesh(&dir.path().join("z.glb")).unwrap();
    let pieces = components(&mesh);
    assert!(pieces.iter().skip(1).all(|piece| piece.volume.abs() < 0.01 * pieces[0].volume), "{pieces:?}");
    assert!(Shape::new(Geometry::Mesh(mesh)).has_inside());
    fails(dir.path(), &["eval", "eggs.safetensors", "eggs#3..9"], &["eggs", "5 shapes"]);

    // A residual hypernetwork over a fitted egg begins as that egg, whatever the latent.
    let fit = ["fit", "eggs/egg2.stl", "-o", "egg.safetensors", "--steps", "400"];
    json(dir.path(), &[&fit[..], &SMALL].concat());
    let iou = |model: &str, signals: &str| {
        let eval = json(dir.path(), &["eval", model, signals, "--resolution", "40"]);
        eval["mean"]["iou"].as_f64().unwrap()
    };
    let over = |base: &'static str, more: &[&'static str]| {
        let train =
            ["train", "eggs#0..4", "-o", "over.safetensors", "--base", base, "--latent-dim", "4", "--points", "512"];
        [&train[..], more].concat()
    };
    json(dir.path(), &over("egg.safetensors", &["--init", "zero-residual", "--steps", "1", "--lr", "1e-9"]));
    std::fs::create_dir(dir.path().join("one")).unwrap();
    std::fs::copy(eggs.join("egg2.stl"), dir.path().join("one/egg2.stl")).unwrap();
    let (base, started) = (iou("egg.safetensors", "eggs/egg2.stl"), iou("over.safetensors", "one"));
    json(dir.path(), &over("egg.safetensors", &["--head", "gain", "--steps", "300", "--lr", "2e-3"]));
    let learned = iou("over.safetensors", "eggs#0..4");
    println!("IoU {base:.4} of the base, {started:.4} of a family over it, {learned:.4} of four eggs with gains");
    assert!((base - started).abs() < 1e-3 && learned > 0.9);
    fails(dir.path(), &over("eggs.safetensors", &[]), &["--base eggs.safetensors", "family"]);
    fails(dir.path(), &over("egg.safetensors", &["--init", "hyperfan-in"]), &["hyperfan"]);
    fails(dir.path(), &["mesh", "eggs.safetensors", "-o", "out.ply"], &["--latent"]);
    fails(dir.path(), &["mesh", "eggs.safetensors", "--latent", "egg0", "-o", "out.txt"], &["out.txt", ".ply"]);
}

#[test]
fn a_picture_is_found_again_from_its_derivatives() {
    let dir = tempfile::tempdir().unwrap();
    let smooth = image::GrayImage::from_fn(32, 32, |x, y| {
        let (x, y) = (f64::from(x) / 31.0, f64::from(y) / 31.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
        image::Luma([(120.0 + 70.0 * (5.0 * x + y).sin() * (4.0 * y).cos()) as u8])
    });
    smooth.save(dir.path().join("smooth.png")).unwrap();
    for (of, least) in [("gradient", 40.0), ("laplacian", 15.0)] {
        let fit =
            ["fit", "smooth.png", "-o", "smooth.safetensors", "--supervise", of, "--width", "32", "--layers", "2"];
        json(dir.path(), &[&fit[..], &["--steps", "600", "--lr", "1e-3", "--omega", "15"]].concat());
        let psnr = json(dir.path(), &["eval", "smooth.safetensors", "smooth.png"])["mean"]["psnr"].as_f64().unwrap();
        println!("from its {of}: {psnr:.2} dB");
        assert!(psnr > least);
    }
}

#[test]
fn bad_shapes_get_one_clear_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    let ply = "ply\nformat ascii 1.0\nelement vertex";
    let axes = "property float x\nproperty float y\nproperty float z\n";
    write("empty.off", "OFF\n0 0 0\n");
    write("nan.off", "OFF\n3 1 0\n0 0 0\n1 nan 0\n0 1 0\n3 0 1 2\n");
    write("point.off", "OFF\n3 1 0\n1 1 1\n1 1 1\n1 1 1\n3 0 1 2\n");
    write(
        "huge.ply",
        &format!("{ply} 3\n{axes}element face 50000000\nproperty list uchar int vertex_indices\nend_header\n0 0 0\n"),
    );
    write("bare.xyz", "0 0 0\n1 0 0\n0 1 0\n");
    write("cloud.xyz", "0 0 1 0 0 1\n1 0 0 1 0 0\n0 1 0 0 1 0\n-1 0 0 -1 0 0\n");
    write("open.off", "OFF\n4 2 0\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n3 0 1 2\n3 0 2 3\n");
    let fit = |file: &str, words: &[&str]| {
        fails(dir.path(), &["fit", file, "-o", "out.safetensors", "--steps", "1"], &[&[file], words].concat());
    };
    fit("empty.off", &[]);
    fit("nan.off", &[]);
    fit("point.off", &[]);
    fit("huge.ply", &[]);
    fit("bare.xyz", &["normal"]);
    fails(dir.path(), &["fit", "cloud.xyz", "-o", "out.safetensors"], &["cloud", "point cloud"]);
    // An open mesh is taken, with a word of warning.
    let open = hypersine(dir.path(), &["fit", "open.off", "-o", "open.safetensors", "--steps", "1", "--width", "8"]);
    assert!(open.status.success() && String::from_utf8_lossy(&open.stderr).contains("open"), "{open:?}");

    // What belongs to pictures, and what to solids.
    let picture = ["render", "@emoji", "--latent", "cat", "-o", "out.png"];
    fails(dir.path(), &[&picture[..], &["--camera", "30,20"]].concat(), &["--camera"]);
    fails(dir.path(), &["mesh", "@emoji", "--latent", "cat", "-o", "out.ply"], &["pictures"]);
    fails(dir.path(), &["render", "open.safetensors", "--region=-1,-1,0,0", "-o", "out.png"], &["--region"]);
    fails(dir.path(), &["view", "open.off", "--latent", "0"], &["--latent"]);
    let learned = ["fit", "open.off", "-o", "out.safetensors"];
    fails(dir.path(), &[&learned[..], &["--supervise", "gradient"]].concat(), &["--supervise"]);
    fails(dir.path(), &[&learned[..], &["--loss", "occupancy", "--clamp", "0.1"]].concat(), &["--clamp"]);
    fails(dir.path(), &[&learned[..], &["--points", "0"]].concat(), &["--points"]);
}

#[test]
fn a_fitted_balls_outline_is_a_balls() {
    const SIDE: usize = 256;
    let dir = tempfile::tempdir().unwrap();
    ellipsoid(&dir.path().join("ball.ply"), Vec3::splat(0.6));
    json(dir.path(), &[&["fit", "ball.ply", "-o", "ball.safetensors", "--steps", "1200"], &SMALL[..]].concat());
    let model = Arc::new(file::load(&dir.path().join("ball.safetensors")).unwrap());
    let mut body = Body::new(&Engine::cpu(), &model, &[]).unwrap();
    // Its longest side spans [-0.9, 0.9].
    let mut ball = Ellipsoid(Vec3::splat(0.9));
    let seen = |field: &mut dyn Implicit| {
        let mut hit = Vec::new();
        let rows = |rows: &[f32]| {
            hit.extend(rows.iter().map(|depth| depth.is_finite()));
            Ok(())
        };
        let side = u32::try_from(SIDE).unwrap();
        let statistics = Scene::default().depths(field, side, side, rows).unwrap();
        assert_eq!(hit.len(), SIDE * SIDE);
        (hit, statistics)
    };
    let ((found, statistics), (exact, _)) = (seen(&mut body), seen(&mut ball));
    // A pixel may differ only beside the exact outline.
    let beside = |i: usize| {
        let (x, y) = (i % SIDE, i / SIDE);
        let near = |v: usize| v.saturating_sub(1)..(v + 2).min(SIDE);
        near(y).any(|v| near(x).any(|u| exact[v * SIDE + u] != exact[i]))
    };
    let differs: Vec<usize> = (0..found.len()).filter(|&i| found[i] != exact[i]).collect();
    let inside = exact.iter().filter(|&&hit| hit).count();
    println!(
        "a ball of {inside} pixels: {} differ, {:.1} steps a ray, {} given up",
        differs.len(),
        statistics.steps as f64 / statistics.traced as f64,
        statistics.lost
    );
    assert!(inside > SIDE * SIDE / 8);
    assert!(differs.into_iter().all(beside));
}
