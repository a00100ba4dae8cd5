//! What `fit` and `train` share: settings from flags and a TOML file, the loop, its progress, log, checkpoints and end.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command};
use hypersine::engine::{Engine, Mosaic, Strategy};
use hypersine::model::Model;
use hypersine::model::file::{self, Precision};
use hypersine::output::{check_writable, folder_of};
use hypersine::signal::{Canvas, Depth, picture_format, write_rows};
use hypersine::train::{
    BatchConfig, Config, FamilyConfig, LossConfig, NetworkConfig, OptimiserConfig, Signals, Step, StopConfig, Trainer,
};
use hypersine::viewer::{self, Open, Options, Outcome, Publisher, watched};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Global, aside, check_model_output, interrupt};

/// Pictures on a preview.
const PREVIEW: usize = 64;
/// Seconds between lines of progress where there is no terminal.
const LINE_EVERY: f64 = 10.0;

/// Where the run's results go.
#[derive(Args)]
#[command(next_help_heading = "Files")]
pub(super) struct Records {
    /// The model file to write
    #[arg(short, long, value_name = "MODEL")]
    pub output: PathBuf,
    /// A TOML file of settings, as `info --config MODEL` prints them; flags win over it
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    /// Continue the run whose checkpoint lies beside --output; its settings stay, but for --steps, --psnr and --time if given.
    /// Without this no run begins where the checkpoint of an unfinished one lies
    #[arg(long)]
    resume: bool,
    /// Minutes between checkpoints
    #[arg(long, value_name = "MINUTES", default_value_t = 5.0)]
    checkpoint_every: f64,
    /// Append one line of JSON a step to this file
    #[arg(long, value_name = "FILE.jsonl")]
    log: Option<PathBuf>,
    /// Write what has been learned so far to this picture now and then
    #[arg(long, value_name = "FILE.png")]
    preview: Option<PathBuf>,
    /// Minutes between previews
    #[arg(long, value_name = "MINUTES", default_value_t = 1.0)]
    preview_every: f64,
    /// Open the live window on the run; it goes on when the window is closed
    #[arg(long)]
    view: bool,
    /// Precision of the numbers in the model file; checkpoints are f32
    #[arg(long, value_enum, default_value = "f32")]
    precision: Precision,
}

/// What every run can set.
#[derive(Args)]
pub(super) struct Settings {
    #[command(flatten)]
    network: NetworkConfig,
    #[command(flatten)]
    batch: BatchConfig,
    #[command(flatten)]
    loss: LossConfig,
    #[command(flatten)]
    optimiser: OptimiserConfig,
    #[command(flatten)]
    stop: StopConfig,
}

impl Settings {
    /// `base` with those settings that the command line names, and a family's, which are overlaid already.
    pub(super) fn overlay(&self, base: &Config, family: Option<FamilyConfig>, matches: &ArgMatches) -> Result<Config> {
        Ok(Config {
            network: overlaid(&base.network, &self.network, matches)?,
            family,
            batch: overlaid(&base.batch, &self.batch, matches)?,
            loss: overlaid(&base.loss, &self.loss, matches)?,
            optimiser: overlaid(&base.optimiser, &self.optimiser, matches)?,
            stop: overlaid(&base.stop, &self.stop, matches)?,
        })
    }
}

/// A command whose help and values start from `config`, whatever the flags' own defaults are.
pub(super) fn defaults(command: Command, config: &Config) -> Command {
    let sections = serde_json::to_value(config).unwrap_or_default();
    let settings = sections.as_object().into_iter().flatten().filter_map(|(_, section)| section.as_object()).flatten();
    settings.fold(command, |command, (name, value)| {
        let text = match value {
            Value::String(s) => s.clone(),
            Value::Number(n) => n.to_string(),
            // Nothing, or a switch that is off.
            _ => return command,
        };
        command.mut_arg(name.clone(), |a| a.default_value(text))
    })
}

/// `base` with those settings that the command line names; `parsed` holds all flags, defaults among them.
pub(super) fn overlaid<T: Serialize + DeserializeOwned>(base: &T, parsed: &T, matches: &ArgMatches) -> Result<T> {
    let (mut values, flags) = (serde_json::to_value(base)?, serde_json::to_value(parsed)?);
    if let (Some(values), Some(flags)) = (values.as_object_mut(), flags.as_object()) {
        for (name, value) in flags {
            if matches.value_source(name) == Some(ValueSource::CommandLine) {
                refuse_no_number(name, matches)?;
                values.insert(name.clone(), value.clone());
            }
        }
    }
    Ok(serde_json::from_value(values)?)
}

