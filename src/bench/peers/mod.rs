//! Others that do the same work: PyTorch, where a Python has it, or any program that speaks as `scripts/peers/harness.py` does.
//! They run beside this program and take turns with it; their outputs are checked as ours are.

mod task;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

pub(super) use task::{Kind, Task};

use super::method::{Check, Lap, Subject};
use super::record::{Shape, Work};
use super::session::Entry;
use super::twin::HALF;
use crate::engine::Engine;
use crate::measure::Clock;
use crate::{Error, Result};

/// What a Python runs.
const SCRIPT: &str = include_str!("../../../scripts/peers/harness.py");

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
    on: Beside,
    /// What it calls its own device and this way.
    device: String,
    mode: String,
    /// What people call it.
    called: String,
    /// Whether it computes in f16.
    #[serde(default)]
    half: bool,
    /// What it can do.
    #[serde(default = "evaluate")]
    tasks: Vec<Kind>,
}

/// What a peer can do that does not say.
fn evaluate() -> Vec<Kind> {
    vec![Kind::Evaluate]
}

/// What kind of device an engine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Beside {
    Cpu,
    Gpu,
    /// A GPU's driver without a GPU.
    Software,
}

/// Judges a peer's numbers, and what else it said when it stored them.
pub(super) type Judge<'a> = Rc<dyn Fn(&[f32], &Value) -> Result<Check> + 'a>;

/// What a peer does, too, as a row has it.
pub(super) struct Shared<'a> {
    pub case: String,
    pub shape: Shape,
    pub work: Work,
    pub judge: Judge<'a>,
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

    /// Its ways of such work beside a device.
    fn modes(&self, engine: &Engine, kind: Kind) -> Vec<Mode> {
        let beside = match engine.gpu() {
            None => Beside::Cpu,
            Some(ctx) if ctx.is_software() => Beside::Software,
            Some(_) => Beside::Gpu,
        };
        let fits = |mode: &&Mode| mode.on == beside && mode.tasks.contains(&kind);
        self.0.borrow().about.modes.iter().filter(fits).cloned().collect()
    }
}

/// The same work by all peers in all their ways; they take turns with ours.
pub(super) fn entries<'a>(
    peers: &[Peer],
    engine: &Engine,
    task: &Task<'_>,
    shared: &Shared<'a>,
) -> Result<Vec<Entry<'a>>> {
    let mut entries = Vec::new();
    for peer in peers {
        for mode in peer.modes(engine, task.kind) {
            let file = peer.0.borrow_mut().describe(task)?;
            let (peer, judge, called) = (peer.clone(), Rc::clone(&shared.judge), mode.called.clone());
            let (case, shape, work) = (shared.case.clone(), shared.shape.clone(), shared.work.clone());
            let mut entry = Entry::new(case, shape, work, move || Remote::load(peer, &mode, &file, judge));
            entry.peer = Some(called);
            entries.push(entry);
        }
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

    /// Writes a task to files: the path of the one that says what it is.
    fn describe(&mut self, task: &Task<'_>) -> Result<PathBuf> {
        self.subjects += 1;
        task.write(&self.folder.path().join(self.subjects.to_string()))
    }
}

impl Drop for Talk {
    /// Without commands it ends by itself; it may still be compiling.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A subject in the other program.
struct Remote<'a> {
    peer: Peer,
    name: String,
    output: PathBuf,
    judge: Judge<'a>,
    half: bool,
    /// Bytes that it held at the most, where it knows.
    peak: Option<f64>,
}

impl<'a> Remote<'a> {
    fn load(peer: Peer, mode: &Mode, file: &Path, judge: Judge<'a>) -> Result<Self> {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        peer.0.borrow_mut().ask(&["load", &name, &mode.mode, &mode.device, &file.to_string_lossy()])?;
        let output = file.with_extension("outputs");
        Ok(Self { peer, name, output, judge, half: mode.half, peak: None })
    }
}

impl Subject for Remote<'_> {
    fn poison(&mut self) -> Result<()> {
        self.peer.0.borrow_mut().ask(&["poison", &self.name]).map(|_| ())
    }

    fn run(&mut self, repeats: u32) -> Result<Lap> {
        let answer = self.peer.0.borrow_mut().ask(&["run", &self.name, &repeats.to_string()])?;
        let seconds = answer.get("seconds").and_then(Value::as_f64);
        self.peak = answer.get("peak_bytes").and_then(Value::as_f64);
        let seconds = seconds.ok_or_else(|| Error::invalid("the peer did not say how long it took"))?;
        Ok(Lap { seconds, clock: Clock::Wall })
    }

    fn check(&mut self) -> Result<Check> {
        let said = self.peer.0.borrow_mut().ask(&["store", &self.name, &self.output.to_string_lossy()])?;
        let bytes = std::fs::read(&self.output).map_err(Error::io("read", &self.output))?;
        let values: Vec<f32> = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        let check = (self.judge)(&values, &said)?;
        Ok(if self.half { Check { bound: HALF, ..check } } else { check })
    }

    fn figures(&self) -> BTreeMap<String, f64> {
        self.peak.map(|bytes| ("peak_bytes".to_owned(), bytes)).into_iter().collect()
    }
}

impl Drop for Remote<'_> {
    fn drop(&mut self) {
        let _ = self.peer.0.borrow_mut().ask(&["drop", &self.name]);
    }
}
