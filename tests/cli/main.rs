//! The program as a person runs it: good commands, and bad input that gets one clear sentence, exit 1 and
//! nothing written.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bench;
mod care;
#[path = "../common/mod.rs"]
mod common;

use common::fixture;
use common::program::{command, fails, hypersine, json, ok};
use hypersine::model::file::{self, Precision};
use hypersine::model::{self, Source};
use image::AnimationDecoder;

#[test]
fn render_writes_what_was_asked() {
    let dir = tempfile::tempdir().unwrap();
    let cpu = ["--device", "cpu"];
    ok(dir.path(), &[&["render", "@emoji", "--latent", "alien", "--size", "40x30", "-o", "a.png"], &cpu[..]].concat());
    let picture = image::open(dir.path().join("a.png")).unwrap().to_rgb8();
    assert_eq!(picture.dimensions(), (40, 30));
    // The alien's face is green where its forehead is, and the corner is white.
    let [r, g, b] = picture.get_pixel(20, 6).0;
    assert!(g > r && g > b, "{r} {g} {b}");
    assert!(picture.get_pixel(0, 0).0.iter().all(|&c| c > 240));

    // The lower right quarter at twice the density is the same picture.
    ok(dir.path(), &[&["render", "@emoji", "--latent", "alien", "--size", "64", "-o", "whole.png"], &cpu[..]].concat());
    ok(
        dir.path(),
        &[
            &["render", "@emoji", "--latent", "alien", "--size", "32", "--region", "0,0,1,1", "-o", "part.png"],
            &cpu[..],
        ]
        .concat(),
    );
    let whole = image::open(dir.path().join("whole.png")).unwrap().to_rgb8();
    let part = image::open(dir.path().join("part.png")).unwrap().to_rgb8();
    assert!(part.enumerate_pixels().all(|(x, y, p)| p == whole.get_pixel(32 + x, 32 + y)));

    ok(dir.path(), &[&["render", "@emoji", "--latent", "alien", "--size", "64", "-o", "whole.exr"], &cpu[..]].concat());
    let exr = image::open(dir.path().join("whole.exr")).unwrap().to_rgb32f();
    let encode = |l: f32| if l <= 0.003_130_8 { l * 12.92 } else { 1.055 * l.powf(1.0 / 2.4) - 0.055 };
    for (x, y, p) in exr.enumerate_pixels() {
        for (c, &v) in p.0.iter().enumerate() {
            let display = encode(v).clamp(0.0, 1.0) * 255.0;
            assert!((display - f32::from(whole.get_pixel(x, y).0[c])).abs() < 0.51, "linear light in EXR");
        }
    }
}

#[test]
fn mixes_and_npy_latents() {
    let dir = tempfile::tempdir().unwrap();
    let model = model::builtin("emoji").unwrap();
    let (a, b) = (model.latents.find("cat").unwrap(), model.latents.find("frog").unwrap());
    let mixed: Vec<f32> =
        model.latents.get(a).iter().zip(model.latents.get(b)).map(|(a, b)| 0.7 * a + 0.3 * b).collect();
    let mut npy = b"\x93NUMPY\x01\x00".to_vec();
    let header = format!("{:<117}\n", "{'descr': '<f4', 'fortran_order': False, 'shape': (64,), }");
    npy.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    npy.extend(header.as_bytes());
    npy.extend(bytemuck::cast_slice::<f32, u8>(&mixed));
    std::fs::write(dir.path().join("z.npy"), npy).unwrap();
    ok(
        dir.path(),
        &["render", "@emoji", "--latent", "cat", "--mix", "frog:0.3", "--size", "32", "-o", "a.png", "--device", "cpu"],
    );
    ok(dir.path(), &["render", "@emoji", "--latent", "z.npy", "--size", "32", "-o", "b.png", "--device", "cpu"]);
    let read = |name| image::open(dir.path().join(name)).unwrap().to_rgb8();
    assert!(read("a.png").iter().zip(read("b.png").iter()).all(|(a, b)| a.abs_diff(*b) <= 1));
    fails(dir.path(), &["render", "@emoji", "--latent", "cat", "--mix", "frog", "-o", "c.png"], &["OTHER:T"]);
}

