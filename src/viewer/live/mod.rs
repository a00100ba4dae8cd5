//! An open window: the scene and its controls, the painter, the threads that learn and work, and what is on screen.

mod answers;
mod frame;
mod graphics;
mod learning;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use glam::DVec2;
use winit::dpi::LogicalSize;
use winit::event::WindowEvent;
use winit::event_loop::{ActiveEventLoop, ControlFlow, OwnedDisplayHandle};
use winit::window::Window;

use crate::engine::{DeviceChoice, Engine};
use crate::model::Model;
use crate::signal::Picture;
use crate::train::{Config, Signals, Trainer};
use crate::viewer::app::{Proxy, Wake};
use crate::viewer::errands::{Clerk, Exporting, Porter};
use crate::viewer::latent::{Code, Codes, Weights};
use crate::viewer::learn::Watch;
use crate::viewer::memory::{Memory, Place};
use crate::viewer::painter::{Painted, Painter};
use crate::viewer::panel::{Facts, Panel};
use crate::viewer::scene::Scene;
use crate::viewer::trace::{Busy, Trace};
use crate::viewer::view::View;
use crate::viewer::wires::Of;
use crate::viewer::{Open, Options};
use crate::{Error, Result};

use graphics::{Graphics, Opening};

/// How often the loop looks after work that is under way.
const POLL: Duration = Duration::from_millis(1);
/// How often a run that is watched is asked for its model, if the picture of the last one has become fine enough to look
/// at; and if it has not.
const NEWS: Duration = Duration::from_millis(150);
const LATE_NEWS: Duration = Duration::from_millis(1000);
/// Canvas pixels per evaluated pixel of a picture that is fine enough.
const FINE: u32 = 2;
/// How often thumbnails follow a run.
const THUMBNAILS: Duration = Duration::from_secs(2);
/// Pictures and frames on the plot of timings.
const TIMES: usize = 200;
/// Seconds that a notice stays.
const NOTICE: f64 = 4.0;
/// Size of the window where nothing says another.
const SIZE: [u32; 2] = [1000, 720];
/// How long the first frame waits for a picture.
const FIRST: Duration = Duration::from_millis(150);

/// A run or a search under way.
struct Learning {
    watch: Watch,
    /// A search's picture, or the signals of a run of this window's own.
    kind: Kind,
    asked: Instant,
    /// The picture of the last news is fine enough to look at.
    fine: bool,
}

impl Learning {
    /// How long to wait between two orders of news.
    fn patience(&self) -> Duration {
        if self.fine { NEWS } else { LATE_NEWS }
    }
}

enum Kind {
    Search(String),
    Own(Box<Signals>),
    Others,
}

/// Where a signal comes from.
#[derive(Clone)]
enum Source {
    Here(Arc<Picture>),
    File(PathBuf),
}

pub(super) struct Live {
    window: Arc<Window>,
    display: OwnedDisplayHandle,
    proxy: Proxy,
    egui: Option<egui_winit::State>,
    graphics: Option<Graphics>,
    /// What will be, after a device was lost.
    opening: Option<Opening>,
    device: DeviceChoice,
    /// Evaluate on the window's own device, whatever that is.
    direct: bool,
    /// What evaluates where the window's device does not; it outlives that one.
    engine: Option<Engine>,
    seed: u64,
    panel: Panel,
    scene: Scene,
    facts: Facts,
    /// Under which the model is remembered.
    key: Option<String>,
    memory: Memory,
    clerk: Clerk,
    learning: Option<Learning>,
    porter: Porter,
    exports: Vec<Exporting>,
    truths: BTreeMap<String, Source>,
    /// The signal that is being loaded, or was put away.
    truth_asked: Option<String>,
    /// What the clerk was asked about last.
    psnr_asked: Option<(Weights, String, Arc<Model>)>,
    weights_asked: Option<(Weights, Arc<Model>)>,
    wires_asked: Option<Of>,
    canvas: egui::Rect,
    /// The canvas in physical pixels.
    size: DVec2,
    /// The view that shows all of the picture: while it is the view at hand, it follows the canvas.
    fitted: Option<View>,
    asked_at: Instant,
    last_frame: Instant,
    thumbnails_at: Option<Instant>,
    /// When egui wants to be drawn again on its own account.
    repaint_at: Option<Instant>,
    trace: Trace,
    /// A frame was wanted while another was being drawn.
    redraw: bool,
    quit: bool,
}

