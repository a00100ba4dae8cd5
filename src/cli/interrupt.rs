//! Ctrl-C, and what schedulers and terminals send to end a program (SIGTERM, SIGHUP).

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use hypersine::output;

/// How long one request to end may take to arrive: `timeout` and shells send it to the program and to its group.
const ECHO: Duration = Duration::from_secs(2);

/// Whether somebody looks at [`ASKED`] now and then, and ends by himself.
static HEEDED: AtomicBool = AtomicBool::new(false);
/// Whether the program was told to end.
static ASKED: AtomicBool = AtomicBool::new(false);

/// Lets the program end cleanly: at once, without half-written files, or between two steps of a run that [heeds](heed) it.
/// What whoever started it had it ignore (`nohup`, a shell's background), it goes on ignoring.
pub(super) fn listen() -> Result<()> {
    let ignored = signals::ignored();
    let mut first: Option<Instant> = None;
    ctrlc::set_handler(move || {
        ASKED.store(true, Ordering::SeqCst);
        let ends_now = match first {
            // Asked again, it does not wait for the step to end.
            Some(first) => first.elapsed() > ECHO,
            None => !HEEDED.load(Ordering::SeqCst),
        };
        first.get_or_insert_with(Instant::now);
        if ends_now {
            output::abandon();
            std::process::exit(130);
        }
    })
    .context("cannot listen for Ctrl-C")?;
    signals::ignore(&ignored);
    Ok(())
}

/// While this lives, its owner looks at [`Heed::asked`] now and then, and ends when it is true.
pub(super) struct Heed;

pub(super) fn heed() -> Heed {
    HEEDED.store(true, Ordering::SeqCst);
    Heed
}

impl Heed {
    /// Whether the program was told to end.
    #[expect(clippy::unused_self, reason = "only who heeds it has a use for it")]
    pub(super) fn asked(&self) -> &'static AtomicBool {
        &ASKED
    }
}

impl Drop for Heed {
    fn drop(&mut self) {
        HEEDED.store(false, Ordering::SeqCst);
    }
}

#[cfg(unix)]
#[expect(unsafe_code, reason = "std knows nothing of signals")]
mod signals {
    /// Those that end the program and are ignored now.
    pub(super) fn ignored() -> Vec<libc::c_int> {
        let is_ignored = |&signal: &libc::c_int| {
            // SAFETY: an all-zero sigaction is a valid value to be written to; the call only reads the current action.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0 && action.sa_sigaction == libc::SIG_IGN
            }
        };
        [libc::SIGINT, libc::SIGTERM, libc::SIGHUP].into_iter().filter(is_ignored).collect()
    }

    pub(super) fn ignore(signals: &[libc::c_int]) {
        for &signal in signals {
            // SAFETY: to ignore a signal has no preconditions.
            unsafe {
                libc::signal(signal, libc::SIG_IGN);
            }
        }
    }
}

#[cfg(not(unix))]
mod signals {
    pub(super) fn ignored() {}

    pub(super) fn ignore((): &()) {}
}
