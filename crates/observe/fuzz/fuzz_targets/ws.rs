//! See `observe::fuzz::ws`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| observe::fuzz::ws(input));
