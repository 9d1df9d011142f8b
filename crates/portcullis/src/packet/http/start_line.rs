//! Request lines and status lines (RFC 9112 §3, §4).

use bytes::Bytes;

use super::target::{Target, parse_target};
use super::text::Text;
use super::{Http, content, is_token, word};

/// A request line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The method.
    pub method: Method,
    /// What it is asked of.
    pub target: Target,
    /// Major and minor; (0, 9) when the line names none.
    pub version: (u16, u16),
}

/// A status line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// Major and minor.
    pub version: (u16, u16),
    /// 100 to 999.
    pub status: u16,
    /// May be empty.
    pub reason: Text,
}

/// The method of a request. Case counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// `OPTIONS`
    Options,
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
    /// `TRACE`
    Trace,
    /// Any other token.
    Other(Text),
}

impl Method {
    /// As it is sent.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Options => b"OPTIONS",
            Self::Get => b"GET",
            Self::Head => b"HEAD",
            Self::Post => b"POST",
            Self::Put => b"PUT",
            Self::Delete => b"DELETE",
            Self::Trace => b"TRACE",
            Self::Other(text) => text,
        }
    }
}

pub(in crate::packet) fn parse_start_line(line: &Bytes) -> Option<Http> {
    let text = content(line)?;
    match text.starts_with(b"HTTP/") {
        true => response(line, text).map(Http::Response),
        false => request(line, text).map(Http::Request),
    }
}

fn request(line: &Bytes, text: &[u8]) -> Option<Request> {
    let (method, rest) = word(text);
    if !is_token(method) {
        return None;
    }
    let (target, rest) = word(rest?);
    if target.is_empty() {
        return None;
    }
    let version = match rest {
        None | Some([]) => (0, 9),
        Some(version) => parse_version(version)?,
    };
    Some(Request {
        method: match method {
            b"OPTIONS" => Method::Options,
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            b"PUT" => Method::Put,
            b"DELETE" => Method::Delete,
            b"TRACE" => Method::Trace,
            other => Method::Other(Text::of(line, other)),
        },
        target: parse_target(line, target),
        version,
    })
}

fn response(line: &Bytes, text: &[u8]) -> Option<Response> {
    let (version, rest) = word(text);
    let version = parse_version(version)?;
    let (status, reason) = word(rest?);
    let status = number(status).filter(|status| (100..1000).contains(status))?;
    Some(Response {
        version,
        status,
        reason: Text::of(line, reason.unwrap_or_default()),
    })
}

fn parse_version(text: &[u8]) -> Option<(u16, u16)> {
    let digits = text.strip_prefix(b"HTTP/")?;
    let dot = digits.iter().position(|byte| *byte == b'.')?;
    Some((number(&digits[..dot])?, number(&digits[dot + 1..])?))
}

/// Digits and nothing else, at most 65,535.
pub(super) fn number(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u16, |number, byte| {
        let digit = byte.is_ascii_digit().then_some(u16::from(byte & 0x0f))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}
