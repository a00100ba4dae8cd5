//! Output files: written under a temporary name and renamed when complete.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::NamedTempFile;

use crate::{Error, Result};

/// Files that are being written, under their temporary names.
static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn unfinished() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes files that are being written, for good: nobody can begin another. For a program that ends right now because it
/// was told to.
pub fn abandon() {
    let files = unfinished();
    for path in &*files {
        // Who cannot remove it now will not find out how later.
        let _ = std::fs::remove_file(path);
    }
    std::mem::forget(files);
}

/// The folder in which a file of that name lies.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file that [`abandon`] knows of.
struct Listed(PathBuf);

impl Drop for Listed {
    fn drop(&mut self) {
        unfinished().remove(&self.0);
    }
}

/// A temporary file; it is gone before it is no longer listed.
struct Temporary {
    file: NamedTempFile,
    listed: Listed,
}

impl Temporary {
    fn beside(path: &Path) -> Result<Self> {
        let folder = folder_of(path);
        let refused = |why: &str| Err(Error::invalid(format!("cannot write {}: {why}", path.display())));
        if !folder.is_dir() {
            return refused(&format!("there is no folder {}", folder.display()));
        }
        if path.is_dir() {
            return refused("a folder has that name");
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(".hypersine-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // A temporary file is private by default; an output is an ordinary file, subject to the umask.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        // The crate's own error names the temporary file, which nobody asked for.
        let plain = |e: io::Error| {
            let cause = e.get_ref().and_then(|inner| inner.source()).map(ToString::to_string);
            cause.map_or(e, io::Error::other)
        };
        let mut files = unfinished();
        let file = builder.tempfile_in(folder).map_err(plain).map_err(Error::io("write", path))?;
        files.insert(file.path().to_owned());
        Ok(Self { listed: Listed(file.path().to_owned()), file })
    }
}

/// Whether a file can be written there, before the work that it is to hold.
///
/// # Errors
/// Where the folder does not exist or cannot be written, or a folder has that name.
pub fn check_writable(path: &Path) -> Result<()> {
    Temporary::beside(path).map(|_| ())
}

/// Calls `write` on a temporary file beside `path` and renames it to `path` when all is on disk; returns what `write`
/// does. A failed write leaves nothing behind and an older file untouched; an interrupted one, too, where the program
/// calls [`abandon`].
///
/// # Errors
/// Where the folder does not exist or cannot be written, or `write` fails.
pub fn write_atomically<T>(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> Result<T>) -> Result<T> {
    // Listed first, so dropped last.
    let Temporary { listed, file: temporary } = Temporary::beside(path)?;
    let mut file = BufWriter::new(temporary.as_file().try_clone().map_err(Error::io("write", path))?);
    let done = write(&mut file)?;
    let complete = || -> io::Result<()> {
        file.flush()?;
        temporary.as_file().sync_all()?;
        temporary.persist(path).map_err(|e| e.error)?;
        drop(listed);
        Ok(())
    };
    complete().map_err(Error::io("write", path))?;
    Ok(done)
}

/// Writes numbers as a one-dimensional NumPy array of f32.
///
/// # Errors
/// Where the file cannot be written.
pub fn write_npy(path: &Path, values: &[f32]) -> Result<()> {
    use npyz::WriterBuilder;
    let refused = |e| Error::Io { action: "write", path: path.to_owned(), reason: e };
    write_atomically(path, |file| {
        let options = npyz::WriteOptions::new().default_dtype().shape(&[values.len() as u64]).writer(file);
        let mut writer = options.begin_nd().map_err(refused)?;
        writer.extend(values.iter().copied()).map_err(refused)?;
        writer.finish().map_err(refused)
    })
}
