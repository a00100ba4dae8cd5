//! The event loop: input changes the scene, the scene asks the painter, the painter's pictures are presented.

use std::sync::Arc;
use std::time::{Duration, Instant};

use glam::DVec2;
use winit::application::ApplicationHandler;
use winit::dpi::LogicalSize;
use winit::event::{ElementState, MouseButton, MouseScrollDelta, WindowEvent};
use winit::event_loop::{ActiveEventLoop, ControlFlow, EventLoop, EventLoopProxy};
use winit::keyboard::{Key, NamedKey};
use winit::window::{Window, WindowId};

use super::painter::{Painter, Shown};
use super::panel::Panel;
use super::present::{self, Canvas, Overlay, Presenter};
use super::scene::Scene;
use super::view::View;
use super::{Options, Outcome};
use crate::engine::{DeviceChoice, Engine};
use crate::{Error, Result};

/// Width of the panel in logical pixels.
const PANEL: f32 = 230.0;
/// How often the loop looks after work that is under way.
const POLL: Duration = Duration::from_millis(1);

/// A worker thread has something for the window.
struct Wake;

/// Opens the window and runs until it is closed.
pub(super) fn run(options: Options) -> Result<Outcome> {
    let event_loop = match EventLoop::<Wake>::with_user_event().build() {
        Ok(event_loop) => event_loop,
        Err(e) => {
            // The window system's own words name source files: of use to us, not to a user.
            log::debug!("{e}");
            return Ok(Outcome::NoDisplay("there is no display to open a window on".into()));
        }
    };
    let proxy = event_loop.create_proxy();
    let mut app = App { options, proxy, window: None, ended: None };
    if let Err(e) = event_loop.run_app(&mut app) {
        log::debug!("{e}");
        return Ok(Outcome::NoDisplay("the display went away".into()));
    }
    app.ended.unwrap_or(Ok(Outcome::Closed))
}

struct App {
    options: Options,
    proxy: EventLoopProxy<Wake>,
    window: Option<Live>,
    /// Why the loop was left, if not because the window was closed.
    ended: Option<Result<Outcome>>,
}

/// An open window and everything that lives with it.
struct Live {
    window: Arc<Window>,
    presenter: Presenter,
    egui: egui_winit::State,
    panel: Panel,
    scene: Scene,
    painter: Painter,
    shown: Option<Shown>,
    /// What the model is called.
    name: String,
    device: String,
    pointer: DVec2,
    dragging: bool,
    /// When egui wants to be drawn again on its own account.
    repaint_at: Option<Instant>,
}

impl App {
    fn open(&self, event_loop: &ActiveEventLoop) -> Result<Live> {
        let [width, height] = self.options.size;
        let attributes =
            Window::default_attributes().with_title("Hypersine").with_inner_size(LogicalSize::new(width, height));
        let window = event_loop
            .create_window(attributes)
            .map_err(|e| Error::invalid(format!("no window could be opened ({e})")))?;
        let window = Arc::new(window);
        let prefer = match &self.options.device {
            DeviceChoice::Named(name) => Some(name.as_str()),
            _ => None,
        };
        let (ctx, surface) = present::open(&window, event_loop.owned_display_handle(), prefer)?;
        let size: [u32; 2] = window.inner_size().into();
        let presenter = Presenter::new(&ctx, surface, size)?;
        // The presenting adapter evaluates too where it is what was asked for; a software one only on request.
        let engine = match self.options.device {
            DeviceChoice::Cpu => Engine::cpu(),
            DeviceChoice::Auto if ctx.is_software() => Engine::cpu(),
            _ => Engine::on(&ctx),
        };
        let proxy = self.proxy.clone();
        // A closed loop needs no waking.
        let painter = Painter::new(&engine, &ctx, &self.options.model, move || drop(proxy.send_event(Wake)))?;
        let context = egui::Context::default();
        let egui = egui_winit::State::new(context, egui::ViewportId::ROOT, &*window, None, window.theme(), None);
        let (b, mix) = self.options.mix.unwrap_or((self.options.latent, 0.0));
        let mut scene = Scene {
            model: Arc::clone(&self.options.model),
            a: self.options.latent,
            b,
            mix,
            view: View { centre: DVec2::ZERO, scale: 1.0 },
            extrapolate: false,
            strategy: self.options.strategy,
        };
        scene.view = View::fit(canvas_size(&window));
        let panel = Panel { reveal: true, ..Panel::default() };
        let live = Live {
            window,
            presenter,
            egui,
            panel,
            scene,
            painter,
            shown: None,
            name: self.options.name.clone(),
            device: engine.describe(),
            pointer: DVec2::ZERO,
            dragging: false,
            repaint_at: None,
        };
        live.window.request_redraw();
        Ok(live)
    }
}

