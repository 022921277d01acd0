//! Messages of one direction of a gRPC stream, and what the headers of the call say (grpc/grpc,
//! doc/PROTOCOL-HTTP2.md).
//!
//! A body is a row of messages, each behind a prefix of five bytes: a flag that tells whether the message is
//! compressed, and its length. Nothing in a body tells where to begin again, so a flag that is neither 0 nor 1
//! ends the scan. It is most often no gRPC at all: an error page, or gRPC-Web, whose trailers have the flag 0x80.

use model::event::GrpcEvent;

mod head;

pub use head::{
    MESSAGE_BYTES_MAX, METHOD_BYTES_MAX, code, code_of_http, code_of_reset, is_grpc, message, method, timeout,
};

/// Length of a prefix: flag, and length in four bytes.
const PREFIX_BYTES: usize = 5;

/// Scans one direction of a stream. Costs per message, not per byte, and keeps no payload.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    /// Bytes looked at so far.
    offset: u64,
    /// How much of the current message is still to come.
    left: u32,
    /// Prefix of the current message.
    prefix: [u8; PREFIX_BYTES],
    /// How much of it is there; 0 between messages alone.
    prefix_length: usize,
    is_blind: bool,
}

impl Scanner {
    /// A scanner for a body from its first byte: what DATA frames carry, without frame headers and padding.
    pub fn new() -> Scanner {
        Scanner::default()
    }

    /// Looks at the next bytes of the body.
    pub fn scan(&mut self, mut bytes: &[u8], on: &mut impl FnMut(GrpcEvent)) {
        while !bytes.is_empty() && !self.is_blind {
            let taken = match self.left {
                0 => self.take_prefix(bytes, on),
                _ => self.skip_payload(bytes, on),
            };
            bytes = &bytes[taken..];
        }
        self.offset += bytes.len() as u64;
    }

    /// Bytes looked at so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the next byte begins a message. A body that ends elsewhere ends inside a message.
    pub fn is_at_message_boundary(&self) -> bool {
        self.prefix_length == 0
    }

    /// Whether scanning has stopped because no boundary can be trusted any more. Bytes are still counted.
    pub fn is_blind(&self) -> bool {
        self.is_blind
    }

    fn take_prefix(&mut self, bytes: &[u8], on: &mut impl FnMut(GrpcEvent)) -> usize {
        let room = &mut self.prefix[self.prefix_length..];
        let taken = room.len().min(bytes.len());
        room[..taken].copy_from_slice(&bytes[..taken]);
        let begins_at = self.offset - self.prefix_length as u64;
        self.prefix_length += taken;
        self.offset += taken as u64;
        let [flag, length @ ..] = self.prefix;
        if flag > 1 {
            self.is_blind = true;
            on(GrpcEvent::Violation { flag, at: begins_at });
        } else if self.prefix_length == PREFIX_BYTES {
            self.left = u32::from_be_bytes(length);
            self.end_message_if_complete(on);
        }
        taken
    }

    fn skip_payload(&mut self, bytes: &[u8], on: &mut impl FnMut(GrpcEvent)) -> usize {
        let taken = u32::try_from(bytes.len()).unwrap_or(u32::MAX).min(self.left);
        self.left -= taken;
        self.offset += u64::from(taken);
        self.end_message_if_complete(on);
        taken as usize
    }

    fn end_message_if_complete(&mut self, on: &mut impl FnMut(GrpcEvent)) {
        if self.left > 0 {
            return;
        }
        let [flag, length @ ..] = self.prefix;
        let bytes = u64::from(u32::from_be_bytes(length));
        self.prefix_length = 0;
        on(GrpcEvent::Message { bytes, compressed: flag == 1, end: self.offset });
    }
}

#[cfg(test)]
mod tests;
