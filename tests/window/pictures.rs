//! Pictures: the walk of a model, a picture that is searched for and one that is learned.

use std::cell::Cell;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use image::{Rgb, RgbImage};

use crate::photographs::{TRUTH, agreement, canvas, changed, distance};
use crate::screen::{Screen, Viewer};
use crate::walk::{AWAY, Walk, alone, executed, report};

/// The window as it opens, and when it is resized; a small one where a software driver evaluates, which takes its time
/// (with `HYPERSINE_FULL_WALK` the walk is on a large one there, too).
const SIZES: [[u32; 2]; 2] = [[640, 480], [900, 600]];
const SMALL: [[u32; 2]; 2] = [[400, 300], [430, 330]];
/// Controls of the panel, from its left edge and the window's top.
const MAP_TAB: [u32; 2] = [91, 12];
const MAP: [u32; 2] = [124, 195];
const MIX_TAB: [u32; 2] = [134, 12];
const LAYERS: [u32; 2] = [165, 131];

/// The four numbers of a command's --region.
fn region(command: &str) -> [f64; 4] {
    let (_, rest) = command.split_once("--region=").unwrap();
    let numbers: Vec<f64> = rest.split([',', ' ']).take(4).map(|n| n.parse().unwrap()).collect();
    numbers.try_into().unwrap()
}

/// Signals for two latents that their pictures come close to, and a small picture to learn.
fn signals(folder: &Path) -> (PathBuf, RgbImage, PathBuf) {
    let truths = folder.join("truths");
    std::fs::create_dir(&truths).unwrap();
    let write = |latent: &str, other: &str| {
        let made = executed(
            &format!("hypersine render @emoji --latent {latent} --mix {other}:0.3 --size {TRUTH} -o picture.png"),
            folder,
        );
        made.save(truths.join(format!("{latent}.png"))).unwrap();
        made
    };
    let airplane = write("airplane", "cat");
    write("parrot", "cat");
    let small = folder.join("small.png");
    executed("hypersine render @emoji --latent cat --mix parrot:0.4 --size 32 -o picture.png", folder)
        .save(&small)
        .unwrap();
    (truths, airplane, small)
}

fn walk(device: &str, sizes: [[u32; 2]; 2]) {
    let _alone = alone();
    let started = Instant::now();
    let [dir, elsewhere] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (truths, airplane, small) = signals(elsewhere.path());
    let screen = Screen::start();
    let stop = Cell::new(0);
    let open = |arguments: &[&str]| Viewer::open(&screen, dir.path(), &[arguments, &["--device", device]].concat());
    let size = format!("{}x{}", sizes[0][0], sizes[0][1]);

    let truths = truths.to_str().unwrap();
    let viewer = open(&["@emoji", "--latent", "airplane", "--truth", truths, "--size", &size, "--fresh"]);
    let closed =
        tour(&Walk { viewer: &viewer, device, folder: elsewhere.path(), stop: &stop, sizes }, dir.path(), &airplane);
    report(&viewer);
    drop(viewer);

    // Nothing is said of latent and size: both are remembered.
    let viewer = open(&["@emoji"]);
    reopened(&Walk { viewer: &viewer, device, folder: elsewhere.path(), stop: &stop, sizes }, &closed, &small);
    drop(viewer);

    let viewer = open(&[small.to_str().unwrap(), "--size", &size, "--fresh"]);
    learned(&Walk { viewer: &viewer, device, folder: elsewhere.path(), stop: &stop, sizes });
    println!("{device}: {:.0} s in all", started.elapsed().as_secs_f64());
}

/// Everything that can be done with a model, until the window is closed; gives the last photograph.
fn tour(walk: &Walk<'_>, folder: &Path, airplane: &RgbImage) -> RgbImage {
    let viewer = walk.viewer;
    viewer.settled(0);
    let (_, fitted) = walk.reproduces("opened");
    let opened = viewer.photograph(&walk.name("opened"));

    let at = zoom(walk, &opened, &fitted);
    let back = walk.until("zoomed-back", |window| changed(&opened, window) < 1e-3);
    println!("zoomed {at:.0}x and back: {} of the canvas differ", changed(&opened, &back));
    // A view that was fitted by this key, rather than by the wheel, follows the window's size.
    viewer.hand("key f");

    map(walk, &back);
    morph(walk);
    mix(walk);
    looks(walk, airplane);

    viewer.change(&format!("{} {AWAY}", viewer.resizing(walk.sizes[1])));
    assert_eq!(viewer.size(), walk.sizes[1]);
    walk.reproduces("resized");

    export(walk, folder);

    let before = viewer.photograph(&walk.name("before-the-device-is-lost"));
    viewer.change("key F5");
    viewer.hand("key Escape");
    walk.until("rebuilt", |window| changed(&before, window) < 1e-3);
    walk.reproduces("rebuilt-and-still-right");

    viewer.hand("key question");
    walk.until("keys", |window| changed(&before, window) > 0.2);
    viewer.hand("key Escape");
    let closed = walk.until("closing", |window| changed(&before, window) < 1e-3);
    viewer.hand("key ctrl+q");
    viewer.ends();
    closed
}

