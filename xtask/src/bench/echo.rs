//! A WebSocket echo server and its client, on blocking sockets: enough load for what is counted, and no runtime
//! beside the proxy that is measured.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Stack of a thread that serves one connection.
const STACK_BYTES: usize = 64 * 1024;

/// Both sides know the key, so nobody computes a hash: the example of RFC 6455, section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Longest request or answer head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Serves connections, a thread for each.
pub fn serve(listener: &TcpListener) {
    for connection in listener.incoming().flatten() {
        let thread = thread::Builder::new().stack_size(STACK_BYTES);
        let spawned = thread.spawn(move || drop(answer(connection)));
        drop(spawned);
    }
}

/// One connection of the server: the handshake, then each message back as it came.
fn answer(mut connection: TcpStream) -> io::Result<()> {
    connection.set_nodelay(true)?;
    read_head(&mut connection)?;
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
    );
    connection.write_all(answer.as_bytes())?;
    let mut message = Vec::new();
    while let Some(payload) = read_message(&mut connection, &mut message)? {
        let reply = frame(&message[payload..], None);
        connection.write_all(&reply)?;
    }
    Ok(())
}

/// A client's open WebSocket.
pub struct Client {
    socket: TcpStream,
    reply: Vec<u8>,
}

impl Client {
    /// Connects and shakes hands.
    ///
    /// # Errors
    /// No connection, or another answer than 101.
    pub fn connect(address: SocketAddr) -> io::Result<Client> {
        Client::connect_to(address, "/echo")
    }

    /// The same, at a path.
    ///
    /// # Errors
    /// As there.
    pub fn connect_to(address: SocketAddr, path: &str) -> io::Result<Client> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: bench.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
        );
        socket.write_all(request.as_bytes())?;
        let head = read_head(&mut socket)?;
        if !head.starts_with(b"HTTP/1.1 101") {
            return Err(io::Error::other(String::from_utf8_lossy(&head).into_owned()));
        }
        Ok(Client { socket, reply: Vec::new() })
    }

    /// Sends a message as built by [`message`] and waits until it has come back whole.
    ///
    /// # Errors
    /// The connection ended.
    pub fn echo(&mut self, message: &[u8]) -> io::Result<()> {
        self.socket.write_all(message)?;
        let answered = read_message(&mut self.socket, &mut self.reply)?;
        answered.map(drop).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// A binary message of a client. The masking key is 0, so that the payload looks the same on both ways.
pub fn message(payload_bytes: usize) -> Vec<u8> {
    frame(&vec![b'x'; payload_bytes], Some([0; 4]))
}

/// An unfragmented binary message (RFC 6455, section 5.2).
fn frame(payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len() + 14);
    let length = payload.len();
    let masked = if mask.is_some() { 0x80 } else { 0 };
    bytes.push(0x82);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => bytes.push(masked | short),
        (_, Ok(medium)) => {
            bytes.push(masked | 126);
            bytes.extend(medium.to_be_bytes());
        }
        _ => {
            bytes.push(masked | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(mask.into_iter().flatten());
    bytes.extend(payload);
    bytes
}

/// Reads one unfragmented message into `bytes`; tells where its payload begins, and nothing at the end.
fn read_message(source: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<Option<usize>> {
    bytes.clear();
    loop {
        if let Some((head, payload)) = lengths(bytes)
            && bytes.len() >= head + payload
        {
            return Ok(Some(head));
        }
        let filled = bytes.len();
        let missing = lengths(bytes).map_or(1024, |(head, payload)| head + payload - filled);
        bytes.resize(filled + missing, 0);
        let read = source.read(&mut bytes[filled..])?;
        bytes.truncate(filled + read);
        if read == 0 {
            return Ok(None);
        }
    }
}

/// Lengths of the frame's head and payload, once they are there.
fn lengths(bytes: &[u8]) -> Option<(usize, usize)> {
    let [_, second, rest @ ..] = bytes else { return None };
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let (extended, payload) = match second & 0x7f {
        126 => (2, u16::from_be_bytes(*rest.first_chunk()?).into()),
        127 => (8, usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).ok()?),
        short => (0, short.into()),
    };
    Some((2 + extended + mask, payload))
}

/// Reads a request's or an answer's head, and nothing beyond it.
pub fn read_head(source: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if head.len() == HEAD_BYTES_MAX || source.read(&mut byte)? == 0 {
            return Err(io::Error::other("a head without an end"));
        }
        head.push(byte[0]);
    }
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_all_lengths_come_back() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let server = listener.local_addr().expect("it listens");
        thread::spawn(move || serve(&listener));
        let mut client = Client::connect(server).expect("the server answers");
        for payload_bytes in [0, 1, 125, 126, 1024, 65_535, 65_536] {
            client.echo(&message(payload_bytes)).expect("an echo");
            let (head, payload) = lengths(&client.reply).expect("a whole frame");
            assert_eq!((payload, client.reply.len() - head), (payload_bytes, payload_bytes));
        }
    }
}