/// The canvas: the window without the panel, in physical pixels.
fn canvas_size(window: &Window) -> DVec2 {
    let size = window.inner_size();
    let panel = (f64::from(PANEL) * window.scale_factor()).round();
    DVec2::new((f64::from(size.width) - panel).max(1.0), f64::from(size.height).max(1.0))
}

impl Live {
    /// Zooms about the pointer.
    fn zoom(&mut self, notches: f64) {
        self.scene.view.zoom(canvas_size(&self.window), self.pointer, 1.2_f64.powf(notches));
    }

    /// Chooses another latent, `step` rows on.
    fn step(&mut self, step: isize) {
        let count = self.scene.model.latents.len();
        if count > 0 {
            self.scene.a = self.scene.a.saturating_add_signed(step).min(count - 1);
            self.panel.reveal = true;
        }
    }

    fn on_event(&mut self, event: &WindowEvent) {
        let response = self.egui.on_window_event(&self.window, event);
        if response.repaint {
            self.window.request_redraw();
        }
        match event {
            WindowEvent::Resized(size) => {
                self.presenter.resize((*size).into());
                self.window.request_redraw();
            }
            WindowEvent::CursorMoved { position, .. } => {
                let to = DVec2::new(position.x, position.y);
                if self.dragging {
                    self.scene.view.pan(to - self.pointer);
                    self.window.request_redraw();
                }
                self.pointer = to;
            }
            WindowEvent::MouseInput { state: ElementState::Released, button: MouseButton::Left, .. } => {
                self.dragging = false;
            }
            _ if response.consumed => {}
            WindowEvent::MouseInput { state: ElementState::Pressed, button: MouseButton::Left, .. } => {
                self.dragging = self.pointer.x < canvas_size(&self.window).x;
            }
            WindowEvent::MouseWheel { delta, .. } if self.pointer.x < canvas_size(&self.window).x => {
                self.zoom(match delta {
                    MouseScrollDelta::LineDelta(_, y) => f64::from(*y),
                    MouseScrollDelta::PixelDelta(p) => p.y / 50.0,
                });
                self.window.request_redraw();
            }
            WindowEvent::KeyboardInput { event, .. } if event.state == ElementState::Pressed => {
                match &event.logical_key {
                    Key::Named(NamedKey::ArrowDown) => self.step(1),
                    Key::Named(NamedKey::ArrowUp) => self.step(-1),
                    Key::Character(c) if c.as_str() == "f" => self.scene.view = View::fit(canvas_size(&self.window)),
                    _ => return,
                }
                self.window.request_redraw();
            }
            _ => {}
        }
    }

    /// Draws one frame and asks the painter for what the scene has become.
    fn draw(&mut self) -> Result<()> {
        let size = canvas_size(&self.window);
        self.status(size);
        let input = self.egui.take_egui_input(&self.window);
        let context = self.egui.egui_ctx().clone();
        let (panel, scene) = (&mut self.panel, &mut self.scene);
        let mut asked = super::panel::Asked::default();
        let output = context.run_ui(input, |ui| {
            egui::Panel::right("controls")
                .exact_size(PANEL)
                .resizable(false)
                .show(ui, |ui| asked = panel.show(ui, scene));
        });
        if asked.fit {
            self.scene.view = View::fit(size);
        }
        self.egui.handle_platform_output(&self.window, output.platform_output);
        let delay = output.viewport_output.values().map(|v| v.repaint_delay).min().unwrap_or(Duration::MAX);
        self.repaint_at = Instant::now().checked_add(delay);
        let pixels_per_point = output.pixels_per_point;
        let overlay = Overlay {
            textures: output.textures_delta,
            shapes: context.tessellate(output.shapes, pixels_per_point),
            pixels_per_point,
        };

        self.painter.ask(self.scene.request(size))?;
        #[expect(clippy::cast_possible_truncation, reason = "a window's size in pixels")]
        let canvas =
            Canvas { origin: [0.0, 0.0], size: [size.x as f32, size.y as f32], region: self.scene.view.region(size) };
        let dark = context.global_style().visuals.dark_mode;
        self.presenter.draw(self.shown.as_ref(), &canvas, &overlay, if dark { [0.13; 3] } else { [0.9; 3] })?;
        self.window.set_title(&format!("{} - {} - Hypersine", self.scene.title(), self.name));
        Ok(())
    }