#[test]
fn every_latent_onto_a_sheet_or_into_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let sheet = json(dir.path(), &["render", "@emoji", "--all", "--size", "12", "-o", "sheet.png", "--device", "cpu"]);
    assert_eq!(sheet["pictures"], 256);
    assert_eq!(image::open(dir.path().join("sheet.png")).unwrap().width(), 192);
    ok(dir.path(), &["render", "@emoji", "--all", "--size", "12", "-o", "each", "--device", "cpu"]);
    assert_eq!(std::fs::read_dir(dir.path().join("each")).unwrap().count(), 256);
    let sheet = image::open(dir.path().join("sheet.png")).unwrap().to_rgb8();
    let alien = image::open(dir.path().join("each/alien.png")).unwrap().to_rgb8();
    assert!(alien.enumerate_pixels().all(|(x, y, p)| p == sheet.get_pixel(3 * 12 + x, y)), "alien is number 3");
}

#[test]
fn morphs_samples_depth_and_supersampling() {
    let dir = tempfile::tempdir().unwrap();
    let render = |arguments: &[&str]| {
        ok(dir.path(), &[&["render", "@emoji", "--device", "cpu", "--size", "32"], arguments].concat())
    };
    let read = |name: &str| image::open(dir.path().join(name)).unwrap();
    render(&["--from", "cat", "--to", "frog", "--steps", "5", "-o", "strip.png"]);
    render(&["--from", "cat", "--to", "frog", "--steps", "3", "--slerp", "-o", "frames"]);
    render(&["--latent", "cat", "-o", "cat.png"]);
    render(&["--latent", "frog", "-o", "frog.png"]);
    render(&["--latent", "cat", "--mix", "frog:0.25", "-o", "quarter.png"]);
    let strip = read("strip.png").to_rgb8();
    assert_eq!(strip.dimensions(), (160, 32));
    for (name, column) in [("cat.png", 0), ("quarter.png", 1), ("frog.png", 4)] {
        assert!(
            read(name).to_rgb8().enumerate_pixels().all(|(x, y, p)| p == strip.get_pixel(32 * column + x, y)),
            "{name}"
        );
    }
    assert_eq!(std::fs::read_dir(dir.path().join("frames")).unwrap().count(), 3);
    assert_eq!(read("frames/00002.png").to_rgb8(), read("frog.png").to_rgb8());

    render(&["--sample", "7", "-o", "a.png"]);
    render(&["--sample", "7", "-o", "b.png"]);
    render(&["--sample", "8", "-o", "c.png"]);
    assert_eq!(read("a.png").to_rgb8(), read("b.png").to_rgb8());
    assert_ne!(read("a.png").to_rgb8(), read("c.png").to_rgb8());

    render(&["--latent", "cat", "--depth", "16", "-o", "deep.png"]);
    let deep = read("deep.png");
    assert_eq!(deep.color(), image::ColorType::Rgb16);
    let difference = |(a, b): (&u16, &u8)| (f32::from(*a) / 257.0 - f32::from(*b)).abs();
    assert!(deep.to_rgb16().iter().zip(read("cat.png").to_rgb8().iter()).map(difference).fold(0.0, f32::max) <= 0.51);

    // Supersampled: the mean of a picture of twice the size.
    render(&["--latent", "cat", "--aa", "2", "--depth", "16", "-o", "fine.png"]);
    ok(
        dir.path(),
        &["render", "@emoji", "--latent", "cat", "--size", "64", "--depth", "16", "-o", "large.png", "--device", "cpu"],
    );
    let (fine, large) = (read("fine.png").to_rgb16(), read("large.png").to_rgb16());
    for (x, y, p) in fine.enumerate_pixels() {
        for c in 0..3 {
            let sum: u32 = [(0, 0), (1, 0), (0, 1), (1, 1)]
                .iter()
                .map(|(i, j)| u32::from(large.get_pixel(2 * x + i, 2 * y + j).0[c]))
                .sum();
            // The large picture was clipped before the mean was taken here, so white is only nearly alike.
            assert!((sum / 4).abs_diff(u32::from(p.0[c])) < 1500, "{x},{y}: {} {}", sum / 4, p.0[c]);
        }
    }
    fails(dir.path(), &["render", "@emoji", "--from", "cat", "--to", "frgo", "-o", "d.png"], &["did you mean 'frog'"]);
}

