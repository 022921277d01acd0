//! Echoes WebSocket frames as they come, each piece at once: nothing is kept but what the peer does not take.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;

use crate::scratch;

/// Longest header of a client's frame: two bytes, eight of length, four of mask.
const HEADER_BYTES_MAX: usize = 14;

const MASK: u8 = 0x80;
const OPCODE: u8 = 0x0f;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// Echoes until the peer leaves. `early` is what came behind the head of its request.
pub(super) async fn run(mut socket: TcpStream, mut early: Vec<u8>) -> io::Result<()> {
    let mut turner = Turner::default();
    let mut rest = Vec::new();
    let length = turner.turn(&mut early, &mut rest);
    rest.extend_from_slice(&early[..length]);
    poll_fn(|cx| poll(&mut socket, &mut turner, &mut rest, cx)).await
}

fn poll(
    socket: &mut TcpStream,
    turner: &mut Turner,
    rest: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    loop {
        while !rest.is_empty() {
            let sent = ready!(Pin::new(&mut *socket).poll_write(cx, rest))?;
            rest.drain(..sent);
        }
        *rest = Vec::new();
        if turner.is_closed || ready!(poll_turn(socket, turner, rest, cx))? {
            return Poll::Ready(Ok(()));
        }
    }
}

/// Reads once and sends what the answer is; what is not taken goes to `rest`. True at the end of the stream.
fn poll_turn(
    socket: &mut TcpStream,
    turner: &mut Turner,
    rest: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<bool>> {
    scratch::with(|scratch| {
        let mut buffer = ReadBuf::new(scratch);
        ready!(Pin::new(&mut *socket).poll_read(cx, &mut buffer))?;
        let bytes = buffer.filled_mut();
        if bytes.is_empty() {
            return Poll::Ready(Ok(true));
        }
        let length = turner.turn(bytes, rest);
        let mut answer = &bytes[..length];
        if rest.is_empty()
            && let Poll::Ready(sent) = Pin::new(socket).poll_write(cx, answer)
        {
            answer = &answer[sent?..];
        }
        rest.extend_from_slice(answer);
        Poll::Ready(Ok(false))
    })
}

/// Turns a client's frames into a server's: takes off the mask.
#[derive(Debug, Default)]
struct Turner {
    /// Header of the current frame, as far as it is there.
    header: [u8; HEADER_BYTES_MAX],
    header_length: usize,
    /// Payload of the current frame that is still to come.
    left: u64,
    /// The mask, turned so that its first byte is the next to be used.
    mask: [u8; 4],
    is_closing: bool,
    is_closed: bool,
}

impl Turner {
    /// Turns `bytes` in place, and tells how many there are then. What must be sent in front of them goes to
    /// `lead`: a header that began in the bytes before, for which there is no room.
    fn turn(&mut self, bytes: &mut [u8], lead: &mut Vec<u8>) -> usize {
        let (mut read, mut written) = (0, 0);
        while read < bytes.len() && !self.is_closed {
            if self.left == 0 {
                let has_begun_before = self.header_length > 0;
                read += self.take_header(&bytes[read..]);
                let Some((header, length)) = self.header_out() else { continue };
                if has_begun_before {
                    lead.extend_from_slice(&header[..length]);
                } else {
                    bytes[written..written + length].copy_from_slice(&header[..length]);
                    written += length;
                }
            }
            let payload = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len() - read);
            unmask(&mut bytes[read..read + payload], &mut self.mask);
            bytes.copy_within(read..read + payload, written);
            (read, written, self.left) = (read + payload, written + payload, self.left - payload as u64);
            self.is_closed = self.is_closing && self.left == 0;
        }
        written
    }

    fn take_header(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() && self.header_length < self.header_bytes() {
            self.header[self.header_length] = bytes[taken];
            self.header_length += 1;
            taken += 1;
        }
        taken
    }

    /// Length of the header, as far as it can be told.
    fn header_bytes(&self) -> usize {
        match (self.header_length, self.header[1] & !MASK) {
            (0 | 1, _) => 2,
            (_, 126) => 8,
            (_, 127) => 14,
            _ => 6,
        }
    }

    /// The header of the answer's frame, once the one that came is complete.
    fn header_out(&mut self) -> Option<([u8; HEADER_BYTES_MAX], usize)> {
        let bytes = self.header_bytes();
        if self.header_length < bytes {
            return None;
        }
        self.header_length = 0;
        let mut header = self.header;
        let (out, mask) = header.split_at_mut(bytes - 4);
        self.mask.copy_from_slice(&mask[..4]);
        self.left = match *out {
            [_, short] => u64::from(short & !MASK),
            [_, _, a, b] => u64::from(u16::from_be_bytes([a, b])),
            [_, _, ref long @ ..] => long.iter().fold(0, |all, &byte| all << 8 | u64::from(byte)),
            _ => 0,
        };
        self.is_closing = out[0] & OPCODE == CLOSE;
        self.is_closed = self.is_closing && self.left == 0;
        if out[0] & OPCODE == PING {
            out[0] = out[0] & !OPCODE | PONG;
        }
        out[1] &= !MASK;
        Some((header, bytes - 4))
    }
}