impl Live {
    pub(super) fn open(event_loop: &ActiveEventLoop, options: Options, proxy: Proxy) -> Result<Self> {
        let memory = if options.fresh { Memory::default() } else { Memory::load() };
        let [width, height] = options.size.or(memory.size).unwrap_or(SIZE);
        let attributes =
            Window::default_attributes().with_title("Hypersine").with_inner_size(LogicalSize::new(width, height));
        let window = event_loop
            .create_window(attributes)
            .map_err(|e| Error::invalid(format!("no window could be opened ({e})")))?;
        let trace = Trace::new(options.trace.as_deref(), options.started)?;
        let wake = waker(&proxy);
        let model = match &options.open {
            Open::Model { model, .. } | Open::Run { model, .. } => Arc::clone(model),
            Open::Fit { signals, config } => start_of(config, signals, options.seed)?,
        };
        let codes = Codes::of(&model, options.latent.unwrap_or(0));
        let mut live = Self {
            window: Arc::new(window),
            display: event_loop.owned_display_handle(),
            proxy,
            egui: None,
            graphics: None,
            opening: None,
            device: options.device,
            direct: options.direct,
            engine: None,
            seed: options.seed,
            panel: Panel::at(memory.tab),
            scene: Scene::new(model, None, codes),
            facts: Facts::default(),
            key: None,
            memory,
            clerk: Clerk::new(wake),
            learning: None,
            porter: Porter::new(),
            exports: Vec::new(),
            truths: BTreeMap::new(),
            truth_asked: None,
            psnr_asked: None,
            weights_asked: None,
            wires_asked: None,
            canvas: egui::Rect::NOTHING,
            size: DVec2::ONE,
            fitted: None,
            asked_at: Instant::now(),
            last_frame: Instant::now(),
            thumbnails_at: None,
            repaint_at: None,
            trace,
            redraw: false,
            quit: false,
        };
        live.scene.strategy = options.strategy;
        live.set_out(&options.truth)?;
        let opened = live.open_graphics(None)?.wait()?;
        live.adopt(opened)?;
        let chosen = options.latent.is_some();
        match options.open {
            Open::Model { name, .. } => {
                live.named(name);
                live.recall(chosen);
            }
            Open::Fit { signals, config } => live.begin(config, &signals),
            Open::Run { watch, signals, config, .. } => live.watch(watch, Kind::Others, config, &signals),
        }
        if let Some((b, t)) = options.mix {
            live.scene.codes.b = Code::row(&live.scene.model.latents, b);
            live.scene.codes.t = t;
        }
        live.window.request_redraw();
        Ok(live)
    }

    /// Shows an error in the window.
    pub(super) fn complain(&mut self, error: &Error) {
        self.panel.error = Some(error.to_string());
        self.window.request_redraw();
    }

    pub(super) fn quits(&self) -> bool {
        self.quit
    }

    pub(super) fn busy(&self) -> Busy {
        self.trace.busy()
    }

    fn named(&mut self, name: String) {
        let path = Path::new(&name);
        self.key = Some(path.canonicalize().map_or_else(|_| name.clone(), |p| p.display().to_string()));
        self.scene.name = Some(name);
    }

    /// Goes back to where a person was in this model; a latent that was chosen stays.
    fn recall(&mut self, chosen: bool) {
        let place = self.key.as_ref().and_then(|k| self.memory.models.get(k));
        if let Some(place) = place.filter(|p| p.codes.fit(&self.scene.model)) {
            let codes = std::mem::replace(&mut self.scene.codes, place.codes.clone());
            if chosen {
                (self.scene.codes.a, self.scene.codes.t, self.scene.codes.mixing) = (codes.a, 0.0, codes.mixing);
            } else {
                self.scene.view = place.view;
                self.scene.sight = place.sight.clone();
                self.fitted = Some(View { scale: f64::NAN, ..place.view });
            }
            self.scene.player = super::latent::Player { playing: false, ..place.player.clone() };
        }
    }

    /// Keeps for the next run where a person is now.
    pub(super) fn remember(&mut self) {
        if let Some(key) = &self.key {
            let Scene { codes, player, view, sight, .. } = &self.scene;
            let place = Place { codes: codes.clone(), player: player.clone(), view: *view, sight: sight.clone() };
            self.memory.models.insert(key.clone(), place);
        }
        let size = self.window.inner_size().to_logical(self.window.scale_factor());
        (self.memory.size, self.memory.tab) = (Some([size.width, size.height]), self.panel.tab);
        if let Err(e) = self.memory.store() {
            log::warn!("the window's state is not kept: {e}");
        }
    }

    /// Signals to compare with: a picture, or a folder of pictures named as the latents are.
    fn set_out(&mut self, path: &Option<PathBuf>) -> Result<()> {
        let Some(path) = path else { return Ok(()) };
        for file in crate::signal::pictures(path)? {
            let name = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
            self.truths.insert(name, Source::File(file));
        }
        Ok(())
    }

