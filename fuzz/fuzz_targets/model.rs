//! The model file reader: whatever is read is a model that validates and is written again.
#![no_main]

use hypersine::model::file::{self, Precision};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(model) = file::from_bytes(bytes) {
        let again = file::to_bytes(&model, Precision::F32).expect("a model that was read can be written");
        file::from_bytes(&again).expect("and read again");
    }
});
