//! Others that do the same work: PyTorch, where a Python has it, or any program that speaks as `scripts/peers/harness.py` does.
//! They run beside this program and take turns with it; their outputs are checked as ours are.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;

use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::method::{Check, Lap, Subject};
use super::record::{Shape, Work};
use super::session::Entry;
use super::twin::Expected;
use crate::engine::Engine;
use crate::measure::Clock;
use crate::model::{Activation, Grid, Model, Source};
use crate::{Error, Result};

/// What a Python runs.
const SCRIPT: &str = include_str!("../../scripts/peers/harness.py");
/// What f16 may err by (DESIGN's numerics).
const HALF: f64 = 5e-3;

/// A program to be started.
#[derive(Clone, Debug)]
pub enum PeerCommand {
    /// A Python that has PyTorch.
    Python(String),
    /// Another that speaks the same words.
    Program(PathBuf),
}

/// A program that answers; shared by its subjects.
#[derive(Clone, Debug)]
pub(super) struct Peer(Rc<RefCell<Talk>>);

#[derive(Debug)]
struct Talk {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    folder: TempDir,
    about: About,
    subjects: u32,
}

/// What the peer is.
#[derive(Clone, Debug, Default, Deserialize)]
struct About {
    name: String,
    modes: Vec<Mode>,
}

/// A way in which it evaluates.
#[derive(Clone, Debug, Deserialize)]
struct Mode {
    /// Beside which of our devices.
    on: Kind,
    /// What it calls its own device and this way.
    device: String,
    mode: String,
    /// What people call it.
    called: String,
    /// Whether it computes in f16.
    #[serde(default)]
    half: bool,
}

/// What kind of device an engine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Cpu,
    Gpu,
    /// A GPU's driver without a GPU.
    Software,
}

/// A picture that a peer evaluates, too.
pub(super) struct Picture<'a> {
    pub model: &'a Model,
    pub grid: &'a Grid,
    pub expected: &'a Rc<Expected>,
    pub shape: Shape,
    pub work: Work,
}

impl Peer {
    /// Starts it.
    ///
    /// # Errors
    /// Where it is not there, or says nothing of use: in one line.
    pub(super) fn start(command: &PeerCommand) -> Result<Self> {
        let folder = tempfile::tempdir().map_err(Error::io("create", &std::env::temp_dir()))?;
        let (name, mut command) = match command {
            PeerCommand::Python(python) => {
                let found = Command::new(python).args(["-c", "import torch"]).stdin(Stdio::null()).output();
                if found.is_ok_and(|out| !out.status.success()) {
                    return Err(Error::invalid(format!("'{python}' cannot import torch")));
                }
                let script = folder.path().join("peer.py");
                std::fs::write(&script, SCRIPT).map_err(Error::io("write", &script))?;
                let mut command = Command::new(python);
                command.arg(&script);
                (python.clone(), command)
            }
            PeerCommand::Program(path) => (path.display().to_string(), Command::new(path)),
        };
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|e| Error::invalid(format!("'{name}' cannot be started ({e})")))?;
        let (Some(commands), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::invalid(format!("'{name}' cannot be spoken to")));
        };
        let answers = BufReader::new(answers);
        let mut talk = Talk { child, commands, answers, folder, about: About::default(), subjects: 0 };
        let about = talk.ask(&["about"])?;
        talk.about =
            serde_json::from_value(about).map_err(|e| Error::invalid(format!("'{name}' says nonsense ({e})")))?;
        Ok(Self(Rc::new(RefCell::new(talk))))
    }

    /// Its name and version.
    pub(super) fn describe(&self) -> String {
        self.0.borrow().about.name.clone()
    }

    /// Its ways beside a device.
    fn modes(&self, engine: &Engine) -> Vec<Mode> {
        let kind = match engine.gpu() {
            None => Kind::Cpu,
            Some(ctx) if ctx.is_software() => Kind::Software,
            Some(_) => Kind::Gpu,
        };
        self.0.borrow().about.modes.iter().filter(|mode| mode.on == kind).cloned().collect()
    }
}

/// The same picture by the peer in all its ways; they take turns with the entry of that name.
pub(super) fn evaluations<'a>(
    peer: &Peer,
    engine: &Engine,
    picture: &Picture<'a>,
    name: &str,
) -> Result<Vec<Entry<'a>>> {
    let mut entries = Vec::new();
    for mode in peer.modes(engine) {
        let file = peer.0.borrow_mut().describe(picture)?;
        let (peer, expected, called) = (peer.clone(), Rc::clone(picture.expected), mode.called.clone());
        let mut entry = Entry::new(name, picture.shape.clone(), picture.work.clone(), move || {
            Remote::load(peer, &mode, &file, expected)
        });
        entry.peer = Some(called);
        entries.push(entry);
    }
    Ok(entries)
}

