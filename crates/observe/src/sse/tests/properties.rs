//! Generated streams, valid and not, cut into random pieces.

use super::*;

/// One line of a block.
#[derive(Clone, Debug)]
enum Line {
    Data(String),
    Id,
    Name,
    Comment,
    Retry(u32),
    Unknown,
}

#[derive(Clone, Copy, Debug)]
enum LineEnd {
    Lf,
    Cr,
    CrLf,
}

fn line() -> impl Strategy<Value = Line> {
    prop_oneof![
        4 => "[ -~]{0,80}".prop_map(Line::Data),
        1 => Just(Line::Id),
        1 => Just(Line::Name),
        1 => Just(Line::Comment),
        1 => any::<u32>().prop_map(Line::Retry),
        1 => Just(Line::Unknown),
    ]
}

fn line_end() -> impl Strategy<Value = LineEnd> {
    prop_oneof![Just(LineEnd::Lf), Just(LineEnd::Cr), Just(LineEnd::CrLf)]
}

/// Writes a stream, and the events that a scanner must give of it.
#[derive(Default)]
struct Server {
    stream: String,
    events: Vec<SseEvent>,
}

impl Server {
    /// Tells where the line ends for those who cannot wait for an LF behind a CR.
    fn line(&mut self, text: &str, line_end: LineEnd) -> u64 {
        self.stream.push_str(text);
        let end = self.stream.len() as u64 + 1;
        self.stream.push_str(match line_end {
            LineEnd::Lf => "\n",
            LineEnd::Cr => "\r",
            LineEnd::CrLf => "\r\n",
        });
        end
    }

    fn block(&mut self, begins_at: u64, lines: &[Line], line_end: LineEnd) -> u64 {
        let (mut data_lines, mut has_id, mut has_name) = (0, false, false);
        for line in lines {
            match line {
                Line::Data(text) => {
                    self.line(&format!("data: {text}"), line_end);
                    data_lines += 1;
                }
                Line::Id => {
                    self.line("id:7", line_end);
                    has_id = true;
                }
                Line::Name => {
                    self.line("event: tick", line_end);
                    has_name = true;
                }
                Line::Unknown => drop(self.line("unknown: data: x", line_end)),
                Line::Comment => {
                    let end = self.line(":keep-alive", line_end);
                    self.events.push(Comment { end });
                }
                Line::Retry(number) => {
                    let end = self.line(&format!("retry: {number}"), line_end);
                    self.events.push(Retry { milliseconds: u64::from(*number), end });
                }
            }
        }
        let end = self.line("", line_end);
        if data_lines > 0 {
            self.events.push(Event { bytes: end - begins_at, data_lines, has_id, has_name, end });
        }
        end
    }
}

fn serve(begins_with_mark: bool, line_end: LineEnd, blocks: &[Vec<Line>]) -> Server {
    let mut server = Server::default();
    if begins_with_mark {
        server.stream.push('\u{feff}');
    }
    let mut begins_at = 0;
    for lines in blocks {
        begins_at = server.block(begins_at, lines, line_end);
    }
    server
}

/// Scans in pieces of these lengths, over and over.
fn scan_cut(bytes: &[u8], pieces: &[usize]) -> Vec<SseEvent> {
    let mut scanner = Scanner::new();
    let mut events = Vec::new();
    let mut rest = bytes;
    for &piece in pieces.iter().cycle() {
        let (part, behind) = rest.split_at(piece.min(rest.len()));
        scanner.scan(part, &mut |event| events.push(event));
        rest = behind;
        assert_eq!(scanner.offset(), (bytes.len() - rest.len()) as u64);
        if rest.is_empty() {
            break;
        }
    }
    events
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1usize..50, 1..20)
}

/// Bytes that mean something to the grammar, in no order.
fn like_a_stream() -> impl Strategy<Value = Vec<u8>> {
    let words: [&[u8]; 17] = [
        b"data",
        b"id",
        b"event",
        b"retry",
        b":",
        b": ",
        b"\n",
        b"\r",
        b"\r\n",
        b"7",
        b"x",
        b"\0",
        b"\xef",
        b"\xbb",
        b"\xbf",
        b"\xef\xbb\xbf",
        b" ",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..200).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn events_are_the_truth(
        begins_with_mark in any::<bool>(),
        line_end in line_end(),
        blocks in prop::collection::vec(prop::collection::vec(line(), 0..6), 0..20),
        pieces in pieces(),
    ) {
        let server = serve(begins_with_mark, line_end, &blocks);
        prop_assert_eq!(scan_cut(server.stream.as_bytes(), &pieces), server.events);
    }

    #[test]
    fn events_of_any_bytes_do_not_depend_on_pieces(
        bytes in prop_oneof![like_a_stream(), prop::collection::vec(any::<u8>(), 0..2000)],
        pieces in pieces(),
    ) {
        prop_assert_eq!(scan_cut(&bytes, &pieces), scan_cut(&bytes, &[usize::MAX]));
    }
}
