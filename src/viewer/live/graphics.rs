//! What lives on the graphics device: opened on a thread, and once more when the device is lost.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::time::{Duration, Instant};

use super::{Live, waker};
use crate::Result;
use crate::engine::{DeviceChoice, Engine};
use crate::gpu::{Context, GpuError};
use crate::signal::Picture;
use crate::viewer::painter::{Painter, Shown};
use crate::viewer::present::{self, Presenter};

/// A device that is lost again so soon is not rebuilt.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// What lives on the graphics device, and dies with it.
pub(super) struct Graphics {
    pub ctx: Arc<Context>,
    pub presenter: Presenter,
    pub painter: Painter,
    pub shown: Option<Shown>,
    pub truth: Option<(Arc<Picture>, wgpu::TextureView)>,
    pub opened: Instant,
}

/// What presents and what evaluates.
pub(super) struct Opened {
    presenter: Presenter,
    engine: Engine,
}

/// They are being opened.
pub(super) struct Opening(Receiver<Result<Opened>>);

impl Opening {
    pub(super) fn wait(&self) -> Result<Opened> {
        self.0.recv().unwrap_or_else(|_| Err(unopened()))
    }

    /// None: not yet.
    fn take(&self) -> Option<Result<Opened>> {
        match self.0.try_recv() {
            Ok(opened) => Some(opened),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(unopened())),
        }
    }
}

/// The thread that was to open a device ended without a word.
fn unopened() -> crate::Error {
    GpuError::Lost("the device could not be opened".into()).into()
}

impl Live {
    /// Opens a device and what draws on it, on a thread: drivers take their time. Where there is one already, it goes first.
    pub(super) fn open_graphics(&self, old: Option<Presenter>) -> Result<Opening> {
        let instance = old.as_ref().map(|old| old.ctx().instance().clone());
        let (instance, surface) = present::surface(&self.window, self.display.clone(), instance)?;
        let size = self.window.inner_size().into();
        let (device, direct, own) = (self.device.clone(), self.evaluates_directly(), self.engine.clone());
        let (tell, opened) = mpsc::channel();
        let wake = waker(&self.proxy);
        std::thread::spawn(move || {
            drop(old);
            let opened = open(instance, surface, size, &device, direct, own);
            // A window that was closed meanwhile needs it no longer.
            drop(tell.send(opened));
            wake();
        });
        Ok(Opening(opened))
    }

    /// Whether the window's own device may evaluate even if it is a software driver, or None: it must not. Solids are traced
    /// on another one always: that takes a thread of its own, and threads share no queue.
    fn evaluates_directly(&self) -> Option<bool> {
        (!self.scene.is_solid()).then_some(self.direct)
    }

    /// What evaluates the scene's model, where the device that presents stays.
    pub(super) fn evaluator(&mut self, ctx: &Arc<Context>) -> Result<Engine> {
        let engine = evaluator(ctx, &self.device, self.evaluates_directly(), self.engine.clone())?;
        self.keep(&engine, ctx);
        Ok(engine)
    }

    /// Keeps what evaluates, if it is not what presents.
    fn keep(&mut self, engine: &Engine, presenting: &Arc<Context>) {
        self.engine = engine.gpu().is_some_and(|own| !Arc::ptr_eq(own, presenting)).then(|| engine.clone());
    }

    /// Goes on with a device that has been opened.
    pub(super) fn adopt(&mut self, Opened { mut presenter, engine }: Opened) -> Result<()> {
        let ctx = Arc::clone(presenter.ctx());
        presenter.resize(self.window.inner_size().into());
        self.keep(&engine, &ctx);
        let presents = ctx.summary().describe();
        let evaluates = engine.describe();
        self.facts.device = if evaluates == presents { presents } else { format!("{evaluates}; shown by {presents}") };
        self.facts.note = match self.device {
            DeviceChoice::Auto if ctx.is_software() => {
                Some("No GPU was found: the processor evaluates, which is slower but no less right.".into())
            }
            DeviceChoice::Cpu => None,
            _ if ctx.is_software() => Some("This is a software driver: --device cpu would be faster.".into()),
            _ => None,
        };
        let painter = Painter::new(&engine, &ctx, &self.scene.model, waker(&self.proxy))?;
        self.controls(ctx.device().limits().max_texture_dimension_2d as usize);
        (self.facts.atlas, self.facts.weights) = (None, Vec::new());
        (self.weights_asked, self.thumbnails_at) = (None, None);
        let opened = Instant::now();
        self.graphics = Some(Graphics { ctx, presenter, painter, shown: None, truth: None, opened });
        self.window.request_redraw();
        Ok(())
    }