/// The window as it was closed, and then a search for the latent of a picture that is dropped on it.
fn reopened(walk: &Walk<'_>, closed: &RgbImage, small: &Path) {
    let viewer = walk.viewer;
    viewer.settled(0);
    viewer.hand(AWAY);
    assert_eq!(viewer.size(), walk.sizes[1]);
    let photograph = walk.until("reopened", |window| changed(closed, window) < 1e-3);
    println!("reopened: {} of the canvas differ", changed(closed, &photograph));

    let from = viewer.lines().len();
    viewer.drop_file(small);
    let psnr = viewer.wait("a search that comes closer", || {
        Some(viewer.numbers(from, "psnr")).filter(|psnr| psnr.len() > 3 && psnr[psnr.len() - 1] > psnr[0] + 1.0)
    });
    println!("searched: {:.2} dB at first, {:.2} dB at the end", psnr[0], psnr[psnr.len() - 1]);
    viewer.snapshot(&walk.name("searched"));
}

/// A picture that is learned from the start.
fn learned(walk: &Walk<'_>) {
    let viewer = walk.viewer;
    // On a software driver a step takes seconds.
    let steps = if walk.device == "cpu" { 30 } else { 4 };
    let psnr = viewer.wait("steps", || Some(viewer.numbers(0, "psnr")).filter(|psnr| psnr.len() >= steps));
    viewer.snapshot(&walk.name("learned"));
    println!("fitted: {:.2} dB at first, {:.2} dB after {} steps", psnr[0], psnr[psnr.len() - 1], psnr.len());
    assert!(psnr[psnr.len() - 1] > psnr[0]);
}

/// Zooms a thousandfold about a point, which must stay under the pointer, and back; gives how far it was.
fn zoom(walk: &Walk<'_>, opened: &RgbImage, fitted: &str) -> f64 {
    let viewer = walk.viewer;
    let [x0, _, x1, _] = region(fitted);
    // Where the picture is steepest: at a thousandfold anything else is of one colour.
    let shown = canvas(opened);
    let slope = |x: u32, y: u32| distance(*shown.get_pixel(x, y), *shown.get_pixel(x + 1, y));
    let inside = (20..shown.width() - 20).flat_map(|x| (80..shown.height() - 80).map(move |y| (x, y)));
    let (x, y) = inside.max_by_key(|&(x, y)| slope(x, y)).unwrap();
    // A fitted picture fills 94 % of the canvas' width; its middle is the canvas'.
    let width = f64::from(shown.width());
    let scale = 0.94 * width / 2.0;
    let before = 0.5 * (x0 + x1) + (f64::from(x) - width / 2.0) / scale;
    // A click of the wheel counts for one notch or two, by the X server's kind of pointer.
    let mut clicks = 0;
    let (zoom, command) = loop {
        viewer.change(&format!("mousemove {x} {y} click --repeat 20 --delay 15 4"));
        clicks += 20;
        let command = viewer.command();
        let [a, _, b, _] = region(&command);
        let zoom = width / (b - a) / scale;
        if zoom > 900.0 {
            break (zoom, command);
        }
    };
    let (_, again) = walk.reproduces("zoomed");
    assert_eq!(command, again);
    let [a, _, b, _] = region(&command);
    let now = a + f64::from(x) / width * (b - a);
    println!("zoomed {zoom:.0}x: under the pointer {before} before, {now} now");
    assert!((before - now).abs() < 1e-9);
    viewer.change(&format!("mousemove {x} {y} click --repeat {clicks} --delay 15 5"));
    zoom
}

/// Drags the latent over the map, slowly, as a person does.
fn map(walk: &Walk<'_>, before: &RgbImage) {
    let viewer = walk.viewer;
    viewer.hand(&walk.click(MAP_TAB));
    viewer.snapshot(&walk.name("map"));
    let mut words = format!("{} sleep 0.1 mousedown 1", walk.to(MAP, 0, 0));
    for i in 1..=6 {
        write!(words, " sleep 0.1 {}", walk.to(MAP, 10 * i, 5 * i)).unwrap();
    }
    viewer.change(&format!("{words} sleep 0.1 mouseup 1 sleep 0.1 {AWAY}"));
    let (moved, command) = walk.reproduces("dragged-on-the-map");
    assert!(command.matches(',').count() > 60, "the latent is given by its numbers: {command}");
    println!("dragged on the map: {:.2} of the canvas differ", changed(before, &moved));
    assert!(changed(before, &moved) > 0.05);
}

/// Plays a morph from here to the next latent, and stops it.
fn morph(walk: &Walk<'_>) {
    let viewer = walk.viewer;
    viewer.change("key k key Down key k");
    let from = viewer.lines().len();
    viewer.hand("key space sleep 0.4");
    let first = viewer.snapshot(&walk.name("morph"));
    let second = walk.until("morph", |window| changed(&first, window) > 0.02);
    viewer.change("key space");
    let (frames, pictures) = (viewer.numbers(from, "frame").len(), viewer.numbers(from, "age_ms").len());
    println!("morph: {frames} frames, {pictures} pictures; {:.2} of the canvas differ", changed(&first, &second));
    assert!(frames > 5 && pictures > 3);
    walk.reproduces("morph-stopped");
}