#[test]
fn a_latent_may_be_written_out_in_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let model = model::builtin("emoji").unwrap();
    let z = model.latents.get(model.latents.find("cat").unwrap());
    let list = z.iter().map(f32::to_string).collect::<Vec<_>>().join(",");
    let render = |arguments: &[&str], file: &str| {
        let common = ["render", "@emoji", "--device", "cpu", "--size", "24", "--depth", "16", "-o", file];
        ok(dir.path(), &[&common[..], arguments].concat());
        std::fs::read(dir.path().join(file)).unwrap()
    };
    let inline = format!("--latent={list}");
    assert!(render(&["--latent", "cat"], "a.png") == render(&[&inline], "b.png"), "the same bits");
    let mix = format!("--mix={list}:0.25");
    assert!(render(&["--latent=frog", "--mix=cat:0.25"], "a.png") == render(&["--latent=frog", &mix], "b.png"));
    let bad = |latent: &str, words: &[&str]| {
        fails(dir.path(), &["render", "@emoji", "-o", "c.png", &format!("--latent={latent}")], words);
    };
    bad("0.5,-1", &["2 numbers", "64"]);
    bad(&["inf"; 64].join(","), &["finite"]);
    bad("0.5,x", &["no latent named '0.5,x'"]);
}

#[test]
fn layers_may_come_from_two_latents() {
    let dir = tempfile::tempdir().unwrap();
    let render = |arguments: &[&str]| {
        let common = ["render", "@emoji", "--device", "cpu", "--size", "32", "-o", "a.png"];
        ok(dir.path(), &[&common[..], arguments].concat());
        image::open(dir.path().join("a.png")).unwrap().to_rgb8().into_raw()
    };
    let layers = model::builtin("emoji").unwrap().inr.layers().len();
    let far = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    let (cat, frog) = (render(&["--latent", "cat"]), render(&["--latent", "frog"]));
    let crossed = |k: usize| render(&["--latent", "cat", "--layers-from", &format!("frog:{k}")]);
    assert!(far(&crossed(layers), &cat) <= 1 && far(&crossed(0), &frog) <= 1);
    let between = crossed(2);
    assert!(far(&between, &cat) > 20 && far(&between, &frog) > 20);
    let bad = |layers: &str, words: &[&str]| {
        fails(dir.path(), &["render", "@emoji", "--latent=cat", "-o", "b.png", "--layers-from", layers], words);
    };
    bad("frog:99", &["from 99 on", &layers.to_string()]);
    bad("frog", &["OTHER:K"]);
    bad("frgo:1", &["did you mean 'frog'"]);
}

#[test]
fn samples_may_be_truncated() {
    let dir = tempfile::tempdir().unwrap();
    let render = |arguments: &[&str]| {
        let common = ["render", "@emoji", "--device", "cpu", "--size", "16", "-o", "a.png"];
        ok(dir.path(), &[&common[..], arguments].concat());
        std::fs::read(dir.path().join("a.png")).unwrap()
    };
    let whole = render(&["--sample", "7"]);
    assert!(whole == render(&["--sample", "7", "--truncation", "1"]));
    assert!(whole != render(&["--sample", "7", "--truncation", "0.5"]));
    let mean = render(&["--sample", "7", "--truncation", "0"]);
    assert!(mean == render(&["--sample", "8", "--truncation", "0"]), "nothing but the mean is left");
    fails(dir.path(), &["render", "@emoji", "--sample=7", "--truncation=nan", "-o", "b.png"], &["truncation"]);
}

