//! A zip archive that is not believed: PyTorch's since 1.6 and NumPy's `.npz`.

use std::borrow::Cow;
use std::io::{Cursor, Read};

use zip::ZipArchive;

use crate::{Error, Result};

/// An archive whose entries may be read once each, or nearly.
pub(super) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// Bytes that may still be read: neither container compresses by itself, so that entries which together are larger
    /// than the file are a lie.
    left: u64,
}

fn broken(e: &dyn std::fmt::Display) -> Error {
    Error::invalid(format!("the checkpoint's zip archive is damaged or cut short ({e})"))
}

impl<'a> Archive<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|e| broken(&e))?;
        Ok(Self { zip, left: bytes.len() as u64 })
    }

    /// Names of the entries, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.zip.file_names().filter_map(std::result::Result::ok).map(Cow::into_owned).collect();
        names.sort();
        names
    }

    pub(super) fn read(&mut self, name: &str) -> Result<Vec<u8>> {
        let file = self.zip.by_name(name).map_err(|e| broken(&format!("{name}: {e}")))?;
        let claimed = file.size();
        self.left = self
            .left
            .checked_sub(claimed)
            .ok_or_else(|| broken(&format!("with {name} its entries claim more bytes than the file has")))?;
        // One byte more, to come to the end: there the checksum is compared.
        let mut data = Vec::new();
        file.take(claimed + 1).read_to_end(&mut data).map_err(|e| broken(&format!("{name}: {e}")))?;
        Ok(data)
    }
}