    /// What takes events and draws the controls, for textures of at most that many pixels a side. It outlives a device: what was
    /// typed meanwhile counts, and the clipboard stays; but the letters must go to the new device.
    fn controls(&mut self, largest: usize) {
        if let Some(egui) = &mut self.egui {
            egui.set_max_texture_side(largest);
            let context = egui.egui_ctx();
            // Before the first frame there are no letters.
            if context.cumulative_frame_nr() > 0 {
                #[expect(clippy::redundant_closure_for_method_calls, reason = "the method is of one lifetime only")]
                let letters = context.fonts(|fonts| fonts.image());
                let letters = egui::epaint::ImageDelta::full(letters, egui::TextureOptions::LINEAR);
                context.tex_manager().write().set(egui::TextureId::default(), letters);
            }
            return;
        }
        let context = egui::Context::default();
        if let Some(dark) = self.memory.dark {
            context.set_theme(if dark { egui::Theme::Dark } else { egui::Theme::Light });
        }
        let (window, theme) = (&*self.window, self.window.theme());
        self.egui = Some(egui_winit::State::new(context, egui::ViewportId::ROOT, window, None, theme, Some(largest)));
    }

    /// After the device was lost: everything on it anew.
    pub(in crate::viewer) fn rebuild(&mut self, why: &str) -> Result<()> {
        if self.opening.is_some() {
            return Ok(());
        }
        let lost = self.graphics.take().filter(|lost| lost.opened.elapsed() >= PATIENCE);
        let lost = lost.ok_or_else(|| GpuError::Lost(why.to_owned()))?;
        log::warn!("the graphics device was lost ({why}) and is rebuilt");
        self.opening = Some(self.open_graphics(Some(lost.presenter))?);
        Ok(())
    }

    /// Takes over a device that has become ready.
    pub(super) fn take_graphics(&mut self) -> Result<()> {
        let Some(opened) = self.opening.as_ref().and_then(Opening::take) else { return Ok(()) };
        self.opening = None;
        // There is no window to show an error in: whatever it is, it ends the program.
        self.adopt(opened.map_err(|e| GpuError::Lost(e.to_string()))?)?;
        self.panel.error = Some("The graphics device was lost and has been rebuilt; nothing else was.".into());
        Ok(())
    }
}

/// Opens what draws on the surface, and what evaluates.
fn open(
    instance: wgpu::Instance,
    surface: wgpu::Surface<'static>,
    size: [u32; 2],
    device: &DeviceChoice,
    direct: Option<bool>,
    own: Option<Engine>,
) -> Result<Opened> {
    let prefer = match device {
        DeviceChoice::Named(name) => Some(name.as_str()),
        _ => None,
    };
    let presenter = Presenter::open(instance, surface, size, prefer)?;
    let engine = evaluator(presenter.ctx(), device, direct, own)?;
    Ok(Opened { presenter, engine })
}

/// What evaluates: the presenting device too where it is what was asked for; a software one only on request, and then on
/// another device, because it compiles and computes inside the call that submits. `own` is what evaluated elsewhere before.
fn evaluator(ctx: &Arc<Context>, device: &DeviceChoice, direct: Option<bool>, own: Option<Engine>) -> Result<Engine> {
    match (device, own) {
        (DeviceChoice::Cpu, _) => Ok(Engine::cpu()),
        (DeviceChoice::Auto, _) if ctx.is_software() => Ok(Engine::cpu()),
        _ if direct.is_some_and(|asked| asked || !ctx.is_software()) => Ok(Engine::on(ctx)),
        (_, Some(own)) if own.gpu().is_some_and(|ctx| ctx.check().is_ok()) => Ok(own),
        (device, _) => Engine::open(device),
    }
}