/// Mixes two latents by the slider, then crosses their layers.
fn mix(walk: &Walk<'_>) {
    let viewer = walk.viewer;
    viewer.hand(&walk.click(MIX_TAB));
    viewer.snapshot(&walk.name("mix"));
    viewer.change(&walk.slide([5, 20, 40]));
    let (_, command) = walk.reproduces("mixed");
    assert!(command.contains("--mix="), "{command}");
    viewer.change(&walk.click(LAYERS));
    viewer.change(&walk.slide([95, 70, 60]));
    let (_, command) = walk.reproduces("layers");
    assert!(command.contains("--layers-from="), "{command}");
}

/// The signed error, the signal itself beside the picture, and the gradient.
fn looks(walk: &Walk<'_>, truth: &RgbImage) {
    let viewer = walk.viewer;
    let picture = viewer.photograph(&walk.name("picture"));
    let shown = canvas(&picture);
    viewer.hand("key e");
    let everywhere = |_: u32| true;
    let error = |x: u32, y: u32, t: Rgb<u8>| {
        let p = shown.get_pixel(x, y);
        Rgb(std::array::from_fn(|i| {
            let signed = 127.5 + 0.5 * (f64::from(p[i]) - f64::from(t[i]));
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
            let byte = signed.round() as u8;
            byte
        }))
    };
    let errors = walk.until("errors", |window| agreement(window, truth, everywhere, error) > 0.9);
    println!("errors: {:.4} of the pixels are right", agreement(&errors, truth, everywhere, error));
    viewer.hand("key e key s");
    let divider = shown.width() / 2;
    let right = |x: u32| x > divider + 5;
    let signal = |_: u32, _: u32, t: Rgb<u8>| t;
    let split = walk.until("split", |window| agreement(window, truth, right, signal) > 0.9);
    let left = |x: u32| x < divider - 5;
    let kept = agreement(&split, truth, left, |x, y, _| *shown.get_pixel(x, y));
    println!(
        "split: right {:.4} of the signal, left {kept:.4} of the picture",
        agreement(&split, truth, right, signal)
    );
    assert!(kept > 0.999);
    viewer.change("key s key g");
    let gradient = walk.until("gradient", |window| changed(&picture, window) > 0.2);
    println!("gradient: {:.2} of the canvas differ", changed(&picture, &gradient));
    viewer.change("key g");
    walk.reproduces("picture-again");
}

/// Saves the picture, and finds it in the folder that the program works in.
fn export(walk: &Walk<'_>, folder: &Path) {
    let viewer = walk.viewer;
    let before = viewer.photograph(&walk.name("before-export"));
    viewer.hand("key ctrl+s");
    let file = folder.join("picture.png");
    viewer.wait("the exported picture", || file.exists().then_some(()));
    let width = image::image_dimensions(&file).unwrap().0;
    assert_eq!(width, 1024);
    // A notice over the canvas' corner says so.
    let notice = |window: &RgbImage| {
        let corner = |w: &RgbImage| image::imageops::crop_imm(w, 0, 0, 140, 40).to_image();
        corner(window).pixels().zip(corner(&before).pixels()).filter(|(p, q)| distance(**p, **q) > 8).count() > 200
    };
    let name = walk.name("exported");
    viewer.wait("a notice of the export", || Some(viewer.snapshot(&name)).filter(&notice));
    viewer.noticed();
}

#[test]
fn the_window_on_the_cpu_backend() {
    walk("cpu", SIZES);
}

#[test]
fn the_window_on_the_gpu() {
    walk("gpu", if std::env::var_os("HYPERSINE_FULL_WALK").is_some() { SIZES } else { SMALL });
}

/// A GPU evaluates into textures that the same device shows, a software driver on a thread and device of its own: made to
/// do as a GPU, it shows the same pictures, only with pauses.
#[test]
fn the_window_on_one_device() {
    let _alone = alone();
    let [dir, elsewhere] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let screen = Screen::start();
    let size = format!("{}x{}", SMALL[0][0], SMALL[0][1]);
    let arguments = ["@emoji", "--latent", "airplane", "--size", &size, "--fresh", "--device", "gpu", "--direct"];
    let viewer = Viewer::open(&screen, dir.path(), &arguments);
    let stop = Cell::new(0);
    let walk = Walk { viewer: &viewer, device: "direct", folder: elsewhere.path(), stop: &stop, sizes: SMALL };
    viewer.settled(0);
    let (opened, _) = walk.reproduces("opened");
    map(&walk, &opened);
    viewer.change(&viewer.resizing(SMALL[1]));
    walk.reproduces("resized");
    viewer.change("key F5");
    viewer.hand("key Escape");
    walk.reproduces("rebuilt");
    report(&viewer);
}
