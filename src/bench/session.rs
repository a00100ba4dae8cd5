//! A run of the harness: suites over devices, row by row.

use std::collections::BTreeMap;

use super::method::{Method, Subject};
use super::peers::{Peer, PeerCommand};
use super::record::{Costs, Device, Record, Row, Shape, Work};
use super::{Suite, suites};
use crate::Result;
use crate::engine::{Engine, Strategy};

/// What to measure, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which suites.
    pub suites: Vec<Suite>,
    /// How times are taken.
    pub method: Method,
    /// Small cases: a look.
    pub quick: bool,
    /// Points of each case; None: as many as suit the devices.
    pub points: Option<usize>,
    /// Which strategies, where there is a choice.
    pub strategies: Vec<Strategy>,
    /// Seed of weights and inputs.
    pub seed: u64,
    /// Who else takes part.
    pub peers: Vec<PeerCommand>,
}

/// How large cases are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    /// Points of the usual case.
    pub usual: usize,
    /// Points of the largest.
    pub most: usize,
    /// Multiply-adds of a case, at most.
    pub macs: f64,
    /// Numbers of a large buffer.
    pub numbers: usize,
    /// Whether everything is measured or a selection.
    pub full: bool,
}

impl Scale {
    fn new(engines: &[Engine], options: &Options) -> Self {
        let full = !options.quick;
        let software = engines.iter().any(|e| e.gpu().is_some_and(|ctx| ctx.is_software()));
        let cpu = engines.iter().any(|e| e.gpu().is_none());
        // All devices of a run get the same cases: those that suit the slowest.
        let (usual, most, macs) = match (full, software, cpu) {
            (false, true, _) => (1 << 11, 1 << 13, 6e7),
            (false, false, true) => (1 << 14, 1 << 16, 8e9),
            (false, false, false) => (1 << 18, 1 << 20, 4e11),
            (true, true, _) => (1 << 14, 1 << 16, 4e9),
            (true, false, true) => (1 << 18, 1 << 20, 1e11),
            (true, false, false) => (1 << 20, 1 << 22, 4e12),
        };
        let numbers = if software || !full { 1 << 22 } else { 1 << 25 };
        match options.points {
            None => Self { usual, most, macs, numbers, full },
            Some(points) => Self { usual: points, most: points, macs: f64::INFINITY, numbers, full },
        }
    }

    /// Points of a case of so many multiply-adds each: the usual number, or fewer by powers of two.
    pub(super) fn points(&self, macs_per_point: usize) -> usize {
        let mut points = self.usual;
        while points > 64 && (points * macs_per_point) as f64 > self.macs {
            points /= 2;
        }
        points
    }
}

/// A subject that is yet to be made, and what it is called.
pub(super) struct Entry<'a> {
    pub case: String,
    pub shape: Shape,
    pub work: Work,
    pub peer: Option<String>,
    pub make: Box<dyn FnOnce() -> Result<Box<dyn Subject + 'a>> + 'a>,
}

impl<'a> Entry<'a> {
    pub(super) fn new<S: Subject + 'a>(
        case: impl Into<String>,
        shape: Shape,
        work: Work,
        make: impl FnOnce() -> Result<S> + 'a,
    ) -> Self {
        let make = Box::new(|| Ok(Box::new(make()?) as Box<dyn Subject + 'a>));
        Self { case: case.into(), shape, work, peer: None, make }
    }
}

/// A run under way.
pub(super) struct Session<'a> {
    pub engines: &'a [Engine],
    pub options: &'a Options,
    pub scale: Scale,
    pub peers: Vec<Peer>,
    pub record: Record,
    progress: &'a mut dyn FnMut(&Row),
}

