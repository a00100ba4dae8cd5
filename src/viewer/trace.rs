//! A record of what every frame took, one line of JSON each: `view --trace`.

use std::cell::Cell;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::learn::Mark;
use super::painter::Shown;
use crate::{Error, Result};

/// Where the record goes, if it is wanted, and what it needs between frames.
pub(super) struct Trace {
    file: Option<BufWriter<File>>,
    started: Instant,
    frames: u64,
    /// The longest that the event loop was kept from taking events since the last line.
    longest: Rc<Cell<Duration>>,
}

/// Something that keeps the event loop from taking events.
pub(super) struct Busy {
    since: Instant,
    longest: Rc<Cell<Duration>>,
}

impl Busy {
    pub(super) fn end(self) {
        self.longest.set(self.longest.get().max(self.since.elapsed()));
    }
}

impl Trace {
    pub(super) fn new(path: Option<&Path>, started: Instant) -> Result<Self> {
        let file = path.map(|p| File::create(p).map(BufWriter::new).map_err(Error::io("write", p))).transpose()?;
        Ok(Self { file, started, frames: 0, longest: Rc::default() })
    }

    pub(super) fn busy(&self) -> Busy {
        Busy { since: Instant::now(), longest: Rc::clone(&self.longest) }
    }

    fn line(&mut self, line: &serde_json::Value) {
        if let Some(file) = &mut self.file
            && writeln!(file, "{line}").and_then(|()| file.flush()).is_err()
        {
            log::warn!("the trace cannot be written any longer; it ends here");
            self.file = None;
        }
    }

    /// A frame was shown.
    pub(super) fn frame(&mut self, draw: Duration, present: Duration) {
        self.frames += 1;
        let line = json!({
            "frame": self.frames, "t": self.started.elapsed().as_secs_f64(), "draw_ms": ms(draw),
            "present_ms": ms(present), "stall_ms": ms(self.longest.take()),
        });
        self.line(&line);
    }

    /// A step of what is learned.
    pub(super) fn mark(&mut self, mark: &Mark) {
        let t = self.started.elapsed().as_secs_f64();
        self.line(&json!({"step": mark.step, "t": t, "loss": mark.loss, "psnr": mark.psnr}));
    }

    /// A picture is ready, so long after it was asked for.
    pub(super) fn picture(&mut self, shown: &Shown, age: Duration) {
        let line = json!({
            "picture": shown.size, "t": self.started.elapsed().as_secs_f64(), "coarse": shown.detail.coarse,
            "aa": shown.detail.aa(), "last": shown.last, "age_ms": ms(age),
            "generate_ms": ms(shown.generate), "evaluate_ms": ms(shown.took),
        });
        self.line(&line);
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