    fn status(&mut self, size: DVec2) {
        let view = &self.scene.view;
        let zoom = view.scale / View::fit(size).scale;
        let mut lines = vec![
            self.device.clone(),
            format!("zoom {zoom:.2}x{}", if view.at_limit() { ": the end of f32 coordinates" } else { "" }),
        ];
        if let Some(shown) = &self.shown {
            let [w, h] = shown.size;
            let level =
                if shown.level == 1 { "full resolution".into() } else { format!("1/{} resolution", shown.level) };
            lines.push(format!("{w}x{h}, {level}, {:.0} ms", shown.took.as_secs_f64() * 1e3));
        }
        self.panel.status = lines;
    }

    /// Lets the painter work; returns when to come back.
    fn advance(&mut self) -> Result<ControlFlow> {
        if let Some(shown) = self.painter.advance()? {
            self.shown = Some(shown);
            self.window.request_redraw();
        }
        if self.repaint_at.is_some_and(|at| at <= Instant::now()) {
            self.repaint_at = None;
            self.window.request_redraw();
        }
        let poll = self.painter.wants_polling().then(|| Instant::now() + POLL);
        let next = [poll, self.repaint_at].into_iter().flatten().min();
        Ok(next.map_or(ControlFlow::Wait, ControlFlow::WaitUntil))
    }
}

impl ApplicationHandler<Wake> for App {
    fn resumed(&mut self, event_loop: &ActiveEventLoop) {
        if self.window.is_some() {
            return;
        }
        match self.open(event_loop) {
            Ok(live) => self.window = Some(live),
            Err(error) => {
                self.ended = Some(match error {
                    Error::Gpu(crate::gpu::GpuError::NoAdapter(why)) => Ok(Outcome::NoDisplay(why)),
                    other => Err(other),
                });
                event_loop.exit();
            }
        }
    }

    fn window_event(&mut self, event_loop: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        let Some(live) = &mut self.window else { return };
        match event {
            WindowEvent::CloseRequested => event_loop.exit(),
            WindowEvent::RedrawRequested => {
                if let Err(e) = live.draw() {
                    self.fail(event_loop, e);
                }
            }
            other => live.on_event(&other),
        }
    }

    fn user_event(&mut self, _: &ActiveEventLoop, _: Wake) {
        // Only to wake the loop: `about_to_wait` fetches what there is.
    }

    fn about_to_wait(&mut self, event_loop: &ActiveEventLoop) {
        let Some(live) = &mut self.window else { return };
        match live.advance() {
            Ok(flow) => event_loop.set_control_flow(flow),
            Err(e) => self.fail(event_loop, e),
        }
    }
}

impl App {
    /// A lost device ends the window with a sentence; anything else is shown in it.
    fn fail(&mut self, event_loop: &ActiveEventLoop, error: Error) {
        match (&mut self.window, &error) {
            (
                Some(live),
                Error::Invalid(_) | Error::Gpu(crate::gpu::GpuError::Limit(_) | crate::gpu::GpuError::OutOfMemory(_)),
            ) => {
                live.panel.error = Some(error.to_string());
                event_loop.set_control_flow(ControlFlow::Wait);
            }
            _ => {
                self.ended = Some(Err(error));
                event_loop.exit();
            }
        }
    }
}
