//! See `observe::fuzz::sse`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| observe::fuzz::sse(input));
