//! See `observe::fuzz::h2`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| observe::fuzz::h2(input));
