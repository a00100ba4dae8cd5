//! The real binary in a real window under Xvfb, driven by synthetic mouse and keys, photographed, and compared with what
//! `render` makes of the same view. The photographs stay in target/screenshots.
//!
//! Needs Xvfb and xdotool; scripts/test.sh installs them. Linux only.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod screen;

use std::cell::Cell;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use image::{Rgb, RgbImage};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use screen::{Screen, Viewer};

/// The window as it opens, and when it is resized; a small one where a software driver evaluates, which takes its time
/// (with `HYPERSINE_FULL_WALK` the walk is on a large one there, too).
const SIZES: [[u32; 2]; 2] = [[640, 480], [900, 600]];
const SMALL: [[u32; 2]; 2] = [[400, 300], [430, 330]];
/// The part of the window's width that the panel has, at the right.
const PANEL: u32 = 250;
/// Controls of the panel, from its left edge and the window's top.
const MAP_TAB: [u32; 2] = [91, 12];
const MAP: [u32; 2] = [124, 195];
const MIX_TAB: [u32; 2] = [134, 12];
const LAYERS: [u32; 2] = [165, 131];
/// The left end of the slider that mixes, or chooses layers; it is 100 pixels long.
const SLIDER: [u32; 2] = [9, 154];
const EXPORT_TAB: [u32; 2] = [88, 35];
const SAVE_MESH: [u32; 2] = [132, 227];
/// A monkey's run is long enough to see whether memory grows from this number of frames on.
const MEMORY: usize = 4000;
/// Where the mouse is out of the way: on the canvas, beside the picture.
const AWAY: &str = "mousemove 4 4";
/// Longer than any notice stays.
const LONG: Duration = Duration::from_secs(15);
/// Side of the signals that pictures are compared with.
const TRUTH: u32 = 64;

/// One window at a time: two would share two cores, and be slow for no reason of their own.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a command as a person would who pastes it into a shell, and gives the picture that it writes.
fn executed(command: &str, folder: &Path) -> RgbImage {
    let binaries = Path::new(env!("CARGO_BIN_EXE_hypersine")).parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths([binaries].into_iter().chain(std::env::split_paths(&path))).unwrap();
    let shell = Command::new("sh").args(["-c", command]).env("PATH", path).current_dir(folder).output().unwrap();
    assert!(shell.status.success(), "{command}: {}", String::from_utf8_lossy(&shell.stderr));
    image::open(folder.join("picture.png")).unwrap().to_rgb8()
}

/// The four numbers of a command's --region.
fn region(command: &str) -> [f64; 4] {
    let (_, rest) = command.split_once("--region=").unwrap();
    let numbers: Vec<f64> = rest.split([',', ' ']).take(4).map(|n| n.parse().unwrap()).collect();
    numbers.try_into().unwrap()
}

/// The part of the window that the panel leaves.
fn canvas(window: &RgbImage) -> RgbImage {
    image::imageops::crop_imm(window, 0, 0, window.width() - PANEL, window.height()).to_image()
}

fn distance(a: Rgb<u8>, b: Rgb<u8>) -> u8 {
    a.0.iter().zip(b.0).map(|(a, b)| a.abs_diff(b)).max().unwrap()
}

/// Largest difference between `expected` and what is in the middle of the canvas: a command covers either all of the
/// canvas, or a fitted picture.
fn difference(window: &RgbImage, expected: &RgbImage) -> u8 {
    let canvas = canvas(window);
    let (left, top) = ((canvas.width() - expected.width()) / 2, (canvas.height() - expected.height()) / 2);
    let differs = |(x, y, p): (u32, u32, &Rgb<u8>)| distance(*p, *canvas.get_pixel(left + x, top + y));
    expected.enumerate_pixels().map(differs).max().unwrap()
}

/// Share of the canvas' pixels that differ visibly.
fn changed(a: &RgbImage, b: &RgbImage) -> f64 {
    let (a, b) = (canvas(a), canvas(b));
    let count = a.pixels().zip(b.pixels()).filter(|(p, q)| distance(**p, **q) > 8).count();
    count as f64 / f64::from(a.width() * a.height())
}

/// The signal at every pixel of a canvas on which all of it is seen; None beside it.
fn on_canvas(truth: &RgbImage, [width, height]: [u32; 2]) -> impl Fn(u32, u32) -> Option<Rgb<u8>> {
    let (w, h) = (f64::from(width), f64::from(height));
    // A fitted picture fills 94 % of the shorter side.
    let side = 0.94 * w.min(h);
    move |x, y| {
        let at = |i: u32, length: f64| ((f64::from(i) + 0.5 - length / 2.0) / side + 0.5) * f64::from(TRUTH);
        let (x, y) = (at(x, w).floor(), at(y, h).floor());
        let inside = |i: f64| (0.0..f64::from(TRUTH)).contains(&i);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "pixels of the signal")]
        (inside(x) && inside(y)).then(|| *truth.get_pixel(x as u32, y as u32))
    }
}

