//! Runs the target of this name.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| polysecrets_fuzz::dotenv(data));
