//! GPU buffers that are counted while they live.

use std::sync::{Arc, Mutex, PoisonError};

use crate::measure::Memory;

/// What a buffer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// The parameters and the tables that describe them.
    Model,
    /// Latents and the outputs of trunk layers.
    Features,
    /// Materialised weights.
    Theta,
    /// Evaluated values.
    Output,
    /// What learning needs besides: gradients, moments, the tape.
    Learning,
    /// Everything else: uniforms, timestamps, lists of points.
    Other,
    /// The host's copy of results on their way back; host memory, not the device's.
    Readback,
}

const USES: usize = 7;

#[derive(Debug, Default)]
struct Marks {
    now: [u64; USES],
    high: [u64; USES],
    peak: u64,
}

impl Marks {
    /// Bytes of the device.
    fn device(&self) -> u64 {
        self.now.iter().sum::<u64>() - self.now[Use::Readback as usize]
    }
}

/// Counts what is allocated.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Marks>);

impl Ledger {
    fn with<R>(&self, f: impl FnOnce(&mut Marks) -> R) -> R {
        // A panic elsewhere leaves plain numbers behind: still the best there is.
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, usage: Use, bytes: u64) {
        self.with(|m| {
            let i = usage as usize;
            m.now[i] += bytes;
            m.high[i] = m.high[i].max(m.now[i]);
            m.peak = m.peak.max(m.device());
        });
    }

    fn remove(&self, usage: Use, bytes: u64) {
        self.with(|m| m.now[usage as usize] -= bytes);
    }

    /// Bytes of the device that are allocated now.
    pub(super) fn now(&self) -> u64 {
        self.with(|m| m.device())
    }

    pub(super) fn read(&self) -> Memory {
        self.with(|m| {
            let high = |u: Use| m.high[u as usize];
            Memory {
                model: high(Use::Model),
                features: high(Use::Features),
                theta: high(Use::Theta),
                output: high(Use::Output),
                learning: high(Use::Learning),
                other: high(Use::Other),
                peak: m.peak,
                readback: high(Use::Readback),
            }
        })
    }
}

/// A GPU buffer that leaves the ledger when it is dropped.
#[derive(Debug)]
pub struct Buffer {
    raw: wgpu::Buffer,
    usage: Use,
    ledger: Arc<Ledger>,
}

impl Buffer {
    pub(super) fn new(raw: wgpu::Buffer, usage: Use, ledger: &Arc<Ledger>) -> Self {
        ledger.add(usage, raw.size());
        Self { raw, usage, ledger: Arc::clone(ledger) }
    }

    /// wgpu's buffer.
    pub fn raw(&self) -> &wgpu::Buffer {
        &self.raw
    }

    /// How many numbers of 32 bits it holds.
    pub(crate) fn numbers(&self) -> usize {
        usize::try_from(self.raw.size() / 4).expect("what fits memory fits usize")
    }

    /// The whole buffer as a binding.
    pub fn binding(&self) -> wgpu::BindingResource<'_> {
        self.raw.as_entire_binding()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.ledger.remove(self.usage, self.raw.size());
    }
}
