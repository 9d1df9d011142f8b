//! Header lines (RFC 9112 §5).

use bytes::Bytes;

use super::text::Text;
use super::{Http, content, is_blank, is_token, skip_blanks};

/// Longer names stay as they were sent.
const LONGEST_CANONICAL: usize = 50;

/// A header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    sent: Text,
    name: Text,
    known: Option<KnownHeader>,
    value: Text,
}

impl Header {
    /// The name, with capitals as in `Content-Type`: the first letter and each behind a `-`, unless the
    /// name is longer than 50 bytes.
    pub fn name(&self) -> &Text {
        &self.name
    }

    /// The name as it came.
    pub fn name_as_sent(&self) -> &Text {
        &self.sent
    }

    /// Which of the frequent ones it is.
    pub fn known(&self) -> Option<KnownHeader> {
        self.known
    }

    /// What is behind the colon and the blanks that follow it. A folded value has its ends of line in it.
    pub fn value(&self) -> &Text {
        &self.value
    }

    /// The same without blanks at its end.
    pub fn value_trimmed(&self) -> &[u8] {
        let blanks = self.value.iter().rev().take_while(|byte| is_blank(**byte));
        &self.value[..self.value.len() - blanks.count()]
    }
}

pub(in crate::packet) fn parse_header(line: &Bytes) -> Option<Http> {
    let text = content(line)?;
    if text.is_empty() {
        return Some(Http::EndOfHeaders);
    }
    let colon = text.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&text[..colon], skip_blanks(&text[colon + 1..]));
    if !is_token(name) {
        return None;
    }
    let sent = Text::of(line, name);
    let known = KnownHeader::find(name);
    Some(Http::Header(Header {
        name: match known {
            Some(known) => Text::from_static(known.as_str()),
            None => canonical(&sent),
        },
        sent,
        known,
        value: Text::of(line, value),
    }))
}

/// No allocation for a name that was sent so.
fn canonical(sent: &Text) -> Text {
    if sent.len() > LONGEST_CANONICAL {
        return sent.clone();
    }
    let mut starts = true;
    let letters = sent.iter().map(|byte| match starts {
        true => {
            // Used up by whatever stands there.
            starts = false;
            byte.to_ascii_uppercase()
        }
        false => {
            starts = *byte == b'-';
            byte.to_ascii_lowercase()
        }
    });
    let mut name = [0; LONGEST_CANONICAL];
    for (to, letter) in name.iter_mut().zip(letters) {
        *to = letter;
    }
    let name = &name[..sent.len()];
    match name == sent.as_bytes() {
        true => sent.clone(),
        false => Bytes::copy_from_slice(name).into(),
    }
}

macro_rules! known_headers {
    ($($variant:ident = $name:literal,)*) => {
        /// The headers that Erlang knows by number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum KnownHeader {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl KnownHeader {
            const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The canonical name.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

// In Erlang's order: `number` depends on it.
known_headers! {
    CacheControl = "Cache-Control",
    Connection = "Connection",
    Date = "Date",
    Pragma = "Pragma",
    TransferEncoding = "Transfer-Encoding",
    Upgrade = "Upgrade",
    Via = "Via",
    Accept = "Accept",
    AcceptCharset = "Accept-Charset",
    AcceptEncoding = "Accept-Encoding",
    AcceptLanguage = "Accept-Language",
    Authorization = "Authorization",
    From = "From",
    Host = "Host",
    IfModifiedSince = "If-Modified-Since",
    IfMatch = "If-Match",
    IfNoneMatch = "If-None-Match",
    IfRange = "If-Range",
    IfUnmodifiedSince = "If-Unmodified-Since",
    MaxForwards = "Max-Forwards",
    ProxyAuthorization = "Proxy-Authorization",
    Range = "Range",
    Referer = "Referer",
    UserAgent = "User-Agent",
    Age = "Age",
    Location = "Location",
    ProxyAuthenticate = "Proxy-Authenticate",
    Public = "Public",
    RetryAfter = "Retry-After",
    Server = "Server",
    Vary = "Vary",
    Warning = "Warning",
    WwwAuthenticate = "Www-Authenticate",
    Allow = "Allow",
    ContentBase = "Content-Base",
    ContentEncoding = "Content-Encoding",
    ContentLanguage = "Content-Language",
    ContentLength = "Content-Length",
    ContentLocation = "Content-Location",
    ContentMd5 = "Content-Md5",
    ContentRange = "Content-Range",
    ContentType = "Content-Type",
    Etag = "Etag",
    Expires = "Expires",
    LastModified = "Last-Modified",
    AcceptRanges = "Accept-Ranges",
    SetCookie = "Set-Cookie",
    SetCookie2 = "Set-Cookie2",
    XForwardedFor = "X-Forwarded-For",
    Cookie = "Cookie",
    KeepAlive = "Keep-Alive",
    ProxyConnection = "Proxy-Connection",
}

impl KnownHeader {
    /// Erlang's number, 1 to 52; an unknown header has 0 there.
    pub fn number(self) -> u8 {
        self as u8 + 1
    }

    fn find(name: &[u8]) -> Option<Self> {
        // Most names differ in their length.
        Self::ALL
            .iter()
            .find(|known| known.as_str().as_bytes().eq_ignore_ascii_case(name))
            .copied()
    }
}
