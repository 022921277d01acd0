//! See `observe::fuzz::upgrade`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| observe::fuzz::upgrade(input));
