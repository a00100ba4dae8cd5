//! A zip archive that is not believed: PyTorch's since 1.6 and NumPy's `.npz`.

use std::borrow::Cow;
use std::io::{Cursor, Read};

use zip::{CompressionMethod, ZipArchive};

use crate::{Error, Result};

/// How many times smaller than their numbers compressed arrays may be: a few times is what numbers come to.
const COMPRESSION: u64 = 64;

/// An archive whose entries may be read once each, or nearly.
pub(super) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// Whether entries may be compressed.
    compressed: bool,
    /// Bytes that may still be read: where nothing is compressed, entries which together are larger than the file are a
    /// lie.
    left: u64,
}

fn broken(e: &dyn std::fmt::Display) -> Error {
    Error::invalid(format!("the zip archive is damaged or cut short ({e})"))
}

impl<'a> Archive<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|e| broken(&e))?;
        Ok(Self { zip, compressed: false, left: bytes.len() as u64 })
    }

    /// An archive whose entries may be compressed, as `numpy.savez_compressed` does.
    pub(super) fn open_compressed(bytes: &'a [u8]) -> Result<Self> {
        let archive = Self::open(bytes)?;
        Ok(Self { compressed: true, left: archive.left.saturating_mul(COMPRESSION), ..archive })
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
        let deflated = self.compressed && file.compression() == CompressionMethod::Deflated;
        if !deflated && file.compression() != CompressionMethod::Stored {
            return Err(Error::invalid(format!(
                "'{name}' is compressed in this archive; save the arrays as numpy.savez does, without compression"
            )));
        }
        let claimed = file.size();
        self.left = self
            .left
            .checked_sub(claimed)
            .ok_or_else(|| broken(&format!("with {name} its entries claim more bytes than the file can have")))?;
        // One byte more, to come to the end: there the checksum is compared.
        let mut data = Vec::new();
        file.take(claimed + 1).read_to_end(&mut data).map_err(|e| broken(&format!("{name}: {e}")))?;
        Ok(data)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    #[test]
    fn compressed_entries_are_read_where_they_may_be() {
        let deflated = |bytes: &[u8]| {
            let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
            let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
            writer.start_file("w.npy", options).unwrap();
            writer.write_all(bytes).unwrap();
            writer.finish().unwrap().into_inner()
        };
        let few = deflated(b"numbers, numbers, numbers, numbers");
        let read = Archive::open_compressed(&few).unwrap().read("w.npy").unwrap();
        assert_eq!(read, b"numbers, numbers, numbers, numbers");
        assert!(Archive::open(&few).unwrap().read("w.npy").is_err());
        // Ten million zeros from ten thousand bytes.
        let bomb = deflated(&vec![0; 10_000_000]);
        let error = Archive::open_compressed(&bomb).unwrap().read("w.npy").unwrap_err().to_string();
        assert!(error.contains("claim more bytes"), "{} bytes: {error}", bomb.len());
    }

    #[test]
    fn compressed_entries_are_named() {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        writer.start_file("w.npy", stored).unwrap();
        writer.write_all(b"numbers").unwrap();
        let mut bytes = writer.finish().unwrap().into_inner();
        assert_eq!(Archive::open(&bytes).unwrap().read("w.npy").unwrap(), b"numbers");
        // The method stands behind signature, version and flags, in the entry's own header and in the directory's.
        for (signature, method) in [(b"PK\x03\x04", 8), (b"PK\x01\x02", 10)] {
            let at = bytes.windows(4).position(|w| w == signature).unwrap();
            bytes[at + method] = 8;
        }
        let error = Archive::open(&bytes).unwrap().read("w.npy").unwrap_err().to_string();
        assert!(error.contains("'w.npy'") && error.contains("compress"), "{error}");
    }
}
