//! burn as a peer of `hypersine bench --peers`: the harness starts this, and the two take turns.
//!
//! It reads a command on each line of stdin and answers with a line of JSON on stdout:
//!
//! - `about`: what this is, `{"name", "modes": [{"on", "device", "mode", "called", "half"}]}`; `on` is whose rows a mode
//!   stands beside: those of a real `gpu`, of a `software` driver or of our `cpu`
//! - `load NAME MODE DEVICE FILE`: a SIREN and its points, as FILE (JSON) describes them
//! - `poison NAME`: the outputs become NaN
//! - `run NAME REPEATS`: `{"seconds"}` of all repeats
//! - `store NAME FILE`: the outputs as little-endian 32-bit floats
//! - `drop NAME`: it is needed no longer
//!
//! Words are parted by tabs. What goes wrong is answered with `{"error"}`, in one line.

use std::collections::HashMap;
use std::error::Error;
use std::io::{Write, stdin, stdout};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::tensor::module::linear;
use burn::tensor::wgpu::wgpu::DeviceType;
use burn::tensor::{Device, DeviceKind, Tensor, TensorData};
use serde::Deserialize;
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> std::io::Result<()> {
    let mut peer = Peer { places: places(), subjects: HashMap::new() };
    for line in stdin().lines() {
        let line = line?;
        let words: Vec<&str> = line.split('\t').collect();
        let answer = guard(|| peer.answer(&words)).unwrap_or_else(|error| json!({ "error": error }));
        writeln!(stdout(), "{answer}")?;
        stdout().flush()?;
    }
    Ok(())
}

/// Does what may fail or panic, as burn does where a device is lost: the error's first line.
fn guard<T>(work: impl FnOnce() -> Result<T>) -> std::result::Result<T, String> {
    let error = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => return Ok(done),
        Ok(Err(error)) => error.to_string(),
        Err(panic) => match panic.downcast::<String>() {
            Ok(message) => *message,
            Err(panic) => panic.downcast_ref::<&str>().copied().unwrap_or("it panicked").to_owned(),
        },
    };
    Err(error.lines().next().unwrap_or_default().to_owned())
}

/// A device of burn's, and whose rows it stands beside.
struct Place {
    on: &'static str,
    backend: &'static str,
    called: &'static str,
    hardware: String,
    device: Device,
}

/// The devices that are there: burn's own CPU backend, the GPU that wgpu prefers, and a software driver.
fn places() -> Vec<Place> {
    let cpu = Device::flex();
    let mut places =
        vec![Place { on: "cpu", backend: "flex", called: "burn flex", hardware: "the CPU".into(), device: cpu }];
    for kind in [DeviceKind::DefaultDevice, DeviceKind::Cpu] {
        let Ok((device, info)) = guard(|| {
            let (device, setup) = Device::wgpu_options().device_kind(kind).init_with_setup()?;
            Ok((device, setup.adapter.get_info()))
        }) else {
            continue;
        };
        let on = if info.device_type == DeviceType::Cpu { "software" } else { "gpu" };
        // Without a real GPU, the software driver is the preferred one, too.
        if places.iter().all(|place| place.on != on) {
            places.push(Place { on, backend: "wgpu", called: "burn", hardware: info.name, device });
        }
    }
    places
}

struct Peer {
    places: Vec<Place>,
    subjects: HashMap<String, Subject>,
}

impl Peer {
    fn answer(&mut self, words: &[&str]) -> Result<Value> {
        match *words {
            ["about"] => return Ok(self.about()),
            ["load", name, mode, on, file] => {
                let place = self.places.iter().find(|p| p.backend == mode && p.on == on).ok_or("no such device")?;
                self.subjects.insert(name.to_owned(), Subject::load(&place.device, Path::new(file))?);
            }
            ["poison", name] => self.subject(name)?.poison(),
            ["run", name, repeats] => return Ok(json!({ "seconds": self.subject(name)?.run(repeats.parse()?)? })),
            ["store", name, file] => self.subject(name)?.store(Path::new(file))?,
            ["drop", name] => drop(self.subjects.remove(name)),
            _ => return Err("no such command".into()),
        }
        Ok(json!({}))
    }