/// Share of the signal's pixels on the canvas, of those that `these` names, that are as `expected` says. (On the borders of
/// the signal's own pixels either of two is right.)
fn agreement(
    window: &RgbImage,
    truth: &RgbImage,
    these: impl Fn(u32) -> bool,
    expected: impl Fn(u32, u32, Rgb<u8>) -> Rgb<u8>,
) -> f64 {
    let canvas = canvas(window);
    let signal = on_canvas(truth, [canvas.width(), canvas.height()]);
    let (mut right, mut all) = (0, 0);
    for (x, y, pixel) in canvas.enumerate_pixels().filter(|(x, ..)| these(*x)) {
        if let Some(t) = signal(x, y) {
            all += 1;
            right += u32::from(distance(*pixel, expected(x, y, t)) <= 2);
        }
    }
    f64::from(right) / f64::from(all)
}

/// A walk through the window, one stop after another.
struct Walk<'s> {
    viewer: &'s Viewer<'s>,
    device: &'s str,
    folder: &'s Path,
    stop: &'s Cell<u32>,
    /// The window's sizes: at first, and after it was resized.
    sizes: [[u32; 2]; 2],
}

impl Walk<'_> {
    /// The mouse's way to a place on the panel, so many pixels right of and below a control, in xdotool's words.
    fn to(&self, [x, y]: [u32; 2], right: u32, below: u32) -> String {
        format!("mousemove {} {}", self.sizes[0][0] - PANEL + x + right, y + below)
    }

    /// A click on a control; then the mouse is out of the way, and tooltips go.
    fn click(&self, control: [u32; 2]) -> String {
        format!("{} sleep 0.1 click 1 sleep 0.1 {AWAY} sleep 0.2", self.to(control, 0, 0))
    }

    /// A press on the slider, at so many hundredths of it, and a drag to others. (What happens within one frame happens
    /// where the mouse is at its end.)
    fn slide(&self, hundredths: [u32; 3]) -> String {
        let [a, b, c] = hundredths.map(|h| self.to(SLIDER, h, 0));
        format!("{a} sleep 0.1 mousedown 1 sleep 0.1 {b} sleep 0.1 {c} sleep 0.1 mouseup 1 sleep 0.1 {AWAY}")
    }

    /// What the photographs of the next stop are called.
    fn name(&self, what: &str) -> String {
        self.stop.set(self.stop.get() + 1);
        format!("{}-{:02}-{what}", self.device, self.stop.get())
    }

    /// The next stop: what the window shows is what its own command makes, to the last bit of rounding. Gives the photograph
    /// and the command.
    fn reproduces(&self, what: &str) -> (RgbImage, String) {
        let name = self.name(what);
        let command = self.viewer.command();
        let expected = executed(&command, self.folder);
        // A notice may lie over the picture, and a software driver may still be drawing.
        let started = Instant::now();
        loop {
            let photograph = self.viewer.snapshot(&name);
            let largest = difference(&photograph, &expected);
            if largest <= 1 {
                println!("{name}: differs by {largest}/255 from {command:.150}");
                return (photograph, command);
            }
            assert!(started.elapsed() < LONG, "{name}: differs by {largest}/255 from {command}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The next stop: photographs until `good` says so.
    fn until(&self, what: &str, good: impl Fn(&RgbImage) -> bool) -> RgbImage {
        let name = self.name(what);
        self.viewer.wait(what, || Some(self.viewer.photograph(&name)).filter(&good))
    }
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

/// What the trace says of how long things took.
fn report(viewer: &Viewer<'_>) {
    let lines = viewer.lines();
    let mut stalls: Vec<f64> = lines.iter().filter_map(|l| l["stall_ms"].as_f64()).collect();
    stalls.sort_by(|a, b| b.total_cmp(a));
    stalls.truncate(3);
    let first_frame = lines.iter().find(|l| l["frame"].is_u64()).and_then(|l| l["t"].as_f64()).unwrap();
    let pictures: Vec<_> = lines.iter().filter(|l| l["picture"].is_array()).collect();
    let age = |line: &serde_json::Value| line["age_ms"].as_f64().unwrap();
    // A change begins the count of the age anew.
    let begins = |i: usize| i == 0 || pictures[i - 1]["last"] == true || age(pictures[i]) < age(pictures[i - 1]);
    let firsts = (0..pictures.len()).filter(|&i| begins(i)).map(|i| pictures[i]);
    let slowest = firsts.max_by(|a, b| age(a).total_cmp(&age(b))).unwrap();
    let complete = pictures.iter().filter(|l| l["last"] == true).map(|l| age(l)).fold(0.0, f64::max);
    println!(
        "{} frames; first frame after {first_frame:.2} s; longest stalls {stalls:.0?} ms; longest wait for the first picture after \
         a change {:.0} ms (1/{} of the resolution), for the complete one {complete:.0} ms",
        lines.iter().filter(|l| l["frame"].is_u64()).count(),
        age(slowest),
        slowest["coarse"],
    );
}

#[test]
fn the_window_on_the_cpu_backend() {
    walk("cpu", SIZES);
}

#[test]
fn the_window_on_the_gpu() {
    walk("gpu", if std::env::var_os("HYPERSINE_FULL_WALK").is_some() { SIZES } else { SMALL });
}

/// Writes a block around the origin of that height, as a shape.
fn block(path: &Path, height: f64) {
    let corners = [[-1, -1], [1, -1], [1, 1], [-1, 1]].map(|[x, z]| (0.8 * f64::from(x), 0.5 * f64::from(z)));
    let mut text = String::from("OFF\n8 6 0\n");
    for y in [-height, height] {
        corners.iter().for_each(|(x, z)| writeln!(text, "{x} {y} {z}").unwrap());
    }
    text += "4 0 1 2 3\n4 7 6 5 4\n4 4 5 1 0\n4 5 6 2 1\n4 6 7 3 2\n4 7 4 0 3\n";
    std::fs::write(path, text).unwrap();
}

/// A family of solids: turned, moved, sliced, morphed, and taken out as a mesh; what the window shows at rest is what its
/// command makes.
#[test]
fn the_window_on_solids() {
    let _alone = alone();
    let started = Instant::now();
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("blocks")).unwrap();
    for (name, height) in [("flat", 0.2), ("high", 0.7), ("middling", 0.45)] {
        block(&dir.path().join(format!("blocks/{name}.off")), height);
    }
    let train = "train blocks -o blocks.safetensors --steps 250 --width 16 --layers 2 --omega 8 --points 512 --lr 3e-3 \
                 --latent-dim 2 --features 8 --device cpu";
    let trained =
        Command::new(env!("CARGO_BIN_EXE_hypersine")).args(train.split_whitespace()).current_dir(dir.path()).output();
    assert!(trained.unwrap().status.success());
    println!("solids: trained after {:.1} s", started.elapsed().as_secs_f64());

    let screen = Screen::start();
    let sizes = [[430, 300]; 2];
    let arguments = ["blocks.safetensors", "--latent", "high", "--size", "430x300", "--device", "cpu", "--fresh"];
    let viewer = Viewer::open(&screen, dir.path(), &arguments);
    let stop = Cell::new(0);
    let walk = Walk { viewer: &viewer, device: "solids", folder: dir.path(), stop: &stop, sizes };
    viewer.settled(0);
    let opened = viewer.snapshot(&walk.name("opened"));
    let picture = canvas(&opened);
    let background = *picture.get_pixel(0, 0);
    let of_solid = picture.pixels().filter(|p| distance(**p, background) > 8).count() as f64;
    let share = of_solid / f64::from(picture.width() * picture.height());
    println!("solids: {share:.2} of the canvas is solid");
    assert!((0.1..0.8).contains(&share));

    viewer.change(&format!(
        "mousemove 80 150 sleep 0.1 mousedown 1 sleep 0.1 mousemove 110 140 sleep 0.1 mousemove 145 130 sleep 0.1 mouseup 1 {AWAY}"
    ));
    let turned = viewer.snapshot(&walk.name("turned"));
    assert!(changed(&opened, &turned) > 0.02);
    let pan = "keydown shift mousedown 1 sleep 0.1 mousemove 105 160 sleep 0.1 mousemove 110 165 sleep 0.1 mouseup 1 keyup shift";
    viewer.change(&format!("mousemove 80 150 sleep 0.1 {pan} sleep 0.1 click 4 sleep 0.1 {AWAY}"));
    let (moved, command) = walk.reproduces("moved");
    assert!(changed(&turned, &moved) > 0.02);
    assert!(
        command.contains("--latent=high") && command.contains("--camera=") && command.contains(" --aa=2 "),
        "{command}"
    );

    viewer.change("key k key Down key k");
    let from = viewer.lines().len();
    viewer.hand("key space sleep 0.4");
    let first = viewer.snapshot(&walk.name("morph"));
    walk.until("morph", |window| changed(&first, window) > 0.02);
    viewer.change("key space");
    assert!(viewer.numbers(from, "age_ms").len() > 3);
    viewer.change("key l");
    let (sliced, command) = walk.reproduces("morph-stopped-and-sliced");
    assert!(command.contains("--slice=z,0"), "{command}");
    // Lines over it, which are no part of the picture.
    viewer.hand("key m");
    walk.until("wires", |window| changed(&sliced, window) > 0.005);

    viewer.hand(&walk.click(EXPORT_TAB));
    viewer.hand(&walk.click(SAVE_MESH));
    let file = dir.path().join("mesh.ply");
    viewer.wait("the mesh", || file.exists().then_some(()));
    let mesh = hypersine::signal::shape::load::mesh(&file).unwrap();
    println!("solids: a mesh of {} triangles", mesh.triangles.len());
    assert!(mesh.is_closed() && mesh.triangles.len() > 1000);
    viewer.snapshot(&walk.name("exported"));

    let from = viewer.lines().len();
    viewer.drop_file(&dir.path().join("blocks/flat.off"));
    let losses = viewer.wait("a search that comes closer", || {
        Some(viewer.numbers(from, "loss"))
            .filter(|losses| losses.len() > 1 && losses[losses.len() - 1] < 0.5 * losses[0])
    });
    println!("solids: searched, from {} to {}", losses[0], losses[losses.len() - 1]);
    viewer.snapshot(&walk.name("searched"));
    println!("solids: {:.0} s in all", started.elapsed().as_secs_f64());
    report(&viewer);
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

/// Every key of the window but the one that closes it.
const KEYS: [&str; 32] = [
    "question",
    "f",
    "o",
    "plus",
    "minus",
    "equal",
    "Down",
    "Up",
    "r",
    "x",
    "b",
    "ctrl+shift+z",
    "ctrl+z",
    "k",
    "space",
    "s",
    "e",
    "g",
    "u",
    "p",
    "ctrl+shift+c",
    "ctrl+s",
    "t",
    "h",
    "F5",
    "Escape",
    "shift+Left",
    "ctrl+Down",
    "c",
    "n",
    "l",
    "m",
];

/// Somebody who presses anything, in xdotool's words.
fn monkey(rng: &mut ChaCha8Rng, viewer: &Viewer<'_>) -> String {
    let [width, height] = viewer.size();
    let mut words = String::new();
    for _ in 0..30 {
        let mut point = || format!("{} {}", rng.random_range(0..width), rng.random_range(0..height));
        let (a, b) = (point(), point());
        match rng.random_range(0..100) {
            0..20 => write!(words, "mousemove {a} "),
            20..40 => write!(words, "mousemove {a} click 1 "),
            40..55 => write!(words, "mousemove {a} mousedown 1 mousemove {b} sleep 0.02 mouseup 1 "),
            55..70 => write!(words, "mousemove {a} click {} ", rng.random_range(4..=5)),
            70..98 => write!(words, "key {} ", KEYS[rng.random_range(0..KEYS.len())]),
            _ => write!(words, "{} ", viewer.resizing([rng.random_range(200..1024), rng.random_range(150..768)])),
        }
        .unwrap();
        words += "sleep 0.02 ";
    }
    words
}

/// Presses anything until there were `HYPERSINE_MONKEY_FRAMES` frames: the program lives, says nothing of a panic, and needs
/// no more and more memory. (When memory is watched, no device is lost: Mesa's software driver keeps 8 MB of each one.)
#[test]
fn the_window_bears_a_monkey() {
    let _alone = alone();
    let frames: usize = std::env::var("HYPERSINE_MONKEY_FRAMES").map_or(500, |n| n.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let screen = Screen::start();
    let viewer = Viewer::open(&screen, dir.path(), &["@emoji", "--size", "800x600", "--device", "cpu", "--fresh"]);
    viewer.settled(0);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut resident = Vec::new();
    loop {
        let drawn = viewer.numbers(0, "frame").len();
        if drawn >= 500 * (resident.len() + 1) {
            resident.push(viewer.resident());
            println!("monkey: {drawn} frames, {} MB resident", resident[resident.len() - 1] / 1000);
        }
        if drawn >= frames {
            break;
        }
        let words = monkey(&mut rng, &viewer);
        let words = if frames > MEMORY { words.replace("key F5 ", "") } else { words };
        viewer.hand(&words);
        viewer.assert_alive();
    }
    viewer.snapshot("monkey");
    report(&viewer);
    let errors = viewer.errors();
    println!("monkey: {errors}");
    assert!(!errors.contains("panicked"));
    if frames > MEMORY {
        let (early, end) = (resident[3] as f64, resident[resident.len() - 1] as f64);
        assert!(end < 1.05 * early, "memory grows from {early} kB at frame 2000 to {end} kB");
    }
}