#[test]
fn morphs_by_way_of_others_and_round_again() {
    let dir = tempfile::tempdir().unwrap();
    let render = |arguments: &[&str], file: &str| {
        let common = ["render", "@emoji", "--device", "cpu", "--size", "32", "-o", file];
        json(dir.path(), &[&common[..], arguments].concat())
    };
    let read = |name: &str| image::open(dir.path().join(name)).unwrap().to_rgb8();
    let way = ["--from", "cat", "--via", "frog", "--via", "parrot", "--to", "tiger"];
    for name in ["cat", "frog", "parrot", "tiger"] {
        render(&["--latent", name], &format!("{name}.png"));
    }
    render(&["--latent", "frog", "--mix", "parrot:0.15625"], "smooth.png");
    let cell = |strip: &str, column: u32| {
        let strip = read(strip);
        image::imageops::crop_imm(&strip, 32 * column, 0, 32, 32).to_image()
    };
    let same = |a: &image::RgbImage, b: &str| a.iter().zip(read(b).iter()).all(|(a, b)| a.abs_diff(*b) <= 1);
    render(&[&way[..], &["--steps", "13", "--easing", "smooth"]].concat(), "strip.png");
    for (column, name) in [(0, "cat"), (4, "frog"), (5, "smooth"), (8, "parrot"), (12, "tiger")] {
        assert!(same(&cell("strip.png", column), &format!("{name}.png")), "{name} is number {column}");
    }
    render(&[&way[..], &["--steps", "8", "--loop"]].concat(), "round.png");
    render(&["--latent", "tiger", "--mix", "cat:0.5"], "half.png");
    for (column, name) in [(0, "cat"), (2, "frog"), (4, "parrot"), (6, "tiger"), (7, "half")] {
        assert!(same(&cell("round.png", column), &format!("{name}.png")), "{name} is number {column}");
    }

    let report = render(&[&way[..], &["--steps", "6", "--fps", "10"]].concat(), "morph.gif");
    assert_eq!(report["pictures"], 6);
    let file = std::io::BufReader::new(std::fs::File::open(dir.path().join("morph.gif")).unwrap());
    let frames = image::codecs::gif::GifDecoder::new(file).unwrap().into_frames().collect_frames().unwrap();
    assert_eq!(frames.len(), 6);
    for (frame, name) in [(&frames[0], "cat.png"), (&frames[5], "tiger.png")] {
        assert_eq!((frame.buffer().dimensions(), frame.delay().numer_denom_ms()), ((32, 32), (100, 1)));
        let frame = image::DynamicImage::from(frame.buffer().clone()).to_rgb8();
        let sum: u32 = frame.iter().zip(read(name).iter()).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        let mean = f64::from(sum) / f64::from(32 * 32 * 3_u32);
        assert!(mean < 3.0, "{name} in 256 colours: {mean}");
    }

    let bad = |arguments: &[&str], words: &[&str]| {
        fails(dir.path(), &[&["render", "@emoji", "--device", "cpu"], arguments].concat(), words);
    };
    bad(&["--latent", "cat", "-o", "a.gif"], &["a.gif", "--from and --to"]);
    bad(&["--from=cat", "--to=frog", "-o", "a.gif", "--fps", "51"], &["51 frames a second"]);
    bad(&["--from=cat", "--to=frog", "-o", "a.gif", "--size", "70000x1"], &["70000x1"]);
    bad(&["--from=cat", "--to=frog", "-o", "nowhere/a.gif"], &["no folder nowhere"]);
    bad(&["--from=cat", "--to=frog", "-o", "a.png", "--fps", "9"], &["--fps", ".gif"]);
    bad(&["--from=cat", "--via=fog", "--to=frog", "-o", "a.gif"], &["did you mean 'frog'"]);
}

#[test]
fn without_a_display_the_bare_command_writes_a_contact_sheet() {
    let dir = tempfile::tempdir().unwrap();
    let out = hypersine(dir.path(), &[]);
    assert!(out.status.success());
    assert!(String::from_utf8_lossy(&out.stderr).contains("contact sheet"));
    assert_eq!(image::open(dir.path().join("hypersine.png")).unwrap().width(), 1024);
    fails(dir.path(), &["view", "@emoji"], &["no display", "render"]);
}

#[test]
fn fused_memory_does_not_grow_with_theta() {
    let dir = tempfile::tempdir().unwrap();
    let report = |strategy| {
        let run =
            ["render", "@emoji", "--all", "--size", "8", "-o", "s.png", "--device", "gpu", "--strategy", strategy];
        json(dir.path(), &run)["report"].clone()
    };
    let get = |report: &serde_json::Value, key: &str| report["memory"][key].as_u64().unwrap();
    let (fused, written) = (report("fused"), report("materialized"));
    println!("fused {fused}\nmaterialized {written}");
    let parts = get(&fused, "model") + get(&fused, "features") + get(&fused, "output");
    assert!(get(&fused, "peak") <= parts + (1 << 20));
    assert_eq!(get(&fused, "theta"), 0);
    assert!(get(&written, "theta") >= 256 * 12_867 * 4);
}