/// JSON has no NaN and no infinity: they would come out as nothing at all.
fn refuse_no_number(name: &str, matches: &ArgMatches) -> Result<()> {
    for text in matches.get_raw(name).into_iter().flatten().filter_map(|raw| raw.to_str()) {
        if text.parse::<f64>().is_ok_and(|v| !v.is_finite()) {
            bail!("--{} {text}: give a number", name.replace('_', "-"));
        }
    }
    Ok(())
}

impl Records {
    /// Whether the results can be written where they are to go, before anything is done for them, and overwrite neither the
    /// signals nor an unfinished run.
    ///
    /// # Errors
    /// Where not.
    fn check(&self, signal: &Path) -> Result<()> {
        check_model_output(&self.output)?;
        if let Some(path) = &self.preview {
            picture_format(path)?;
            if Signals::are_solids(signal) {
                bail!("--preview is of pictures; `render --camera` shows a shape, from a checkpoint, too");
            }
            check_writable(path)?;
        }
        let whole = |path: &Path| path.canonicalize().ok();
        if let Some(signal) = whole(signal) {
            let is_signal = |path: &&PathBuf| whole(path).is_some_and(|own| own == signal);
            // A picture among the signals would be taken for one.
            let is_among = |path: &&PathBuf| whole(folder_of(path)).is_some_and(|folder| folder == signal);
            let wrong = self.preview.as_ref().filter(|path| is_signal(path) || is_among(path));
            if let Some(path) = wrong.or(self.log.as_ref().filter(is_signal)) {
                bail!("{}: that is where the signals lie; choose another place", path.display());
            }
        }
        let checkpoint = self.checkpoint();
        match (self.resume, checkpoint.exists()) {
            (false, true) => bail!(
                "{} holds an unfinished run: --resume goes on with it, and a new one may begin when it is removed",
                checkpoint.display()
            ),
            (true, false) => {
                bail!("--resume: there is no {}: the run has ended, or none has begun", checkpoint.display())
            }
            _ => Ok(()),
        }
    }

    /// The settings of the run to be continued, or of the TOML file, or `base`: only what the file names differs from it. Where
    /// a time is named and no number of steps, there is none.
    pub(super) fn settings(&self, signal: &Path, mut base: Config, matches: &ArgMatches) -> Result<Config> {
        self.check(signal)?;
        if self.resume {
            let path = self.checkpoint();
            let training = file::load(&path)?.training.unwrap_or_default();
            return serde_json::from_value(training)
                .with_context(|| format!("{}: no settings of a run", path.display()));
        }
        let Some(path) = &self.config else {
            if matches.value_source("time") == Some(ValueSource::CommandLine) {
                base.stop.steps = None;
            }
            return Ok(base);
        };
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        // toml's own messages draw the line they are about; here one sentence is wanted.
        let refused = |what: &str, e: &toml::de::Error| anyhow!("{}: {what}: {}", path.display(), e.message());
        let file: toml::Table = toml::from_str(&text).map_err(|e| refused("not TOML", &e))?;
        let names = |key: &str| file.get("stop").and_then(|stop| stop.get(key)).is_some();
        let by_time = names("time") && !names("steps");
        let mut values = toml::Table::try_from(&base)?;
        for (section, settings) in file {
            for (name, value) in settings.as_table().into_iter().flatten() {
                if value.as_float().is_some_and(|v| !v.is_finite()) {
                    bail!("{}: [{section}] {name} = {value}: give a number", path.display());
                }
            }
            match (values.get_mut(&section).and_then(toml::Value::as_table_mut), settings) {
                (Some(known), toml::Value::Table(settings)) => known.extend(settings),
                (_, settings) => {
                    values.insert(section, settings);
                }
            }
        }
        let mut config: Config = values.try_into().map_err(|e| refused("not the settings of a run", &e))?;
        if by_time {
            config.stop.steps = None;
        }
        Ok(config)
    }

    /// Whether nobody chose that setting: no flag, no file, no run that is continued.
    pub(super) fn is_unsaid(&self, setting: &str, matches: &ArgMatches) -> bool {
        let flag = matches.value_source(setting) == Some(ValueSource::CommandLine);
        !flag && self.config.is_none() && !self.resume
    }

    /// Where the run's checkpoint lies: beside the model.
    fn checkpoint(&self) -> PathBuf {
        self.output.with_extension("checkpoint.safetensors")
    }

    /// A new run, or the one to be continued, with the end that the command line names, if it does.
    pub(super) fn trainer(
        &self,
        config: Config,
        signals: Signals,
        global: &Global,
        (settings, matches): (&Settings, &ArgMatches),
    ) -> Result<Trainer> {
        let engine = Engine::open(&global.device)?;
        if !(self.checkpoint_every > 0.0 && self.preview_every > 0.0) {
            bail!("--checkpoint-every and --preview-every are minutes, more than 0");
        }
        if self.resume {
            let mut trainer = Trainer::resume(&self.checkpoint(), signals, &engine)?;
            trainer.set_stop(overlaid(&trainer.config().stop, &settings.stop, matches)?);
            trainer.config().validate()?;
            return Ok(trainer);
        }
        Ok(Trainer::new(config, signals, global.seed, &engine)?)
    }

