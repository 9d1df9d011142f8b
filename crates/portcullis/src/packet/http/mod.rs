//! Lines of the head of an HTTP/1 message (RFC 9112), one at a time.
//!
//! Strict where a lenient reader lets two ends of a connection see different messages (RFC 9112 §11.2): a
//! bare CR, a NUL, something behind the version, a space before the colon. Such a line is
//! [`Unparsed`](Http::Unparsed), and the next one is tried.

mod header;
mod start_line;
mod target;
mod text;

pub(super) use self::header::parse_header;
pub use self::header::{Header, KnownHeader};
pub(super) use self::start_line::parse_start_line;
pub use self::start_line::{Method, Request, Response};
pub use self::target::{Scheme, Target};
pub use self::text::Text;

/// A line of the head of an HTTP/1 message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Http {
    /// The start of a request.
    Request(Request),
    /// The start of a response.
    Response(Response),
    /// A header, with what is folded into it.
    Header(Header),
    /// The empty line: a body may follow, for which the mode is to be changed.
    EndOfHeaders,
    /// A line that is none of these, with its end: Erlang's `http_error`. At most
    /// [`MAX_LINES`](super::Framing::MAX_LINES) of them, and headers, are in a head.
    Unparsed(Text),
}

/// A line without its end, if it has one and nothing in it that is no text of HTTP: a NUL, or a CR that is
/// not of a folded end of line.
fn content(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_suffix(b"\n")?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let stray = line.iter().enumerate().any(|(at, byte)| match byte {
        0 => true,
        b'\r' => line.get(at + 1) != Some(&b'\n'),
        _ => false,
    });
    (!stray).then_some(line)
}

/// A token of RFC 9110 §5.6.2.
fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// What is there before the first blank, and the rest behind all blanks that follow; `None` without one.
fn word(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    match bytes.iter().position(|byte| is_blank(*byte)) {
        Some(end) => (&bytes[..end], Some(skip_blanks(&bytes[end..]))),
        None => (bytes, None),
    }
}

fn skip_blanks(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().take_while(|byte| is_blank(**byte)).count();
    &bytes[blanks..]
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}
