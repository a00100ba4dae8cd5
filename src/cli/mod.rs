//! The command line: one file per command.

mod bench;
mod devices;
mod encode;
mod eval;
mod fit;
mod import;
mod info;
mod interrupt;
mod latent;
mod mesh;
mod render;
mod solid;
mod train;
mod training;
mod view;

use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use hypersine::engine::{DeviceChoice, Engine, Strategy};
use hypersine::model::{self, Model};
use hypersine::output::check_writable;

/// Implicit neural representations whose weights a hypernetwork writes, on any GPU.
///
/// Without a command the viewer opens on the built-in model; with no display, a contact sheet is written.
///
/// MODEL is a file that `import` made, or a built-in model: @emoji, @faces, @bodies.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Options of every command.
#[derive(Args)]
struct Global {
    /// Where to compute: auto (a real GPU, else the CPU), gpu, cpu, or an adapter's index or name [see `devices`]
    #[arg(long, global = true, default_value = "auto", value_name = "DEVICE")]
    device: DeviceChoice,
    /// How generated weights reach the INR
    #[arg(long, global = true, value_enum, default_value_t)]
    strategy: Strategy,
    /// Seed of everything random
    #[arg(long, global = true, default_value_t = 0)]
    seed: u64,
    /// Print one JSON object on stdout instead of text
    #[arg(long, global = true)]
    json: bool,
    /// Say more (-vv: even more)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Say nothing but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
}

#[derive(Subcommand)]
enum Command {
    View(view::View),
    Render(render::Render),
    Mesh(mesh::Mesh),
    Fit(fit::Fit),
    Train(train::Train),
    Encode(encode::Encode),
    Eval(eval::Eval),
    Import(import::Import),
    Bench(bench::Bench),
    Info(info::Info),
    Devices(devices::Devices),
}

impl Global {
    fn engine(&self) -> Result<Engine> {
        Ok(Engine::open(&self.device)?)
    }

    /// A progress bar on a terminal's stderr; nothing in a pipe or under --quiet.
    fn progress(&self, total: u64, template: &str) -> indicatif::ProgressBar {
        if self.quiet {
            return indicatif::ProgressBar::hidden();
        }
        let style = indicatif::ProgressStyle::with_template(template).expect("the templates are constants");
        indicatif::ProgressBar::new(total).with_style(style)
    }

    /// Prints a report: as JSON if asked, else as text unless quiet.
    fn report(&self, json: &serde_json::Value, text: impl FnOnce() -> String) {
        if self.json {
            say(json);
        } else if !self.quiet {
            say(text());
        }
    }
}

/// Prints a line. Whoever reads no further, as `head`, has seen enough: the work goes on without.
fn say(line: impl Display) {
    match writeln!(std::io::stdout(), "{line}") {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            aside(format_args!("hypersine: cannot write to the standard output: {e}"));
            std::process::exit(1);
        }
        _ => {}
    }
}

/// Prints a line on the standard error, if anybody listens there.
fn aside(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Whether a model can be written there, before it is made.
fn check_model_output(path: &Path) -> Result<()> {
    if path.extension().is_none_or(|ending| ending != "safetensors") {
        bail!("{}: a model's name ends in .safetensors", path.display());
    }
    Ok(check_writable(path)?)
}

/// The model that a MODEL argument names.
fn open_model(name: &str) -> Result<Arc<Model>> {
    let model = match name.strip_prefix('@') {
        Some(builtin) => model::builtin(builtin)?,
        None => model::file::load(Path::new(name))?,
    };
    Ok(Arc::new(model))
}

fn start_log(global: &Global) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => log::LevelFilter::Error,
        (_, 0) => log::LevelFilter::Warn,
        (_, 1) => log::LevelFilter::Info,
        _ => log::LevelFilter::Debug,
    };
    // wgpu and its friends speak of their own affairs: only their errors concern a user.
    env_logger::Builder::new()
        .filter_level(log::LevelFilter::Error)
        .filter_module("hypersine", level)
        .format(|out, record| writeln!(out, "{}: {}", record.level().as_str().to_lowercase(), record.args()))
        .parse_default_env()
        .init();
}

/// Runs the program: exit status 0 done, 1 failed with one sentence on stderr, 2 wrong usage, 130 interrupted.
pub(crate) fn main() -> ExitCode {
    let command = Cli::command()
        .mut_subcommand("fit", fit::Fit::with_defaults)
        .mut_subcommand("train", train::Train::with_defaults);
    let matches = command.get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|e| e.exit());
    // Which flags were given, for commands that tell them from defaults.
    let given = matches.subcommand().map_or(&matches, |(_, m)| m);
    start_log(&cli.global);
    let global = &cli.global;
    if let Err(e) = interrupt::listen() {
        log::warn!("{e:#}");
    }
    let done = match cli.command {
        None => view::View::default().run(global),
        Some(Command::View(c)) => c.run(global),
        Some(Command::Render(c)) => c.run(global),
        Some(Command::Mesh(c)) => c.run(global),
        Some(Command::Fit(c)) => c.run(global, given),
        Some(Command::Train(c)) => c.run(global, given),
        Some(Command::Encode(c)) => c.run(global, given),
        Some(Command::Eval(c)) => c.run(global),
        Some(Command::Import(c)) => c.run(global),
        Some(Command::Bench(c)) => c.run(global),
        Some(Command::Info(c)) => c.run(global),
        Some(Command::Devices(c)) => c.run(global),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            aside(format_args!("hypersine: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