fn unmask(payload: &mut [u8], mask: &mut [u8; 4]) {
    let [a, b, c, d] = *mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut words = payload.chunks_exact_mut(8);
    for word in &mut words {
        let bytes: [u8; 8] = (&*word).try_into().expect("a chunk of eight");
        word.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ wide).to_ne_bytes());
    }
    let rest = words.into_remainder();
    rest.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    mask.rotate_left(payload.len() % 4);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(opcode: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
        let masked = if mask.is_some() { MASK } else { 0 };
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            short @ 0..126 => frame.push(masked | short as u8),
            middle @ 126..65536 => {
                frame.push(masked | 126);
                frame.extend((middle as u16).to_be_bytes());
            }
            long => {
                frame.push(masked | 127);
                frame.extend((long as u64).to_be_bytes());
            }
        }
        let key = mask.unwrap_or_default();
        frame.extend(mask.into_iter().flatten());
        frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]));
        frame
    }

    #[test]
    fn frames_are_turned_however_they_are_cut() {
        let payload: Vec<u8> = (0..70_000u32).map(|n| (n % 251) as u8).collect();
        let (mut sent, mut expected) = (Vec::new(), Vec::new());
        let all = [
            (1, 0),
            (2, 1),
            (1, 7),
            (PING, 5),
            (2, 125),
            (2, 126),
            (0, 300),
            (2, 65_535),
            (2, 65_536),
            (1, 9),
        ];
        for (number, (opcode, length)) in all.into_iter().enumerate() {
            let number = number as u8;
            sent.extend(frame(opcode, &payload[..length], Some([number, 2, 3 * number, 0xff])));
            let answer = if opcode == PING { PONG } else { opcode };
            expected.extend(frame(answer, &payload[..length], None));
        }
        for step in [1, 2, 3, 5, 13, 64, 1000, sent.len()] {
            let (mut turner, mut got) = (Turner::default(), Vec::new());
            for piece in sent.chunks(step) {
                let mut piece = piece.to_vec();
                let mut lead = Vec::new();
                let length = turner.turn(&mut piece, &mut lead);
                got.extend(lead);
                got.extend_from_slice(&piece[..length]);
            }
            assert!(got == expected, "in pieces of {step}");
        }
    }

    #[test]
    fn what_comes_behind_a_close_frame_is_left_out() {
        let mut sent = frame(CLOSE, &[3, 232], Some([1, 2, 3, 4]));
        sent.extend(frame(1, b"more", Some([1, 2, 3, 4])));
        let mut turner = Turner::default();
        let length = turner.turn(&mut sent, &mut Vec::new());
        assert_eq!((&sent[..length], turner.is_closed), (&frame(CLOSE, &[3, 232], None)[..], true));
    }
}
