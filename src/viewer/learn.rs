//! Learning that is watched: a run or a search on a thread of its own, and the news of it that the window takes.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::Result;
use crate::engine::{DeviceChoice, Engine};
use crate::model::{Model, ValueRange};
use crate::train::{
    Config, EncodeConfig, InnerLoop, Observation, Observed, Progress, Search, Signals, Step, Trainer, encode,
};

/// How often a paused run looks whether it may go on.
const NAP: Duration = Duration::from_millis(20);

/// One step on the curves: its number, its loss, and the PSNR of that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub step: u64,
    pub loss: f64,
    pub psnr: Option<f64>,
}

/// What has happened since the last news.
#[derive(Debug)]
pub(super) enum News {
    /// A run: the model as it is now.
    Learned { model: Arc<Model>, marks: Vec<Mark>, seconds: f64, end: Option<&'static str> },
    /// A search for one signal's latent: where it stands.
    Found { z: Vec<f32>, mark: Mark, steps: u64 },
    /// It is over, for this reason.
    Failed(String),
    /// The window is to close.
    Close,
}

#[derive(Clone, Debug)]
struct Orders {
    paused: bool,
    /// Learning rates of the network and of the latents, where they were changed.
    rates: Option<(f64, f64)>,
}

type Wake = Box<dyn Fn() + Send>;

struct Shared {
    orders: Mutex<Orders>,
    /// The window has taken the last news and would like more.
    wanted: AtomicBool,
    closed: AtomicBool,
    wake: Mutex<Option<Wake>>,
}

/// The window's end: news come, orders go.
pub struct Watch {
    shared: Arc<Shared>,
    news: Receiver<News>,
}

/// The run's end.
pub struct Publisher {
    shared: Arc<Shared>,
    news: Sender<News>,
    marks: Vec<Mark>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}

/// Both ends of the line between a run and the window that shows it.
pub fn watched() -> (Publisher, Watch) {
    let shared = Arc::new(Shared {
        orders: Mutex::new(Orders { paused: false, rates: None }),
        wanted: AtomicBool::new(true),
        closed: AtomicBool::new(false),
        wake: Mutex::new(None),
    });
    let (send, news) = channel();
    (Publisher { shared: Arc::clone(&shared), news: send, marks: Vec::new() }, Watch { shared, news })
}

impl Publisher {
    /// To be called after every step: tells the window, and does what it orders. A paused run waits here, unless it is
    /// `interrupted`. False when the window is closed.
    ///
    /// # Errors
    /// Where the model cannot be fetched from its device.
    pub fn turn(&mut self, trainer: &mut Trainer, step: &Step, interrupted: &AtomicBool) -> Result<bool> {
        self.marks.push(Mark { step: step.step, loss: step.loss, psnr: step.psnr });
        loop {
            if self.shared.closed.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let orders = self.orders(|o| Orders { rates: o.rates.take(), ..o.clone() });
            if let Some((lr, latent_lr)) = orders.rates {
                trainer.set_rates(lr, latent_lr);
            }
            let end = trainer.end();
            if end.is_some() || self.shared.wanted.swap(false, Ordering::Relaxed) {
                let marks = std::mem::take(&mut self.marks);
                let model = Arc::new(trainer.so_far()?);
                self.send(News::Learned { model, marks, seconds: trainer.seconds(), end });
            }
            if end.is_some() || !orders.paused || interrupted.load(Ordering::SeqCst) {
                return Ok(true);
            }
            std::thread::sleep(NAP);
        }
    }

    /// The run failed.
    pub fn fail(&mut self, why: String) {
        self.send(News::Failed(why));
    }

    /// Closes the window.
    pub fn close(&mut self) {
        self.send(News::Close);
    }

    fn orders<T>(&self, f: impl FnOnce(&mut Orders) -> T) -> T {
        f(&mut self.shared.orders.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn send(&self, news: News) {
        // A window that is closed needs no news.
        let _ = self.news.send(news);
        if let Some(wake) = &*self.shared.wake.lock().unwrap_or_else(PoisonError::into_inner) {
            wake();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
    }
}

impl Watch {
    /// Whom to wake when there are news.
    pub(super) fn wakes(&self, wake: impl Fn() + Send + 'static) {
        *self.shared.wake.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(wake));
    }

    /// The next news, if there are any.
    pub(super) fn take(&self) -> Option<News> {
        self.news.try_recv().ok()
    }

    /// More news are welcome.
    pub(super) fn want(&self) {
        self.shared.wanted.store(true, Ordering::Relaxed);
    }

    pub(super) fn pause(&self, paused: bool) {
        self.shared.orders.lock().unwrap_or_else(PoisonError::into_inner).paused = paused;
    }

    pub(super) fn set_rates(&self, lr: f64, latent_lr: f64) {
        self.shared.orders.lock().unwrap_or_else(PoisonError::into_inner).rates = Some((lr, latent_lr));
    }
}

/// Fits or trains on a thread of its own, which ends with the watch. It opens a device of its own: commands of two
/// threads on one queue have been seen to hang drivers.
pub(super) fn fit(device: DeviceChoice, config: Config, signals: Signals, seed: u64) -> Watch {
    let (mut publisher, watch) = watched();
    std::thread::spawn(move || {
        let run = |publisher: &mut Publisher| -> Result<()> {
            let mut trainer = Trainer::new(config, signals, seed, &Engine::open(&device)?)?;
            while trainer.end().is_none() {
                let step = trainer.step()?;
                if !publisher.turn(&mut trainer, &step, &AtomicBool::new(false))? {
                    break;
                }
            }
            Ok(())
        };
        if let Err(e) = run(&mut publisher) {
            publisher.fail(e.to_string());
        }
    });
    watch
}

/// Points of a shape's surface by which its latent is sought.
const ON_SURFACE: usize = 10_000;

/// Searches the latent of a picture or a shape on a thread of its own, which ends with the watch.
pub(super) fn search(device: DeviceChoice, model: Arc<Model>, file: &Path, seed: u64) -> Result<(Watch, Signals)> {
    let signals = if model.solid.is_some() {
        Signals::load_solids(file)?
    } else {
        Signals::from_files(&[file.to_owned()], model.inr.outputs, model.values, model.coordinates)?
    };
    let (mut publisher, watch) = watched();
    let sought = signals.clone();
    std::thread::spawn(move || {
        let search = InnerLoop::of(&model).map_or_else(|| Search::Adam(EncodeConfig::default()), Search::Inner);
        let ValueRange { low, high } = model.values;
        let peak = f64::from(high - low);
        let found = Engine::open(&device).and_then(|engine| {
            let known = match &model.solid {
                Some(solid) => {
                    let clouds = sought.surfaces(ON_SURFACE, seed)?;
                    clouds.iter().map(|cloud| Observation::of_surface(solid.values, cloud)).collect()
                }
                None => Observation::of_pictures(&sought, &Observed::All, seed)?,
            };
            // Of a file of several, the first.
            encode(&engine, &model, &known[..1], &search, seed, &mut |p: &Progress<'_>| {
                let psnr = model.solid.is_none().then(|| 10.0 * (peak * peak / p.loss).log10());
                let mark = Mark { step: p.step, loss: p.loss, psnr };
                if p.step == p.steps || publisher.shared.wanted.swap(false, Ordering::Relaxed) {
                    publisher.send(News::Found { z: p.latents.to_vec(), mark, steps: p.steps });
                }
                !publisher.shared.closed.load(Ordering::Relaxed)
            })
        });
        if let Err(e) = found {
            publisher.fail(e.to_string());
        }
    });
    Ok((watch, signals))
}
