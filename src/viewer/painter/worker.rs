//! Painting on a thread of its own: on the CPU backend, or on a device that is not the window's. A software driver compiles
//! and computes inside the call that submits, where the event loop must not wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::{
    Atlas, BYTES, COLUMNS, Detail, FLOATS, Fields, MOST_THUMBNAILS, Painted, Shown, THUMBNAIL, at_level, texels, upload,
};
use crate::Result;
use crate::engine::{Engine, Mosaic, Strategy};
use crate::gpu::Context;
use crate::model::{Model, Region};
use crate::viewer::scene::Request;

/// How long a band of rows may delay a newer request.
const BAND: Duration = Duration::from_millis(15);

/// What a worker makes.
enum Made {
    Picture(Box<Pixels>),
    Thumbnails { bytes: Vec<u8>, count: usize },
}

/// A picture as the worker makes it.
struct Pixels {
    version: u64,
    texels: Vec<u8>,
    floats: bool,
    size: [u32; 2],
    region: Region,
    detail: Detail,
    last: bool,
    points: usize,
    generate: Duration,
    took: Duration,
    fused: bool,
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
}

struct Worker {
    engine: Engine,
    /// None until a model is loaded.
    fields: Option<Fields>,
    jobs: Receiver<Job>,
    finished: Sender<Result<Made>>,
    version: Arc<AtomicU64>,
    wake: Box<dyn Fn() + Send>,
    /// Thumbnails still to be made, if any are.
    thumbnails: Option<Vec<u8>>,
}

impl Workshop {
    pub(super) fn new(engine: &Engine, model: &Arc<Model>, wake: impl Fn() + Send + 'static) -> Self {
        let (jobs, todo) = channel();
        let (finished, done) = channel();
        let version = Arc::new(AtomicU64::new(0));
        let worker = Worker {
            engine: engine.clone(),
            fields: None,
            jobs: todo,
            finished,
            version: Arc::clone(&version),
            wake: Box::new(wake),
            thumbnails: None,
        };
        // The thread ends when the painter, and with it `jobs`, is dropped.
        std::thread::spawn(move || worker.run());
        let workshop = Self { jobs, done, version };
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

    pub(super) fn ask_thumbnails(&self) {
        let _ = self.jobs.send(Job::Thumbnails);
    }

    pub(super) fn advance(&self, ctx: &Context) -> Result<Option<Painted>> {
        // Several may have become finished: the last picture is the best.
        let mut painted = None;
        for made in self.done.try_iter() {
            match made? {
                Made::Picture(p) => painted = Some(p),
                Made::Thumbnails { bytes, count } => {
                    let view = upload(ctx, Atlas::size(count), BYTES, &bytes);
                    return Ok(Some(Painted::Thumbnails(Atlas { view, count })));
                }
            }
        }
        let Some(p) = painted else { return Ok(None) };
        let view = upload(ctx, p.size, if p.floats { FLOATS } else { BYTES }, &p.texels);
        let Pixels { size, region, detail, points, generate, took, fused, .. } = *p;
        let last = p.last && p.version == self.version.load(Ordering::Relaxed);
        Ok(Some(Painted::Picture(Shown { view, region, detail, last, size, points, generate, took, fused })))
    }
}

impl Worker {
    fn run(mut self) {
        while let Some(job) = self.next() {
            match job {
                Job::Load(model) => {
                    // Thumbnails of the model before are wanted no longer.
                    self.thumbnails = None;
                    self.fields = match Fields::new(&self.engine, &model, true) {
                        Ok(fields) => Some(fields),
                        Err(e) => {
                            self.tell(Err(e));
                            None
                        }
                    };
                }
                Job::Thumbnails => self.thumbnails = Some(Vec::new()),
                Job::Paint(version, request, levels) => {
                    let Some(fields) = &mut self.fields else { continue };
                    for (i, &detail) in levels.iter().enumerate() {
                        // The first level is finished whatever comes, so that pictures come however fast requests do.
                        let stale = || i > 0 && self.version.load(Ordering::Relaxed) != version;
                        let picture = paint(fields, &request, detail, &stale).transpose();
                        let last = i + 1 == levels.len();
                        let Some(picture) = picture else { break };
                        let picture = picture.map(|p| Made::Picture(Box::new(Pixels { version, last, ..p })));
                        if self.finished.send(picture).is_err() {
                            return;
                        }
                        (self.wake)();
                        if self.version.load(Ordering::Relaxed) != version {
                            break;
                        }
                    }
                }
            }
        }
    }

