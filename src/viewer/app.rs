//! The event loop: opens the window, hands it events, and lets it work in between.

use winit::application::ApplicationHandler;
use winit::event::WindowEvent;
use winit::event_loop::{ActiveEventLoop, ControlFlow, EventLoop, EventLoopProxy};
use winit::window::WindowId;

use super::live::Live;
use super::{Options, Outcome};
use crate::gpu::GpuError;
use crate::{Error, Result};

/// A thread has something for the window.
#[derive(Debug)]
pub(super) struct Wake;

/// Wakes the loop from any thread.
pub(super) type Proxy = EventLoopProxy<Wake>;

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
    let mut app = App { options: Some(options), proxy, live: None, ended: None };
    if let Err(e) = event_loop.run_app(&mut app) {
        log::debug!("{e}");
        return Ok(Outcome::NoDisplay("the display went away".into()));
    }
    app.ended.unwrap_or(Ok(Outcome::Closed))
}

struct App {
    /// What to open, until it is open.
    options: Option<Options>,
    proxy: Proxy,
    live: Option<Live>,
    /// Why the loop was left, if not because the window was closed.
    ended: Option<Result<Outcome>>,
}

impl App {
    fn close(&mut self, event_loop: &ActiveEventLoop) {
        if let Some(live) = &mut self.live {
            live.remember();
        }
        event_loop.exit();
    }

    /// Errors of a request are shown in the window; after a lost device it is rebuilt; anything else ends it.
    fn judge(&mut self, event_loop: &ActiveEventLoop, result: Result<()>) {
        let (Some(live), Err(error)) = (&mut self.live, result) else { return };
        let outcome = match error {
            Error::Gpu(GpuError::Lost(why)) => live.rebuild(&why),
            Error::Gpu(GpuError::Validation(_) | GpuError::NoAdapter(_)) => Err(error),
            other => {
                live.complain(&other);
                Ok(())
            }
        };
        if let Err(error) = outcome {
            self.ended = Some(Err(error));
            event_loop.exit();
        }
    }
}

impl ApplicationHandler<Wake> for App {
    fn resumed(&mut self, event_loop: &ActiveEventLoop) {
        let Some(options) = self.options.take() else { return };
        match Live::open(event_loop, options, self.proxy.clone()) {
            Ok(live) => self.live = Some(live),
            Err(error) => {
                self.ended = Some(match error {
                    Error::Gpu(GpuError::NoAdapter(why)) => Ok(Outcome::NoDisplay(why)),
                    other => Err(other),
                });
                event_loop.exit();
            }
        }
    }

    fn window_event(&mut self, event_loop: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        let Some(live) = &mut self.live else { return };
        let busy = live.busy();
        match event {
            WindowEvent::CloseRequested => self.close(event_loop),
            WindowEvent::RedrawRequested => {
                let result = live.draw();
                let quit = live.quits();
                self.judge(event_loop, result);
                if quit {
                    self.close(event_loop);
                }
            }
            other => live.on_event(&other),
        }
        busy.end();
    }

    fn user_event(&mut self, _: &ActiveEventLoop, _: Wake) {
        // Only to wake the loop: `about_to_wait` fetches what there is.
    }

    fn about_to_wait(&mut self, event_loop: &ActiveEventLoop) {
        let Some(live) = &mut self.live else { return };
        let busy = live.busy();
        match live.advance() {
            Ok(flow) => event_loop.set_control_flow(flow),
            Err(e) => {
                event_loop.set_control_flow(ControlFlow::Wait);
                self.judge(event_loop, Err(e));
            }
        }
        busy.end();
    }
}
