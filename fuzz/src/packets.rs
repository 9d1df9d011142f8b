//! Packets of every mode: however bytes come, the same packets are found, and as a reader that has them all
//! would find them.

use bytes::Bytes;
use portcullis::packet::http::Http;
use portcullis::packet::{Framing, Packet, PacketError, PacketOptions, Piece, Scan};

const MODES: [Packet; 12] = [
    Packet::Raw,
    Packet::Length1,
    Packet::Length2,
    Packet::Length4,
    Packet::Line,
    Packet::Asn1,
    Packet::Cdr,
    Packet::SunRm,
    Packet::Fcgi,
    Packet::Tpkt,
    Packet::Http,
    Packet::HttpHeaders,
];

/// The first byte is the mode, the second the limit (0 for the default), the third says where the bytes that
/// follow are cut.
pub fn run(data: &[u8]) {
    let [mode, size, cuts, bytes @ ..] = data else {
        return;
    };
    let mode = MODES[usize::from(*mode) % MODES.len()];
    let mut options = PacketOptions::new(mode);
    if let Ok(limited) = options.size((*size).into()) {
        options = limited;
    }
    let whole = pieces(options, bytes, bytes.len().max(1));
    if mode == Packet::Raw {
        return;
    }
    assert_eq!(pieces(options, bytes, 1), whole);
    assert_eq!(pieces(options, bytes, usize::from(*cuts).max(1)), whole);
    check(mode, bytes, &whole);
}

#[derive(Debug, PartialEq, Eq)]
struct Found {
    pieces: Vec<Piece>,
    taken: usize,
    end: End,
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Waits,
    TooLong,
    Invalid,
}

/// What is found when `step` bytes come at a time.
fn pieces(options: PacketOptions, bytes: &[u8], step: usize) -> Found {
    let mut framing = Framing::new(options);
    let mut found = Found {
        pieces: Vec::new(),
        taken: 0,
        end: End::Waits,
    };
    let mut there = 0;
    // What it has asked for: before that it must not find anything.
    let mut promised = 0;
    while there < bytes.len() {
        there = (there + step).min(bytes.len());
        loop {
            let rest = &bytes[found.taken..there];
            match framing.scan(rest) {
                Ok(Scan::Packet { len }) => {
                    assert!(len > 0 && len <= rest.len() && rest.len() >= promised);
                    promised = 0;
                    found.taken += len;
                    let packet = Bytes::copy_from_slice(&rest[..len]);
                    found.pieces.push(framing.take(packet));
                }
                Ok(Scan::NeedMore { at_least }) => {
                    assert!(at_least > rest.len());
                    promised = at_least;
                    break;
                }
                Err(error) => {
                    found.end = match error {
                        PacketError::TooLong { .. } => End::TooLong,
                        PacketError::Invalid { .. } => End::Invalid,
                        other => panic!("{other}"),
                    };
                    return found;
                }
            }
        }
    }
    found
}

/// What holds of the packets of a mode, without the scanner.
fn check(mode: Packet, bytes: &[u8], found: &Found) {
    let mut rest = bytes;
    for piece in &found.pieces {
        let content = match piece {
            Piece::Data(content) => content,
            Piece::Http(http) => {
                rest = &rest[line(http, rest)..];
                continue;
            }
            other => panic!("{other:?}"),
        };
        let (before, behind) = match mode {
            Packet::Length1 => (vec![content.len() as u8], 0),
            Packet::Length2 => ((content.len() as u16).to_be_bytes().to_vec(), 0),
            Packet::Length4 => ((content.len() as u32).to_be_bytes().to_vec(), 0),
            Packet::Fcgi => (Vec::new(), usize::from(content[6])),
            _ => (Vec::new(), 0),
        };
        rest = rest.strip_prefix(&*before).expect("its length");
        rest = rest.strip_prefix(&**content).expect("its content");
        rest = &rest[behind..];
        if mode == Packet::Line {
            let newlines = content.iter().filter(|byte| **byte == b'\n').count();
            assert!(newlines == 1 && content.ends_with(b"\n"));
        }
    }
    assert_eq!(rest.len(), bytes.len() - found.taken);
}

/// How long the line at the start of `rest` is, by what was found in it.
fn line(http: &Http, rest: &[u8]) -> usize {
    let mut end = 0;
    loop {
        end += 1 + rest[end..]
            .iter()
            .position(|byte| *byte == b'\n')
            .expect("a line");
        let line = &rest[..end];
        match http {
            Http::Unparsed(text) if text.len() > end => {}
            Http::Unparsed(text) => {
                assert_eq!(text.as_bytes(), line);
                return end;
            }
            Http::EndOfHeaders => {
                assert!(line == b"\n" || line == b"\r\n");
                return end;
            }
            Http::Header(header) => {
                let value = header.value().as_bytes();
                assert!(!value.contains(&0));
                if value
                    .windows(2)
                    .any(|pair| pair[0] == b'\r' && pair[1] != b'\n')
                {
                    panic!("a bare CR in {value:?}");
                }
                // Folded: it goes on as long as a line begins with a blank.
                if !matches!(rest.get(end), Some(b' ' | b'\t')) {
                    assert!(line.starts_with(header.name_as_sent()));
                    assert!(header.name().eq_ignore_ascii_case(header.name_as_sent()));
                    return end;
                }
            }
            Http::Request(request) => {
                assert!(line.starts_with(request.method.as_bytes()));
                return end;
            }
            Http::Response(response) => {
                assert!(line.starts_with(b"HTTP/") && (100..1000).contains(&response.status));
                return end;
            }
            other => panic!("{other:?}"),
        }
    }
}