impl Talk {
    /// Says a line, and waits for the answer.
    fn ask(&mut self, words: &[&str]) -> Result<Value> {
        let gone = |e: std::io::Error| Error::invalid(format!("the peer does not answer ({e})"));
        writeln!(self.commands, "{}", words.join("\t")).map_err(gone)?;
        self.commands.flush().map_err(gone)?;
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(gone)?;
        let answer: Value = serde_json::from_str(&line)
            .map_err(|_| Error::invalid(format!("the peer ended in the middle of '{}'", words.join(" "))))?;
        match answer.get("error").and_then(Value::as_str) {
            Some(error) => Err(Error::invalid(format!("the peer failed in '{}': {error}", words.join(" ")))),
            None => Ok(answer),
        }
    }

    /// Writes a picture's weights and points to files, and what they are to another: its path.
    fn describe(&mut self, picture: &Picture<'_>) -> Result<PathBuf> {
        self.subjects += 1;
        let place = |what: &str| self.folder.path().join(format!("{}.{what}", self.subjects));
        let Picture { model, grid, .. } = picture;
        let (mut weights, layers) = (Vec::new(), model.inr.layers());
        for head in &model.hypernetwork.heads {
            let (Source::Shared(weight), Source::Shared(bias)) = (&head.weight, &head.bias) else {
                return Err(Error::invalid("peers evaluate single INRs only"));
            };
            weights.extend(weight.iter().chain(bias));
        }
        #[expect(clippy::cast_possible_truncation, reason = "coordinates are f32 in every program")]
        let coordinates: Vec<f32> = (0..grid.height)
            .flat_map(|j| (0..grid.width).map(move |i| (i, j)))
            .flat_map(|(i, j)| grid.point(i, j).map(|v| v as f32))
            .collect();
        let Some(Activation::Sine { omega }) = model.inr.hidden.first().map(|l| l.activation) else {
            return Err(Error::invalid("peers evaluate SIRENs only"));
        };
        let about = json!({
            "layers": layers.iter().map(|l| [l.outputs, l.inputs]).collect::<Vec<_>>(),
            "omega": omega,
            "weights": store(&place("weights"), &weights)?,
            "coordinates": store(&place("points"), &coordinates)?,
        });
        let path = place("json");
        std::fs::write(&path, about.to_string()).map_err(Error::io("write", &path))?;
        Ok(path)
    }
}

impl Drop for Talk {
    /// Without commands it ends by itself; it may still be compiling.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes little-endian numbers.
fn store(path: &Path, numbers: &[f32]) -> Result<PathBuf> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
    std::fs::write(path, bytes).map_err(Error::io("write", path))?;
    Ok(path.to_owned())
}

/// A subject in the other program.
struct Remote {
    peer: Peer,
    name: String,
    output: PathBuf,
    expected: Rc<Expected>,
    half: bool,
}

impl Remote {
    fn load(peer: Peer, mode: &Mode, file: &Path, expected: Rc<Expected>) -> Result<Self> {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        peer.0.borrow_mut().ask(&["load", &name, &mode.mode, &mode.device, &file.to_string_lossy()])?;
        let output = file.with_extension("outputs");
        Ok(Self { peer, name, output, expected, half: mode.half })
    }
}

impl Subject for Remote {
    fn poison(&mut self) -> Result<()> {
        self.peer.0.borrow_mut().ask(&["poison", &self.name]).map(|_| ())
    }

    fn run(&mut self, repeats: u32) -> Result<Lap> {
        let answer = self.peer.0.borrow_mut().ask(&["run", &self.name, &repeats.to_string()])?;
        let seconds = answer.get("seconds").and_then(Value::as_f64);
        let seconds = seconds.ok_or_else(|| Error::invalid("the peer did not say how long it took"))?;
        Ok(Lap { seconds, clock: Clock::Wall })
    }

    fn check(&mut self) -> Result<Check> {
        self.peer.0.borrow_mut().ask(&["store", &self.name, &self.output.to_string_lossy()])?;
        let bytes = std::fs::read(&self.output).map_err(Error::io("read", &self.output))?;
        let values: Vec<f32> = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        let check = self.expected.check(&values);
        Ok(if self.half { Check { bound: HALF, ..check } } else { check })
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let _ = self.peer.0.borrow_mut().ask(&["drop", &self.name]);
    }
}