    /// Another model in place of the one at hand.
    fn replace(&mut self, model: Arc<Model>) -> Result<()> {
        let Scene { strategy, aa, .. } = self.scene;
        let codes = Codes::of(&model, 0);
        self.scene = Scene { aa, strategy, ..Scene::new(model, None, codes) };
        self.key = None;
        self.fitted = None;
        self.learning = None;
        self.facts.learning = None;
        self.truths.clear();
        self.truth_asked = None;
        self.panel.history = super::latent::History::default();
        self.thumbnails_at = None;
        if let (Some((old, _)), Some(graphics)) = (self.facts.atlas.take(), &mut self.graphics) {
            graphics.presenter.forget(old);
        }
        self.reload()
    }

    /// The painter goes on with the scene's model; solids have one of their own.
    fn reload(&mut self) -> Result<()> {
        let Some(mut graphics) = self.graphics.take() else { return Ok(()) };
        let done = if graphics.painter.suits(&self.scene.model) {
            graphics.painter.load(&self.scene.model)
        } else {
            self.evaluator(&graphics.ctx)
                .and_then(|engine| Painter::new(&engine, &graphics.ctx, &self.scene.model, waker(&self.proxy)))
                .map(|painter| (graphics.painter, graphics.shown) = (painter, None))
        };
        self.graphics = Some(graphics);
        done
    }

    pub(super) fn on_event(&mut self, event: &WindowEvent) {
        let Some(egui) = &mut self.egui else { return };
        let response = egui.on_window_event(&self.window, event);
        if response.repaint {
            self.window.request_redraw();
        }
        match event {
            WindowEvent::Resized(size) => {
                if let Some(graphics) = &mut self.graphics {
                    graphics.presenter.resize((*size).into());
                }
                self.window.request_redraw();
            }
            WindowEvent::DroppedFile(path) => {
                if let Err(e) = self.dropped(path) {
                    self.complain(&e);
                }
                self.window.request_redraw();
            }
            _ => {}
        }
    }

    /// Lets the painter and the threads work; returns when to come back.
    pub(super) fn advance(&mut self) -> Result<ControlFlow> {
        self.take_graphics()?;
        self.take_news()?;
        self.take_answers()?;
        self.take_exports();
        if let Some(graphics) = &mut self.graphics {
            match graphics.painter.advance()? {
                Some(Painted::Picture(shown)) => self.take_picture(shown),
                Some(Painted::Thumbnails(atlas)) => {
                    if let Some((old, _)) = self.facts.atlas.take() {
                        graphics.presenter.forget(old);
                    }
                    self.facts.atlas = Some((graphics.presenter.register(&atlas.view), atlas.count));
                    self.window.request_redraw();
                }
                None => {}
            }
        }
        let drawing = match &mut self.graphics {
            Some(graphics) => {
                if let Some(ran) = graphics.presenter.drawn_in() {
                    push(&mut self.facts.timings.present, ran.as_secs_f64() * 1e3);
                }
                graphics.presenter.is_drawing()?
            }
            None => false,
        };
        if !drawing && std::mem::take(&mut self.redraw) {
            self.window.request_redraw();
        }
        let now = Instant::now();
        if self.repaint_at.is_some_and(|at| at <= now) {
            self.repaint_at = None;
            self.window.request_redraw();
        }
        if self.scene.player.playing {
            self.window.request_redraw();
        }
        let polls = drawing || self.graphics.as_ref().is_some_and(|g| g.painter.wants_polling());
        let poll = polls.then(|| now + POLL);
        let news = self.learning.as_ref().map(|l| (l.asked + l.patience()).max(now + POLL));
        let next = [poll, self.repaint_at, news].into_iter().flatten().min();
        Ok(next.map_or(ControlFlow::Wait, ControlFlow::WaitUntil))
    }
}

/// Adds to the end, and lets go what is too old.
fn push(times: &mut std::collections::VecDeque<f64>, time: f64) {
    times.push_back(time);
    if times.len() > TIMES {
        times.pop_front();
    }
}

/// Wakes the event loop. A closed loop needs no waking.
fn waker(proxy: &Proxy) -> impl Fn() + Send + 'static {
    let proxy = proxy.clone();
    move || drop(proxy.send_event(Wake))
}

/// The model that a run starts with.
fn start_of(config: &Config, signals: &Signals, seed: u64) -> Result<Arc<Model>> {
    config.suits(signals.solid().is_some())?;
    Ok(Arc::new(Trainer::untrained(config, signals, seed)?))
}
