//! NumPy's containers without the zip around them, whose checksums mutations rarely meet: the input is one array, put
//! as it is and into an archive.
#![no_main]

use std::io::Write;

use hypersine::model::import::from_bytes;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = from_bytes(bytes);
    let mut archive = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    archive.start_file("latent_vector.npy", stored).expect("memory");
    archive.write_all(bytes).expect("memory");
    let archive = archive.finish().expect("memory").into_inner();
    let _ = from_bytes(&archive);
});