#[test]
fn eval_compares_with_the_signals() {
    let dir = tempfile::tempdir().unwrap();
    ok(dir.path(), &["render", "@emoji", "--all", "--size", "64", "-o", "truth", "--device", "cpu"]);
    for (device, strategy) in [("cpu", "auto"), ("gpu", "fused")] {
        let figures =
            json(dir.path(), &["eval", "@emoji", "truth/cat.png", "--device", device, "--strategy", strategy]);
        // The truth is the model's own picture in 8 bits: only the rounding is left, 58.9 dB where it is
        // uniform, and none at all where the picture is clipped to white.
        let psnr = figures["mean"]["psnr"].as_f64().unwrap();
        assert!((58.5..63.0).contains(&psnr), "{psnr}");
        assert!(figures["mean"]["ssim"].as_f64().unwrap() > 0.99);
        assert_eq!(figures["signals"][0]["name"], "cat");
    }
    std::fs::copy(dir.path().join("truth/cat.png"), dir.path().join("cta.png")).unwrap();
    fails(dir.path(), &["eval", "@emoji", "cta.png"], &["cta", "did you mean 'cat'"]);
}

#[test]
fn import_then_info_and_render() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = fixture("hyper_legacy.pth");
    let checkpoint = checkpoint.to_str().unwrap();
    std::fs::write(dir.path().join("names.json"), r#"["ape", "bee", "cat"]"#).unwrap();
    ok(
        dir.path(),
        &["import", checkpoint, "--names", "names.json", "--axes", "yx", "--coords", "corner", "-o", "m.safetensors"],
    );
    let info = json(dir.path(), &["info", "m.safetensors"]);
    assert_eq!(info["inr"], "2-11x2-3");
    assert_eq!(info["latents"], serde_json::json!(["ape", "bee", "cat"]));
    assert_eq!(info["coordinates"], serde_json::json!({"order": "yx", "align": "corner", "span": "each-axis"}));
    ok(dir.path(), &["render", "m.safetensors", "--latent", "bee", "-o", "bee.png", "--device", "cpu"]);
    std::fs::write(dir.path().join("two.json"), r#"["ape", "bee"]"#).unwrap();
    fails(dir.path(), &["import", checkpoint, "--names", "two.json", "-o", "n.safetensors"], &["2 names", "3 latents"]);

    let plain = fixture("siren.pth");
    ok(dir.path(), &["import", plain.to_str().unwrap(), "-o", "s.safetensors"]);
    ok(dir.path(), &["render", "s.safetensors", "--size", "9", "-o", "s.png", "--device", "cpu"]);
    fails(dir.path(), &["render", "s.safetensors", "--latent", "x", "-o", "t.png"], &["without latents"]);
    fails(dir.path(), &["render", "s.safetensors", "--all", "-o", "t.png"], &["no latents"]);
}

#[test]
fn import_detects_the_layout_and_brings_its_conventions() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| fixture(name).to_str().unwrap().to_owned();
    let coinpp = [&path("coinpp.pth"), "--latents", &path("coinpp_latents.pth"), "--omega", "50"];
    let report = json(dir.path(), &[&["import", "-o", "m.safetensors"], &coinpp[..]].concat());
    assert_eq!((&report["layout"], &report["latents"]), (&"coin++".into(), &3.into()));
    let info = json(dir.path(), &["info", "m.safetensors"]);
    let coordinates = serde_json::json!({"order": "yx", "align": "corner", "span": "each-axis", "interval": "unit"});
    assert_eq!((&info["coordinates"], &info["values"]["low"]), (&coordinates, &0.0.into()));
    assert!(ok(dir.path(), &["info", "m.safetensors"]).contains("[0, 1] along each axis"));
    ok(dir.path(), &["render", "m.safetensors", "--latent", "1", "--size", "9x6", "-o", "m.png", "--device", "cpu"]);

    let said = ok(dir.path(), &["import", &path("coin.pth"), "-o", "c.safetensors"]);
    assert!(said.contains("coin layout"), "{said}");
    ok(dir.path(), &["render", "c.safetensors", "--size", "9x6", "-o", "c.png", "--device", "cpu"]);
    let import = |arguments: &[&str], words: &[&str]| {
        fails(dir.path(), &[&["import", "-o", "bad.safetensors"], arguments].concat(), words);
    };
    import(&[&path("coin.pth"), "--layout", "deepsdf"], &["lin0.weight", "missing"]);
    import(&[&path("deepsdf.pth"), "--latents", &path("coin.pth")], &["4 entries", "coin.pth"]);
    import(&[&path("deepsdf.pth"), "--latents", "nowhere.pth"], &["cannot read", "nowhere.pth"]);
    import(&[&path("deepsdf_layer_norm.pth")], &["bn0", "LayerNorm"]);
}

