//! What must hold for any bytes; run by the fuzz targets, and by a test on their corpus.

use model::Direction;

use crate::{sse, ws};

/// Events do not depend on the pieces, and every byte is counted. The first byte chooses the pieces.
///
/// # Panics
/// When it does not hold.
pub fn ws(input: &[u8]) {
    let Some((&seed, bytes)) = input.split_first() else { return };
    for direction in [Direction::ClientToServer, Direction::ServerToClient] {
        let run = |piece: usize| {
            let mut scanner = ws::Scanner::new(direction, seed % 2 == 0);
            let mut events = Vec::new();
            for part in bytes.chunks(piece) {
                scanner.scan(part, &mut |event| events.push(event));
            }
            assert_eq!(scanner.offset(), bytes.len() as u64);
            events
        };
        assert_eq!(run(usize::from(seed) + 1), run(bytes.len().max(1)));
    }
}

/// The same for event streams.
///
/// # Panics
/// When it does not hold.
pub fn sse(input: &[u8]) {
    let Some((&seed, bytes)) = input.split_first() else { return };
    let run = |piece: usize| {
        let mut scanner = sse::Scanner::new();
        let mut events = Vec::new();
        for part in bytes.chunks(piece) {
            scanner.scan(part, &mut |event| events.push(event));
        }
        assert_eq!(scanner.offset(), bytes.len() as u64);
        events
    };
    assert_eq!(run(usize::from(seed) + 1), run(bytes.len().max(1)));
}