    fn about(&self) -> Value {
        let hardware: Vec<_> = self.places.iter().map(|p| format!("{} on {}", p.backend, p.hardware)).collect();
        // This package has burn's version.
        let name = format!("burn {} ({})", env!("CARGO_PKG_VERSION"), hardware.join(", "));
        let mode =
            |p: &Place| json!({ "on": p.on, "device": p.on, "mode": p.backend, "called": p.called, "half": false });
        json!({ "name": name, "modes": self.places.iter().map(mode).collect::<Vec<_>>() })
    }

    fn subject(&mut self, name: &str) -> Result<&mut Subject> {
        self.subjects.get_mut(name).ok_or_else(|| "no such subject".into())
    }
}

/// What a file says of a subject.
#[derive(Deserialize)]
struct Description {
    /// Outputs and inputs.
    layers: Vec<[usize; 2]>,
    omega: f32,
    weights: PathBuf,
    coordinates: PathBuf,
}

/// A SIREN, sin(omega (x W + b)) in the hidden layers, then a linear one; its points, and their outputs.
struct Subject {
    device: Device,
    layers: Vec<(Tensor<2>, Tensor<1>)>,
    omega: f32,
    x: Tensor<2>,
    y: Tensor<2>,
}

impl Subject {
    fn load(device: &Device, file: &Path) -> Result<Self> {
        let about: Description = serde_json::from_slice(&std::fs::read(file)?)?;
        let numbers = floats(&about.weights)?;
        let mut rest = numbers.as_slice();
        let mut layers: Vec<(Tensor<2>, Tensor<1>)> = Vec::new();
        for [outputs, inputs] in about.layers {
            let (weight, after) = rest.split_at_checked(outputs * inputs).ok_or("too few weights")?;
            let (bias, after) = after.split_at_checked(outputs).ok_or("too few weights")?;
            rest = after;
            // burn keeps a layer's weight as [inputs, outputs].
            let weight: Vec<f32> =
                (0..inputs).flat_map(|i| (0..outputs).map(move |o| weight[o * inputs + i])).collect();
            let weight = Tensor::from_data(TensorData::new(weight, [inputs, outputs]), device);
            layers.push((weight, Tensor::from_data(TensorData::new(bias.to_vec(), [outputs]), device)));
        }
        let [inputs, _] = layers.first().ok_or("no layers")?.0.dims();
        let points = floats(&about.coordinates)?;
        let shape = [points.len() / inputs, inputs];
        let x: Tensor<2> = Tensor::from_data(TensorData::new(points, shape), device);
        let mut subject = Self { device: device.clone(), layers, omega: about.omega, y: x.clone(), x };
        subject.poison();
        Ok(subject)
    }

    fn poison(&mut self) {
        // What a run returns is another tensor: there is nothing else to write into.
        self.y = Tensor::full([1, 1], f32::NAN, &self.device);
    }

    fn forward(&self) -> Tensor<2> {
        let last = self.layers.len() - 1;
        self.layers.iter().enumerate().fold(self.x.clone(), |x, (i, (weight, bias))| {
            let x = linear(x, weight.clone(), Some(bias.clone()));
            if i < last { (x * self.omega).sin() } else { x }
        })
    }

    fn run(&mut self, repeats: u32) -> Result<f64> {
        self.device.sync()?;
        let start = Instant::now();
        for _ in 0..repeats {
            self.y = self.forward();
            // While the outputs are held: fusion writes no tensor that was let go before it ran.
            self.device.flush()?;
        }
        self.device.sync()?;
        Ok(start.elapsed().as_secs_f64())
    }

    fn store(&self, file: &Path) -> Result<()> {
        let values = self.y.clone().try_into_data()?.try_into_vec::<f32>()?;
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Ok(std::fs::write(file, bytes)?)
    }
}

/// Reads little-endian numbers.
fn floats(path: &Path) -> Result<Vec<f32>> {
    Ok(std::fs::read(path)?.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
}
