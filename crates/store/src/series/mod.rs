//! Series.

mod batch;
mod bits;
mod chunk;
mod varint;
