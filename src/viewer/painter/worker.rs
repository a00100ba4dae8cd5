//! Painting on a thread of its own: on the CPU backend, or on a device that is not the window's. A software driver compiles
//! and computes inside the call that submits, where the event loop must not wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::easel::{Easel, Pixels};
use super::sheet::Sheet;
use super::{Atlas, BYTES, Detail, FLOATS, MOST_THUMBNAILS, Painted, Shown, upload};
use crate::Result;
use crate::engine::Engine;
use crate::gpu::Context;
use crate::model::Model;
use crate::viewer::heap;
use crate::viewer::scene::Request;

/// How often thumbnails are shown while they are made.
const GLIMPSE: Duration = Duration::from_millis(500);

/// What a worker makes.
enum Made {
    /// The last of a request's levels, or not; of that version.
    Picture {
        pixels: Box<Pixels>,
        last: bool,
        version: u64,
    },
    Thumbnails(Sheet),
}

enum Job {
    Load(Arc<Model>),
    Paint(u64, Box<Request>, Vec<Detail>),
    Thumbnails,
}

pub(super) struct Workshop {
    jobs: Sender<Job>,
    done: Receiver<Result<Made>>,
    version: Arc<AtomicU64>,
    /// Thumbnails that came together with a picture, and are to be fetched next.
    sheet: Option<Sheet>,
}

struct Worker {
    engine: Engine,
    /// None until a model is loaded.
    easel: Option<Easel>,
    jobs: Receiver<Job>,
    finished: Sender<Result<Made>>,
    version: Arc<AtomicU64>,
    wake: Box<dyn Fn() + Send>,
    /// Thumbnails on their way, if any are, and when they were shown last.
    thumbnails: Option<(Sheet, Instant)>,
}

impl Workshop {
    pub(super) fn new(engine: &Engine, model: &Arc<Model>, wake: impl Fn() + Send + 'static) -> Self {
        let (jobs, todo) = channel();
        let (finished, done) = channel();
        let version = Arc::new(AtomicU64::new(0));
        let worker = Worker {
            engine: engine.clone(),
            easel: None,
            jobs: todo,
            finished,
            version: Arc::clone(&version),
            wake: Box::new(wake),
            thumbnails: None,
        };
        // The thread ends when the painter, and with it `jobs`, is dropped.
        std::thread::spawn(move || worker.run());
        let workshop = Self { jobs, done, version, sheet: None };
        workshop.load(model);
        workshop
    }

    // A worker that is gone has sent its reason, which `advance` reports: sending may fail.

    pub(super) fn load(&self, model: &Arc<Model>) {
        self.version.fetch_add(1, Ordering::Relaxed);
        let _ = self.jobs.send(Job::Load(Arc::clone(model)));
    }

    pub(super) fn start(&self, request: Option<Request>, levels: Vec<Detail>) {
        let version = self.version.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(request) = request {
            let _ = self.jobs.send(Job::Paint(version, Box::new(request), levels));
        }
    }

    /// Whether there is something that was fetched and not given out.
    pub(super) fn has_more(&self) -> bool {
        self.sheet.is_some()
    }

    pub(super) fn ask_thumbnails(&self) {
        let _ = self.jobs.send(Job::Thumbnails);
    }

    pub(super) fn advance(&mut self, ctx: &Context) -> Result<Option<Painted>> {
        // Several may have become finished: the last picture is the best.
        let mut painted = None;
        for made in self.done.try_iter() {
            match made? {
                Made::Picture { pixels, last, version } => painted = Some((pixels, last, version)),
                Made::Thumbnails(sheet) => self.sheet = Some(sheet),
            }
        }
        let Some((pixels, last, version)) = painted else {
            return Ok(self.sheet.take().map(|Sheet { bytes, count, .. }| {
                let view = upload(ctx, Atlas::size(count), BYTES, &bytes);
                Painted::Thumbnails(Atlas { view, count })
            }));
        };
        let Pixels { texels, floats, size, region, detail, points, evaluations, generate, took, fused } = *pixels;
        let view = upload(ctx, size, if floats { FLOATS } else { BYTES }, &texels);
        let last = last && version == self.version.load(Ordering::Relaxed);
        let shown = Shown { view, region, detail, last, size, points, evaluations, generate, took, fused };
        Ok(Some(Painted::Picture(shown)))
    }
}

impl Worker {
    fn run(mut self) {
        while let Some(job) = self.next() {
            match job {
                Job::Load(model) => {
                    // Thumbnails of the model before are wanted no longer.
                    self.thumbnails = None;
                    self.easel = match Easel::new(&self.engine, &model) {
                        Ok(easel) => Some(easel),
                        Err(e) => {
                            self.tell(Err(e));
                            None
                        }
                    };
                }
                Job::Thumbnails => {
                    let sheet = |easel: &Easel| Sheet::new(easel.model().latents.len().min(MOST_THUMBNAILS));
                    self.thumbnails = self.easel.as_ref().map(|easel| (sheet(easel), Instant::now()));
                }
                Job::Paint(version, request, levels) => {
                    let Some(easel) = &mut self.easel else { continue };
                    for (i, &detail) in levels.iter().enumerate() {
                        // The first level is finished whatever comes, so that pictures come however fast requests do.
                        let stale = || i > 0 && self.version.load(Ordering::Relaxed) != version;
                        let picture = easel.paint(&request, detail, &stale).transpose();
                        let last = i + 1 == levels.len();
                        let Some(picture) = picture else { break };
                        let picture = picture.map(|p| Made::Picture { pixels: Box::new(p), last, version });
                        if self.finished.send(picture).is_err() {
                            return;
                        }
                        (self.wake)();
                        if self.version.load(Ordering::Relaxed) != version {
                            break;
                        }
                        if last {
                            heap::give_back();
                        }
                    }
                }
            }
        }
    }

    /// The next job, of paintings the newest; while there is none, some thumbnails.
    fn next(&mut self) -> Option<Job> {
        loop {
            let job = if self.thumbnails.is_some() {
                match self.jobs.try_recv() {
                    Ok(job) => job,
                    Err(std::sync::mpsc::TryRecvError::Disconnected) => return None,
                    Err(std::sync::mpsc::TryRecvError::Empty) => {
                        self.some_thumbnails();
                        continue;
                    }
                }
            } else {
                self.jobs.recv().ok()?
            };
            // A painting that a newer one has overtaken in the queue is left out.
            match &job {
                Job::Paint(version, ..) if *version != self.version.load(Ordering::Relaxed) => {}
                _ => return Some(job),
            }
        }
    }

    fn some_thumbnails(&mut self) {
        let (Some(easel), Some((mut sheet, shown))) = (&mut self.easel, self.thumbnails.take()) else { return };
        let news = match easel.thumbnails(&mut sheet) {
            Err(e) => Err(e),
            Ok(()) if sheet.done >= sheet.count => Ok(Made::Thumbnails(sheet)),
            Ok(()) => {
                let due = shown.elapsed() > GLIMPSE;
                let glimpse = due.then(|| sheet.clone());
                self.thumbnails = Some((sheet, if due { Instant::now() } else { shown }));
                match glimpse {
                    Some(sheet) => Ok(Made::Thumbnails(sheet)),
                    None => return,
                }
            }
        };
        self.tell(news);
    }

    fn tell(&self, news: Result<Made>) {
        // The painter may be gone; then `next` ends the thread.
        let _ = self.finished.send(news);
        (self.wake)();
    }
}