/// Runs suites on devices; `progress` hears of each row as it is done. A row whose outputs are wrong is a row all the
/// same: see [`Record::wrong`].
///
/// # Errors
/// Where there is nothing to measure, or a device fails.
pub fn run(engines: &[Engine], options: &Options, progress: &mut dyn FnMut(&Row)) -> Result<Record> {
    let devices = engines.iter().map(Device::of).collect();
    let mut session = Session {
        engines,
        options,
        scale: Scale::new(engines, options),
        peers: Vec::new(),
        record: Record::begin(options.method, options.quick, devices),
        progress,
    };
    let mut named = Vec::new();
    for command in &options.peers {
        match Peer::start(command) {
            Ok(peer) => {
                named.push(peer.describe());
                session.peers.push(peer);
            }
            Err(reason) => named.push(format!("none: {reason}")),
        }
    }
    session.record.peers = (!named.is_empty()).then(|| named.join("; "));
    // Halves have rows of their own: whatever the environment asks for, the others are of f32.
    for ctx in engines.iter().filter_map(Engine::gpu) {
        ctx.set_half(false);
    }
    let before = references(engines)?;
    for suite in &options.suites {
        suites::run(*suite, &mut session)?;
    }
    for (device, (before, after)) in session.record.devices.iter_mut().zip(before.into_iter().zip(references(engines)?))
    {
        device.reference_s = Some([before, after]);
    }
    Ok(session.record)
}

/// Seconds of the same work on each device.
fn references(engines: &[Engine]) -> Result<Vec<f64>> {
    engines.iter().map(suites::reference).collect()
}

impl Session<'_> {
    /// Measures subjects on a device in turns, and keeps a row for each; returns the first one's index.
    pub(super) fn race(&mut self, suite: Suite, engine: &Engine, entries: Vec<Entry<'_>>) -> Result<usize> {
        let method = self.options.method;
        self.race_by(&method, suite, engine, entries)
    }

    /// As [`Session::race`], by another method.
    pub(super) fn race_by(
        &mut self,
        method: &Method,
        suite: Suite,
        engine: &Engine,
        entries: Vec<Entry<'_>>,
    ) -> Result<usize> {
        let first = self.record.rows.len();
        let mut ready = Vec::new();
        for Entry { case, shape, work, peer, make } in entries {
            let begin = || -> Result<(Box<dyn Subject + '_>, f64)> {
                let mut subject = make()?;
                let lap = subject.run(1)?;
                Ok((subject, lap.seconds))
            };
            let (made, kernels) = match engine.gpu() {
                Some(ctx) if peer.is_none() => ctx.kernels_of(begin),
                _ => (begin(), Vec::new()),
            };
            let (subject, first_s) = match (made, &peer) {
                (Ok(made), _) => made,
                (Err(reason), Some(peer)) => {
                    log::warn!("{peer} takes no part in {case}: {reason}");
                    continue;
                }
                (Err(reason), None) => return Err(reason),
            };
            ready.push((subject, (case, shape, work, peer, first_s, kernels)));
        }
        let mut subjects: Vec<&mut dyn Subject> = ready.iter_mut().map(|(s, _)| &mut **s as &mut dyn Subject).collect();
        let results = method.race(&mut subjects)?;
        for ((subject, about), (time, check)) in ready.into_iter().zip(results) {
            let (case, shape, work, peer, first_s, kernels) = about;
            let row = Row {
                suite,
                case,
                device: engine.describe(),
                peer,
                shape,
                work,
                time,
                first_s,
                kernels,
                verified: check.passes(),
                check,
                figures: subject.figures(),
                fitted: None,
            };
            (self.progress)(&row);
            self.record.rows.push(row);
        }
        Ok(first)
    }

    /// Keeps what work costs on a device.
    pub(super) fn keep(&mut self, costs: Costs) {
        self.record.models.push(costs);
    }
}

/// Figures by name.
pub(super) fn figures<const N: usize>(list: [(&str, f64); N]) -> BTreeMap<String, f64> {
    list.map(|(name, value)| (name.to_owned(), value)).into()
}