    /// The next job, of paintings the newest; while there is none, a line of thumbnails.
    fn next(&mut self) -> Option<Job> {
        loop {
            let job = if self.thumbnails.is_some() {
                match self.jobs.try_recv() {
                    Ok(job) => job,
                    Err(std::sync::mpsc::TryRecvError::Disconnected) => return None,
                    Err(std::sync::mpsc::TryRecvError::Empty) => {
                        self.thumbnail_line();
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

    fn thumbnail_line(&mut self) {
        let Some(fields) = &self.fields else {
            self.thumbnails = None;
            return;
        };
        let model = Arc::clone(fields.family.model());
        let count = model.latents.len().min(MOST_THUMBNAILS);
        let [width, height] = Atlas::size(count);
        let Some(bytes) = &mut self.thumbnails else { return };
        let line = (width * THUMBNAIL * 4) as usize;
        let first = bytes.len() / line * COLUMNS as usize;
        let made = (|| {
            let cells = (count - first).min(COLUMNS as usize);
            let grid = model.coordinates.grid(THUMBNAIL, THUMBNAIL, None)?;
            let mosaic = Mosaic::new(grid, cells, Some(COLUMNS as usize), 1)?;
            let z = &model.latents.values()[first * model.latent_dim()..][..cells * model.latent_dim()];
            let narrow = mosaic.size()[0] as usize;
            mosaic.render(&fields.family, z, Strategy::Auto, |values| {
                for row in values.chunks_exact(narrow * model.inr.outputs) {
                    texels(row, model.inr.outputs, model.values, false, bytes);
                    // The last line may be shorter.
                    bytes.resize(bytes.len() + (width as usize - narrow) * 4, 255);
                }
                Ok(())
            })
        })();
        let done = bytes.len() >= line * (height / THUMBNAIL) as usize;
        let news = match made {
            Ok(_) if !done => return,
            Ok(_) => Ok(Made::Thumbnails { bytes: std::mem::take(bytes), count }),
            Err(e) => Err(e),
        };
        self.thumbnails = None;
        self.tell(news);
    }

    fn tell(&self, news: Result<Made>) {
        // The painter may be gone; then `next` ends the thread.
        let _ = self.finished.send(news);
        (self.wake)();
    }
}

/// Evaluates one level in bands of rows; None where the request has become stale.
fn paint(fields: &mut Fields, request: &Request, detail: Detail, stale: &dyn Fn() -> bool) -> Result<Option<Pixels>> {
    let started = Instant::now();
    let (field, z) = fields.of(request)?;
    // Weights that are written once for all bands were written just now.
    let generate = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let model = Arc::clone(field.model());
    let (size, region) = at_level(request, detail.coarse);
    let grid = model.coordinates.grid(size[0], size[1], Some(region))?;
    let mut out = Vec::with_capacity(size[0] as usize * size[1] as usize * if request.floats { 16 } else { 4 });
    let (mut row, mut rows) = (0, 8);
    let (mut generate, mut fused) = (generate, false);
    while row < size[1] {
        if stale() {
            return Ok(None);
        }
        let count = rows.min(size[1] - row);
        let band = Instant::now();
        let mosaic = Mosaic::single(grid.rows(row, count), detail.points)?;
        let report = mosaic.render(field, &z, request.strategy, |values| {
            texels(values, model.inr.outputs, model.values, request.floats, &mut out);
            Ok(())
        })?;
        generate += report.timings.generate_s;
        fused = report.strategy == "fused";
        row += count;
        let took = band.elapsed().as_secs_f64().max(1e-6);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to a sensible number of rows"
        )]
        {
            rows = (f64::from(count) * BAND.as_secs_f64() / took).clamp(1.0, 4096.0) as u32;
        }
    }
    let points = grid.points() * (detail.points * detail.points) as usize;
    let (generate, took) = (Duration::from_secs_f64(generate), started.elapsed());
    let (version, last, floats) = (0, false, request.floats);
    Ok(Some(Pixels { version, texels: out, floats, size, region, detail, last, points, generate, took, fused }))
}