#[test]
fn info_shows_how_far_activations_spread() {
    let dir = tempfile::tempdir().unwrap();
    let info = json(dir.path(), &["info", "@emoji"]);
    assert_eq!(info["spread_over"], serde_json::json!({"latents": 8, "points": 1024}));
    for (l, layer) in info["layers"].as_array().unwrap().iter().enumerate() {
        let [sums, outputs] = ["sums", "outputs"].map(|part| layer["spread"][part].clone());
        println!("@emoji, layer {l}: sums {sums}, outputs {outputs}");
        for spread in [&sums, &outputs] {
            let (all, points) = (spread["all"].as_f64().unwrap(), spread["points"].as_f64().unwrap());
            assert!(0.0 < points && points <= all && all.is_finite());
        }
        assert!(layer["activation"].is_null() || outputs["all"].as_f64().unwrap() <= 1.0, "sines are at most 1");
    }
    assert!(ok(dir.path(), &["info", "@emoji"]).contains("omega u"));
    ok(dir.path(), &["import", fixture("siren.pth").to_str().unwrap(), "-o", "s.safetensors"]);
    assert_eq!(json(dir.path(), &["info", "s.safetensors"])["spread_over"]["latents"], 0);
}

#[test]
fn the_environment_chooses_a_tier() {
    let dir = tempfile::tempdir().unwrap();
    let adapters = json(dir.path(), &["devices"])["adapters"].take();
    let render = |tier: &str, device: &str, to: &str| {
        let arguments = ["render", "@emoji", "--latent", "17", "--size", "24", "--device", device, "-o", to];
        command(dir.path(), &arguments).env("HYPERSINE_TIER", tier).output().unwrap()
    };
    let open = |name: &str| image::open(dir.path().join(name)).unwrap().to_rgb8();
    let out = render("fast", "0", "none.png");
    assert!(out.status.code() == Some(1) && String::from_utf8_lossy(&out.stderr).contains("HYPERSINE_TIER is 'fast'"));
    ok(dir.path(), &["render", "@emoji", "--latent", "17", "--size", "24", "--device", "cpu", "-o", "cpu.png"]);
    for (i, adapter) in adapters.as_array().unwrap().iter().enumerate() {
        let out = render("f16", &i.to_string(), "half.png");
        if adapter["tier"] == "f16" {
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
            let apart = open("half.png").iter().zip(open("cpu.png").iter()).map(|(a, b)| a.abs_diff(*b)).max();
            println!("{}: {apart:?} of 255 apart", adapter["name"]);
            assert!(apart <= Some(1));
        } else {
            // Subgroups are not needed for it, so only one of the two may fail, in a sentence.
            let sentence = String::from_utf8_lossy(&out.stderr).contains("has none; unset it");
            assert!(out.status.success() || sentence, "{}", String::from_utf8_lossy(&out.stderr));
        }
    }
}

