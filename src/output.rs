//! Output files: written under a temporary name and renamed when complete.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::{Error, Result};

/// Calls `write` on a temporary file beside `path` and renames it to `path` when all is on disk. An
/// interrupted or failed write leaves nothing behind and an older file untouched.
///
/// # Errors
/// Where the folder does not exist or cannot be written, or `write` fails.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<()> {
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    let inner = || -> io::Result<()> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".hypersine-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // A temporary file is private by default; an output is an ordinary file, subject to the umask.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let temporary = builder.tempfile_in(folder)?;
        let mut file = BufWriter::new(temporary.as_file().try_clone()?);
        write(&mut file)?;
        file.flush()?;
        temporary.as_file().sync_all()?;
        temporary.persist(path).map_err(|e| e.error)?;
        Ok(())
    };
    inner().map_err(Error::io("write", path))
}
