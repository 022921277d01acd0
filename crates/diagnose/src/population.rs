//! Many connections of a gateway at once: what their ends have in common.

use std::marker::PhantomData;

/// What is known of the connections of one route over a window of time.
#[derive(Debug)]
pub struct Population<'a> {
    records: PhantomData<&'a ()>,
}