    /// Trains until the end that the settings ask for, then writes the model; beside a window, if one is wanted.
    pub(super) fn run(&self, trainer: Trainer, global: &Global) -> Result<()> {
        if !self.view {
            return self.train(trainer, global, None);
        }
        let (publisher, watch) = watched();
        let (signals, config) = (trainer.signals().clone(), trainer.config().clone());
        let options = Options {
            open: Open::Run { watch, signals, config, model: Arc::new(trainer.so_far()?) },
            latent: None,
            mix: None,
            truth: None,
            size: None,
            device: global.device.clone(),
            strategy: global.strategy,
            seed: global.seed,
            fresh: false,
            trace: None,
            direct: false,
            started: Instant::now(),
        };
        // Windows belong to the main thread.
        std::thread::scope(|scope| {
            let run = scope.spawn(|| self.train(trainer, global, Some(publisher)));
            match viewer::run(options) {
                Ok(Outcome::Closed) => {}
                Ok(Outcome::NoDisplay(why)) => log::warn!("{why}; the run goes on without a window"),
                Err(e) => log::warn!("the window ended: {e}; the run goes on without it"),
            }
            run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn train(&self, trainer: Trainer, global: &Global, mut publisher: Option<Publisher>) -> Result<()> {
        let done = self.train_watched(trainer, global, &mut publisher);
        if let (Err(e), Some(publisher)) = (&done, &mut publisher) {
            publisher.fail(format!("{e:#}"));
        }
        done
    }

    fn train_watched(&self, trainer: Trainer, global: &Global, publisher: &mut Option<Publisher>) -> Result<()> {
        let mut run = Run::new(self, trainer, global)?;
        let heed = interrupt::heed();
        let interrupted = heed.asked();
        while run.trainer.end().is_none() {
            if interrupted.load(Ordering::SeqCst) {
                if let Some(publisher) = publisher {
                    publisher.close();
                }
                run.save_checkpoint().context("interrupted, and the checkpoint could not be written")?;
                bail!(
                    "interrupted after step {}: {} holds the run; the same command with --resume continues it",
                    run.trainer.step_count(),
                    self.checkpoint().display()
                );
            }
            let step = run.step()?;
            if let Some(window) = publisher
                && !window.turn(&mut run.trainer, &step, interrupted)?
            {
                *publisher = None;
            }
        }
        run.finish()
    }
}

/// A run under way.
struct Run<'a> {
    records: &'a Records,
    global: &'a Global,
    trainer: Trainer,
    log: Option<BufWriter<File>>,
    bar: indicatif::ProgressBar,
    started: Instant,
    first_step: u64,
    last_line: Instant,
    last_checkpoint: Instant,
    last_preview: Instant,
}

impl<'a> Run<'a> {
    fn new(records: &'a Records, trainer: Trainer, global: &'a Global) -> Result<Self> {
        let log = match &records.log {
            None => None,
            Some(path) => {
                let file = File::options().create(true).append(true).open(path);
                Some(BufWriter::new(file.with_context(|| format!("cannot write {}", path.display()))?))
            }
        };
        let bar = global.progress(trainer.expected_steps(), "{bar:30} {pos}/{len} {msg} {eta}");
        let now = Instant::now();
        Ok(Self {
            records,
            global,
            first_step: trainer.step_count(),
            trainer,
            log,
            bar,
            started: now,
            last_line: now,
            last_checkpoint: now,
            last_preview: now,
        })
    }

    fn step(&mut self) -> Result<Step> {
        let step = self.trainer.step().map_err(|e| self.with_checkpoint(e.into()))?;
        if let Some(log) = &mut self.log {
            // Each line is whole, whenever the run is killed.
            let line = serde_json::to_string(&step)? + "\n";
            log.write_all(line.as_bytes()).and_then(|()| log.flush()).context("the log cannot be written")?;
        }
        self.show(&step);
        let minutes = |since: Instant| since.elapsed().as_secs_f64() / 60.0;
        if minutes(self.last_checkpoint) >= self.records.checkpoint_every {
            // A full disk must not end a run: the last checkpoint still stands, and there may be room later.
            if let Err(e) = self.save_checkpoint() {
                log::warn!("no checkpoint at step {}: {e:#}; the run goes on", step.step);
            }
            self.last_checkpoint = Instant::now();
        }
        if let Some(path) =
            self.records.preview.as_deref().filter(|_| minutes(self.last_preview) >= self.records.preview_every)
        {
            if let Err(e) = self.trainer.so_far().map_err(Into::into).and_then(|model| self.preview(model, path)) {
                log::warn!("no preview at step {}: {e:#}; the run goes on", step.step);
            }
            self.last_preview = Instant::now();
        }
        Ok(step)
    }

    fn save_checkpoint(&self) -> Result<()> {
        Ok(self.trainer.save_checkpoint(&self.records.checkpoint())?)
    }

    /// Says which checkpoint remains where a run broke off.
    fn with_checkpoint(&self, error: anyhow::Error) -> anyhow::Error {
        let path = self.records.checkpoint();
        if path.exists() { error.context(format!("the last checkpoint is kept in {}", path.display())) } else { error }
    }

    /// Steps per second since this process began.
    fn pace(&self) -> f64 {
        (self.trainer.step_count() - self.first_step) as f64 / self.started.elapsed().as_secs_f64().max(1e-9)
    }

    fn show(&mut self, step: &Step) {
        let pace = self.pace();
        let text = || {
            format!(
                "loss {:.3e}, {}{pace:.1} it/s, {:.2} Mpoints/s",
                step.mean_loss,
                step.mean_psnr.map(|p| format!("{p:.2} dB, ")).unwrap_or_default(),
                pace * step.points as f64 * 1e-6
            )
        };
        if std::io::stderr().is_terminal() {
            self.bar.set_length(self.trainer.expected_steps());
            self.bar.set_position(step.step);
            self.bar.set_message(text());
        } else if !self.global.quiet && self.last_line.elapsed().as_secs_f64() >= LINE_EVERY {
            let left = self.trainer.expected_steps().saturating_sub(step.step) as f64 / pace;
            aside(format_args!("step {}: {}, {left:.0} s left", step.step, text()));
            self.last_line = Instant::now();
        }
    }

    /// The first latents' pictures on one sheet.
    fn preview(&self, model: Model, path: &Path) -> Result<()> {
        let model = Arc::new(model);
        let field = self.trainer.engine().load(&model)?;
        let Some(first) = self.trainer.signals().pictures().first() else {
            bail!("there is no picture to show");
        };
        let cells = model.latents.len().clamp(1, PREVIEW);
        let grid = model.coordinates.grid(first.width, first.height, None)?;
        let mosaic = Mosaic::new(grid, cells, None, 1)?;
        let z = &model.latents.values()[..if model.latents.is_empty() { 0 } else { cells * model.latent_dim() }];
        let [width, height] = mosaic.size();
        let canvas = Canvas { width, height, channels: model.inr.outputs, range: model.values };
        write_rows(path, &canvas, Depth::Eight, |rows| {
            mosaic.render(&field, z, Strategy::Auto, rows)?;
            Ok(())
        })?;
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        self.bar.finish_and_clear();
        let model = self.trainer.model()?;
        file::save(&model, &self.records.output, self.records.precision).map_err(|e| self.with_checkpoint(e.into()))?;
        // What the checkpoint was for is done.
        let checkpoint = self.records.checkpoint();
        if checkpoint.exists() {
            std::fs::remove_file(&checkpoint).with_context(|| format!("cannot remove {}", checkpoint.display()))?;
        }
        if let Some(path) = &self.records.preview
            && let Err(e) = self.preview(model, path)
        {
            log::warn!("no preview at the end: {e:#}");
        }
        if let Some(log) = &mut self.log {
            log.flush().context("the log cannot be written")?;
        }
        let bytes = std::fs::metadata(&self.records.output).map(|m| m.len()).unwrap_or(0);
        let (step, seconds) = (self.trainer.last(), self.started.elapsed());
        let end = self.trainer.end().unwrap_or("done");
        let report = json!({
            "output": self.records.output.display().to_string(), "bytes": bytes, "steps": self.trainer.step_count(), "end": end,
            "seconds": seconds.as_secs_f64(), "steps_per_s": self.pace(),
            "loss": step.map(|s| s.mean_loss), "psnr": step.and_then(|s| s.mean_psnr),
        });
        self.global.report(&report, || self.summary(end, bytes, seconds));
        Ok(())
    }

    fn summary(&self, end: &str, bytes: u64, seconds: Duration) -> String {
        let quality = self.trainer.last().map_or_else(String::new, |s| {
            let psnr = s.mean_psnr.map(|p| format!(", {p:.2} dB")).unwrap_or_default();
            format!(", loss {:.3e}{psnr}", s.mean_loss)
        });
        format!(
            "{}: {bytes} bytes after {} steps ({end}) in {:.1} s{quality}",
            self.records.output.display(),
            self.trainer.step_count(),
            seconds.as_secs_f64()
        )
    }
}
