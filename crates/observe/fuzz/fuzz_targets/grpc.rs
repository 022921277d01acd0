//! See `observe::fuzz::grpc`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| observe::fuzz::grpc(input));
