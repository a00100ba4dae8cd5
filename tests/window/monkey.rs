//! A monkey at the keyboard.

use std::fmt::Write as _;
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::screen::{Screen, Viewer};
use crate::walk::{alone, report};

/// A run is long enough to see whether memory grows from this number of frames on.
const MEMORY: usize = 4000;
/// Memory at the end is compared with this look at it, one in 500 frames: that at frame 2,000.
const EARLY: usize = 3;

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

/// Kilobytes resident in a window of the usual size, when what was asked for is done: an export takes some seconds, and memory that
/// it gives back.
fn at_rest(viewer: &Viewer<'_>) -> u64 {
    viewer.hand(&viewer.resizing([800, 600]));
    let looks = (0..24).map(|_| {
        std::thread::sleep(Duration::from_millis(500));
        viewer.resident()
    });
    looks.min().unwrap()
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
            let looked = if frames > MEMORY && resident.len() == EARLY { at_rest(&viewer) } else { viewer.resident() };
            resident.push(looked);
            println!("monkey: {drawn} frames, {} MB resident", looked / 1000);
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
        let (early, end) = (resident[EARLY] as f64, at_rest(&viewer) as f64);
        println!("monkey: at rest {early} kB at frame 2000, {end} kB at the end");
        assert!(end < 1.05 * early, "memory grows from {early} kB at frame 2000 to {end} kB");
    }
}
