//! Output files: written under a temporary name and renamed when complete.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::{Error, Result};

/// Calls `write` on a temporary file beside `path` and renames it to `path` when all is on disk; returns what `write`
/// does. An interrupted or failed write leaves nothing behind and an older file untouched.
///
/// # Errors
/// Where the folder does not exist or cannot be written, or `write` fails.
pub fn write_atomically<T>(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> Result<T>) -> Result<T> {
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    let create = || -> io::Result<(NamedTempFile, BufWriter<File>)> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".hypersine-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // A temporary file is private by default; an output is an ordinary file, subject to the umask.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let temporary = builder.tempfile_in(folder)?;
        let file = BufWriter::new(temporary.as_file().try_clone()?);
        Ok((temporary, file))
    };
    let (temporary, mut file) = create().map_err(Error::io("write", path))?;
    let done = write(&mut file)?;
    let complete = || -> io::Result<()> {
        file.flush()?;
        temporary.as_file().sync_all()?;
        temporary.persist(path).map_err(|e| e.error)?;
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
