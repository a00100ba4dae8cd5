//! The checkpoint reader, and every layout on what it read. A pickle is tried in PyTorch's zip, too: there checksums keep
//! mutations from it.
#![no_main]

use std::io::Write;

use hypersine::model::import::{Options, from_bytes, from_state};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fn read(bytes: &[u8]) {
    if let Ok(state) = from_bytes(bytes) {
        let _ = from_state(&state, &Options::default());
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    if bytes.first() == Some(&0x80) {
        let mut archive = ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        archive.start_file("a/data.pkl", stored).expect("memory");
        archive.write_all(bytes).expect("memory");
        for key in 0..16 {
            archive.start_file(format!("a/data/{key}"), stored).expect("memory");
            archive.write_all(&[0x3d; 1024]).expect("memory");
        }
        read(&archive.finish().expect("memory").into_inner());
    }
});
