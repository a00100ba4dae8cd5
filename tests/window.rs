//! The real binary in a real window under Xvfb, driven by synthetic mouse and keys, photographed, and compared
//! with what `render` makes of the same view. The photographs stay in target/screenshots.
//!
//! Needs Xvfb, xdotool and ImageMagick's `import`; scripts/test.sh installs them. Linux only.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use image::RgbImage;

/// The window, and the canvas in it: what the panel leaves.
const WINDOW: (u32, u32) = (830, 600);
const CANVAS: (u32, u32) = (600, 600);

/// A child process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Screen {
    display: String,
    _server: Running,
}

impl Screen {
    fn start() -> Self {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1024x768x24", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb is needed: scripts/test.sh installs it");
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
        Self { display: format!(":{}", number.trim()), _server: Running(server) }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("DISPLAY", &self.display).env_remove("WAYLAND_DISPLAY");
        // Chromium's SwiftShader, which the numerics tests add, says it can present but leaves the window black.
        command.env_remove("VK_ADD_DRIVER_FILES");
        command
    }

    fn xdotool(&self, arguments: &str) {
        let status = self.command("xdotool").args(arguments.split(' ')).stdout(Stdio::null()).status();
        assert!(status.expect("xdotool is needed").success(), "xdotool {arguments}");
    }

    /// A photograph of the whole window, kept under `name`.
    fn photograph(&self, name: &str) -> RgbImage {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{name}.png"));
        let crop = format!("{}x{}+0+0", WINDOW.0, WINDOW.1);
        let status = self.command("import").args(["-window", "root", "-crop", &crop, "+repage"]).arg(&file).status();
        assert!(status.expect("ImageMagick's import is needed").success());
        image::open(&file).unwrap().to_rgb8()
    }

    /// Photographs until `good` says so; after `patience`, why it does not.
    fn watch(
        &self,
        name: &str,
        patience: Duration,
        good: &dyn Fn(&RgbImage) -> Result<(), String>,
    ) -> Result<(), String> {
        let started = Instant::now();
        loop {
            match good(&self.photograph(name)) {
                Err(_) if started.elapsed() < patience => std::thread::sleep(Duration::from_millis(100)),
                result => return result,
            }
        }
    }

    /// As [`Screen::watch`], for a generous while; a test that sees nothing then has failed.
    fn until(&self, name: &str, good: impl Fn(&RgbImage) -> Result<(), String>) {
        self.watch(name, Duration::from_secs(60), &good).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

fn render(folder: &Path, arguments: &[&str]) -> RgbImage {
    let file: PathBuf = folder.join("expected.png");
    let status = Command::new(env!("CARGO_BIN_EXE_hypersine"))
        .args(["render", "@emoji", "--device", "cpu", "-q", "-o"])
        .arg(&file)
        .args(arguments)
        .status();
    assert!(status.unwrap().success());
    image::open(&file).unwrap().to_rgb8()
}

/// Largest difference between `expected` and the window from `(left, top)` on.
fn difference(window: &RgbImage, expected: &RgbImage, (left, top): (u32, u32)) -> u8 {
    let differs = |(x, y, p): (u32, u32, &image::Rgb<u8>)| {
        let q = window.get_pixel(left + x, top + y);
        p.0.iter().zip(q.0).map(|(a, b)| a.abs_diff(b)).max().unwrap_or(0)
    };
    expected.enumerate_pixels().map(differs).max().unwrap()
}

/// The window shows `expected`, up to the last bit of rounding, from `place` on.
fn shows(expected: &RgbImage, place: (u32, u32)) -> impl Fn(&RgbImage) -> Result<(), String> {
    move |window| match difference(window, expected, place) {
        0..=1 => Ok(()),
        n => Err(format!("differs from `render` by {n}/255")),
    }
}

/// Opens the window, looks, zooms, pans, changes the latent, mixes.
fn walk(device: &str) {
    // One window at a time: two would share two cores, and be slow for no reason of their own.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let screen = Screen::start();
    let size = format!("{}x{}", WINDOW.0, WINDOW.1);
    let program = screen
        .command(env!("CARGO_BIN_EXE_hypersine"))
        .args(["view", "@emoji", "--latent", "parrot", "--size", &size, "--device", device])
        .spawn()
        .unwrap();
    let mut program = Running(program);

    // Fitted: 282 pixels a unit about the centre of 600 x 600, so the frame is pixels 18 to 582.
    let whole = render(dir.path(), &["--latent", "parrot", "--size", "564"]);
    screen.until(&format!("{device}-1-opened"), shows(&whole, (18, 18)));

    // Zoomed about the beak; the same point must stay under the pointer, so compare regions of the plane.
    screen.xdotool("mousemove 300 200");
    for _ in 0..4 {
        screen.xdotool("click 4");
    }
    // A click of the wheel counts for one notch or two, by the X server's kind of pointer.
    let pointer = (0.0, -100.0 / 282.0);
    let after = |notches: i32| {
        let scale = 282.0 * 1.2_f64.powi(notches);
        (scale, (pointer.0, pointer.1 + 100.0 / scale))
    };
    let view_of = |latent: &str, scale: f64, (x, y): (f64, f64)| {
        let (w, h) = (f64::from(CANVAS.0) / 2.0 / scale, f64::from(CANVAS.1) / 2.0 / scale);
        let region = format!("--region={},{},{},{}", x - w, y - h, x + w, y + h);
        render(dir.path(), &["--latent", latent, "--size", "600", &region])
    };
    let candidates = [4, 8].map(|notches| (after(notches), view_of("parrot", after(notches).0, after(notches).1)));
    let found = Cell::new(None);
    screen.until(&format!("{device}-2-zoomed"), |window| {
        found.set(candidates.iter().find(|(_, view)| difference(window, view, (0, 0)) <= 1).map(|(at, _)| *at));
        found.get().map(|_| ()).ok_or_else(|| "no whole number of notches about the pointer gives this view".into())
    });
    let (scale, centre) = found.get().unwrap();

    // Dragged: the picture follows the pointer.
    screen.xdotool("mousemove 300 200 mousedown 1 mousemove 340 230 mousemove 380 260 mouseup 1");
    let centre = (centre.0 - 80.0 / scale, centre.1 - 60.0 / scale);
    screen.until(&format!("{device}-3-panned"), shows(&view_of("parrot", scale, centre), (0, 0)));

    // Another latent by keyboard: the next one down the list.
    // (Without a window manager nobody gives the window the focus.)
    screen.xdotool("search --sync --onlyvisible --name Hypersine windowfocus --sync");
    screen.xdotool("key Down");
    screen.until(&format!("{device}-4-next"), shows(&view_of("pea_pod", scale, centre), (0, 0)));

    // Back to the whole picture, then mixed: the slider's far end is the second latent alone.
    screen.xdotool("key f");
    let pea = render(dir.path(), &["--latent", "pea_pod", "--size", "564"]);
    screen.until(&format!("{device}-5-fitted"), shows(&pea, (18, 18)));
    // (A slow frame may swallow a synthetic press; a person would try again.)
    let mixed = (0..5).any(|_| {
        screen.xdotool("mousemove 615 36 sleep 0.3 mousedown 1 sleep 0.3 mousemove 660 36 sleep 0.3 mousemove 720 36 sleep 0.3 mouseup 1");
        screen.xdotool("mousemove 300 500");
        screen.watch(&format!("{device}-6-mixed"), Duration::from_secs(40), &shows(&whole, (18, 18))).is_ok()
    });
    assert!(mixed, "dragging the mix slider does not show the second latent");

    assert!(program.0.try_wait().unwrap().is_none(), "the window is still open");
}

#[test]
fn the_window_on_the_cpu_backend() {
    walk("cpu");
}

#[test]
fn the_window_on_the_gpu() {
    walk("gpu");
}