#[test]
fn bad_models_get_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let good = model::builtin("emoji").unwrap();
    let bytes = file::to_bytes(&good, Precision::F16).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    let render = |name: &str, words: &[&str]| {
        let named = [words, &[name]].concat();
        fails(folder, &["render", name, "--latent", "cat", "-o", "out.png", "--device", "cpu"], &named);
    };

    write("truncated.safetensors", &bytes[..bytes.len() / 2]);
    write("empty.safetensors", &[]);
    write("foreign.safetensors", &std::fs::read(fixture("hyper.safetensors")).unwrap());
    // Edits of the JSON description that keep its length, so that the file stays whole.
    let edit = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).unwrap_or_else(|| panic!("no {from}"));
        let mut edited = bytes.clone();
        edited[at..at + to.len()].copy_from_slice(to.as_bytes());
        edited
    };
    write("newer.safetensors", &edit(r#"\"version\":1,"#, r#"\"version\":9,"#));
    write("shapes.safetensors", &edit(r#"\"outputs\":3"#, r#"\"outputs\":4"#));
    write("missing.safetensors", &edit(r#""head.2.bias.map.bias""#, r#""head.2.bias.map.bios""#));
    write("absurd.safetensors", &edit(r#"\"width\":64"#, r#"\"width\":99"#));
    let mut nan = good.clone();
    let hyper = std::sync::Arc::make_mut(&mut nan.hypernetwork);
    let Source::Linear(weight) = &mut hyper.heads[1].weight else { panic!("the emoji model has linear heads") };
    let marker = 1234.5_f32;
    weight.map.weight[77] = marker;
    let mut bytes32 = file::to_bytes(&nan, Precision::F32).unwrap();
    let at = bytes32.windows(4).position(|w| w == marker.to_le_bytes()).unwrap();
    bytes32[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    write("nan.safetensors", &bytes32);

    render("truncated.safetensors", &["cut short"]);
    render("empty.safetensors", &["safetensors"]);
    render("foreign.safetensors", &["import"]);
    render("newer.safetensors", &["newer", "update"]);
    render("shapes.safetensors", &["shape"]);
    render("missing.safetensors", &["head.2.bias.map.bias", "missing"]);
    render("absurd.safetensors", &["shape"]);
    render("nan.safetensors", &["NaN", "head.1.weight"]);
    render("nowhere.safetensors", &["cannot read"]);
    render("@emojy", &["no built-in model"]);
    let evil = fixture("evil.pth");
    fails(folder, &["import", evil.to_str().unwrap(), "-o", "m.safetensors"], &["posix.system", "nothing was run"]);
    write("cut.pth", &std::fs::read(fixture("hyper.pth")).unwrap()[..9000]);
    fails(folder, &["import", "cut.pth", "-o", "m.safetensors"], &["cut.pth", "damaged"]);
}

#[test]
fn bad_requests_get_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let latent = ["render", "@emoji", "--device", "cpu", "--latent"];
    fails(folder, &[&latent[..], &["ct", "-o", "a.png"]].concat(), &["'ct'", "did you mean 'cat'"]);
    fails(folder, &[&latent[..], &["999", "-o", "a.png"]].concat(), &["999", "256"]);
    fails(folder, &[&latent[..], &["cat", "--size", "0x9", "-o", "a.png"]].concat(), &["0x9"]);
    fails(folder, &[&latent[..], &["cat", "--size", "2147483648x1", "-o", "a.png"]].concat(), &["2147483648"]);
    fails(folder, &[&latent[..], &["cat", "-o", "nowhere/a.png"]].concat(), &["nowhere"]);
    fails(folder, &[&latent[..], &["cat", "-o", "a.bmp"]].concat(), &[".png or .exr"]);
    fails(folder, &["render", "@emoji", "-o", "a.png"], &["--latent", "--all"]);
    fails(
        folder,
        &["render", "@emoji", "--latent", "cat", "-o", "a.png", "--device", "voodoo"],
        &["voodoo", "devices"],
    );
    fails(folder, &["eval", "@emoji", "."], &["no pictures"]);
    std::fs::create_dir(folder.join("taken.png")).unwrap();
    fails(folder, &[&latent[..], &["cat", "-o", "taken.png"]].concat(), &["cannot write", "taken.png"]);
    // Usage errors are clap's: status 2.
    assert_eq!(hypersine(folder, &["render"]).status.code(), Some(2));
    assert_eq!(hypersine(folder, &["render", "@emoji", "--size", "big", "-o", "a.png"]).status.code(), Some(2));
    for idle in [&["--truncation=1"][..], &["--via=frog"], &["--to=frog"], &["--loop"], &["--fps=9"], &["--from=cat"]] {
        assert_eq!(hypersine(folder, &[&latent[..], &["cat", "-o", "a.png"], idle].concat()).status.code(), Some(2));
    }
}
