//! A walk through the window: hands on its controls, and stops at which it is compared with what `render` makes.

use std::cell::Cell;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use image::RgbImage;

use crate::photographs::{PANEL, difference};
use crate::screen::Viewer;

/// Where the mouse is out of the way: on the canvas, beside the picture.
pub(crate) const AWAY: &str = "mousemove 4 4";
/// The left end of the slider that mixes, or chooses layers, from the panel's left edge and the window's top; it is 100
/// pixels long.
const SLIDER: [u32; 2] = [9, 154];
/// Longer than any notice stays.
const LONG: Duration = Duration::from_secs(15);

/// One window at a time: two would share two cores, and be slow for no reason of their own.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a command as a person would who pastes it into a shell, and gives the picture that it writes.
pub(crate) fn executed(command: &str, folder: &Path) -> RgbImage {
    let binaries = Path::new(env!("CARGO_BIN_EXE_hypersine")).parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths([binaries].into_iter().chain(std::env::split_paths(&path))).unwrap();
    let shell = Command::new("sh").args(["-c", command]).env("PATH", path).current_dir(folder).output().unwrap();
    assert!(shell.status.success(), "{command}: {}", String::from_utf8_lossy(&shell.stderr));
    image::open(folder.join("picture.png")).unwrap().to_rgb8()
}

/// A walk through the window, one stop after another.
pub(crate) struct Walk<'s> {
    pub(crate) viewer: &'s Viewer<'s>,
    pub(crate) device: &'s str,
    pub(crate) folder: &'s Path,
    pub(crate) stop: &'s Cell<u32>,
    /// The window's sizes: at first, and after it was resized.
    pub(crate) sizes: [[u32; 2]; 2],
}

impl Walk<'_> {
    /// The mouse's way to a place on the panel, so many pixels right of and below a control, in xdotool's words.
    pub(crate) fn to(&self, [x, y]: [u32; 2], right: u32, below: u32) -> String {
        format!("mousemove {} {}", self.sizes[0][0] - PANEL + x + right, y + below)
    }

    /// A click on a control; then the mouse is out of the way, and tooltips go.
    pub(crate) fn click(&self, control: [u32; 2]) -> String {
        format!("{} sleep 0.1 click 1 sleep 0.1 {AWAY} sleep 0.2", self.to(control, 0, 0))
    }

    /// A press on the slider, at so many hundredths of it, and a drag to others. (What happens within one frame happens
    /// where the mouse is at its end.)
    pub(crate) fn slide(&self, hundredths: [u32; 3]) -> String {
        let [a, b, c] = hundredths.map(|h| self.to(SLIDER, h, 0));
        format!("{a} sleep 0.1 mousedown 1 sleep 0.1 {b} sleep 0.1 {c} sleep 0.1 mouseup 1 sleep 0.1 {AWAY}")
    }

    /// What the photographs of the next stop are called.
    pub(crate) fn name(&self, what: &str) -> String {
        self.stop.set(self.stop.get() + 1);
        format!("{}-{:02}-{what}", self.device, self.stop.get())
    }

    /// The next stop: what the window shows is what its own command makes, to the last bit of rounding. Gives the photograph
    /// and the command.
    pub(crate) fn reproduces(&self, what: &str) -> (RgbImage, String) {
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
    pub(crate) fn until(&self, what: &str, good: impl Fn(&RgbImage) -> bool) -> RgbImage {
        let name = self.name(what);
        self.viewer.wait(what, || Some(self.viewer.photograph(&name)).filter(&good))
    }
}

/// What the trace says of how long things took.
pub(crate) fn report(viewer: &Viewer<'_>) {
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
