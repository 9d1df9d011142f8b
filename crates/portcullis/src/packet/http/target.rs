//! Request targets (RFC 9112 §3.2), as far as they are told apart.

use bytes::Bytes;

use super::start_line::number;
use super::text::Text;

/// What a request is asked of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `*`
    Asterisk,
    /// What begins with `/`, or is of one byte.
    Path(Text),
    /// `http://…` or `https://…`, in any case.
    Absolute {
        /// Which of the two.
        scheme: Scheme,
        /// A name or an address, in brackets if they were sent.
        host: Text,
        /// `None` when there is none, or it is no number from 1 to 65,535.
        port: Option<u16>,
        /// From the first `/` on; `/` if there is none.
        path: Text,
    },
    /// What has a colon otherwise, as the target of CONNECT.
    Scheme {
        /// Before the first colon.
        scheme: Text,
        /// Behind it.
        rest: Text,
    },
    /// Anything else.
    Other(Text),
}

/// Of an absolute target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

/// `text` is not empty.
pub(super) fn parse_target(line: &Bytes, text: &[u8]) -> Target {
    let of = |part| Text::of(line, part);
    match text {
        b"*" => return Target::Asterisk,
        [_] | [b'/', ..] => return Target::Path(of(text)),
        _ => {}
    }
    for (scheme, prefix) in [(Scheme::Http, "http://"), (Scheme::Https, "https://")] {
        if let Some((start, rest)) = text.split_at_checked(prefix.len())
            && start.eq_ignore_ascii_case(prefix.as_bytes())
        {
            return absolute(line, scheme, rest);
        }
    }
    match text.iter().position(|byte| *byte == b':') {
        Some(colon) => Target::Scheme {
            scheme: of(&text[..colon]),
            rest: of(&text[colon + 1..]),
        },
        None => Target::Other(of(text)),
    }
}

fn absolute(line: &Bytes, scheme: Scheme, text: &[u8]) -> Target {
    let slash = text.iter().position(|byte| *byte == b'/');
    let (authority, path) = text.split_at(slash.unwrap_or(text.len()));
    // The colons of an address in brackets are before the bracket.
    let bracket = match authority {
        [b'[', ..] => authority.iter().position(|byte| *byte == b']'),
        _ => None,
    };
    let from = bracket.unwrap_or(0);
    let colon = authority[from..].iter().position(|byte| *byte == b':');
    let (host, port) = match colon {
        Some(colon) => (
            &authority[..from + colon],
            number(&authority[from + colon + 1..]).filter(|port| *port != 0),
        ),
        None => (authority, None),
    };
    Target::Absolute {
        scheme,
        host: Text::of(line, host),
        port,
        path: match path {
            [] => Text::from_static("/"),
            path => Text::of(line, path),
        },
    }
}
