//! The one error type of the library. Each variant prints as one sentence that a person can act on.

use std::path::{Path, PathBuf};

use crate::gpu::GpuError;

/// What can go wrong in the library.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused a file operation.
    #[error("cannot {action} {}: {reason}", path.display())]
    Io {
        /// `read`, `write` or `create`.
        action: &'static str,
        /// The file concerned.
        path: PathBuf,
        /// The system's own reason; part of the sentence, and so not told again as its source.
        reason: std::io::Error,
    },
    /// A file was read but is not acceptable: damaged, of the wrong kind, or newer than this program.
    #[error("{}: {what}", path.display())]
    File {
        /// The file concerned.
        path: PathBuf,
        /// What is wrong and what to do about it.
        what: String,
    },
    /// An argument, a model or a combination of the two makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The GPU, its driver or its memory gave up.
    #[error(transparent)]
    Gpu(#[from] GpuError),
}

/// Shorthand for results of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An [`Error::Invalid`] from anything printable.
    pub fn invalid(what: impl Into<String>) -> Self {
        Self::Invalid(what.into())
    }

    /// An [`Error::File`] about `path`.
    pub fn file(path: &Path, what: impl Into<String>) -> Self {
        Self::File { path: path.to_owned(), what: what.into() }
    }

    /// A closure for `map_err` that names the file behind an I/O error.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |reason| Self::Io { action, path, reason }
    }

    /// Names the file in which an [`Error::Invalid`] was found; other errors pass unchanged.
    #[must_use]
    pub fn in_file(self, path: &Path) -> Self {
        match self {
            Self::Invalid(what) => Self::file(path, what),
            other => other,
        }
    }
}
