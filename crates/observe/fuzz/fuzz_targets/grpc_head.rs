//! See `observe::fuzz::grpc_head`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| observe::fuzz::grpc_head(input));
