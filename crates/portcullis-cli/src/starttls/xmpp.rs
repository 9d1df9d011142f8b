//! XMPP: a stream, its features, `<starttls/>` and `<proceed/>` (RFC 6120 §5.4.2).

use quick_xml::events::Event;
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::reader::NsReader;
use tokio::io::{AsyncRead, AsyncWrite};

use super::wire::{Result, Wire};

/// The most that is read, since all is parsed again when there is more of it.
const MAX_STREAM: usize = 16 * 1024;

const STREAMS: &str = "http://etherx.jabber.org/streams";
const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";

pub(super) async fn start<IO>(wire: &mut Wire<'_, IO>, host: &str) -> Result<()>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    // A host is a name or an address: there is nothing to escape in it.
    let header = format!(
        "<?xml version='1.0'?><stream:stream to='{host}' version='1.0' xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams'>"
    );
    wire.send(header.as_bytes()).await?;
    let mut stream = Vec::new();
    match next(wire, &mut stream).await? {
        Element::Features { offers_tls: true } => {}
        Element::Features { offers_tls: false } => {
            return Err(wire.failure("the server offers no starttls among its features"));
        }
        Element::Proceed | Element::Failure => {
            return Err(wire.failure("the server answers before it was asked"));
        }
        Element::Other => return Err(wire.failure("the server ends the stream with an error")),
    }
    wire.send(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        .await?;
    match next(wire, &mut stream).await? {
        Element::Proceed => Ok(()),
        Element::Failure => Err(wire.failure("the server fails to begin TLS")),
        Element::Features { .. } | Element::Other => {
            Err(wire.failure("expected <proceed/>, the server said something else"))
        }
    }
}

/// An element on the first level of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    Features { offers_tls: bool },
    Proceed,
    Failure,
    Other,
}

/// Reads until one element more is whole, and takes it, but nothing behind it. `stream` is what
/// was taken before: an element means what it means within its stream.
async fn next<IO>(wire: &mut Wire<'_, IO>, stream: &mut Vec<u8>) -> Result<Element>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let before = stream.len();
    loop {
        let mut all = stream.clone();
        all.extend_from_slice(wire.unread());
        match first_from(&all, before) {
            Ok(Some((element, end))) => {
                let taken = wire.take(end.saturating_sub(before));
                stream.extend(taken);
                return Ok(element);
            }
            Ok(None) if all.len() >= MAX_STREAM => {
                return Err(wire.failure(&format!(
                    "the server sent more than {MAX_STREAM} bytes and did not come to TLS"
                )));
            }
            Ok(None) => wire.fill().await?,
            Err(NotXmpp) => return Err(wire.failure("the server's answer is no XMPP stream")),
        }
    }
}

struct NotXmpp;

/// The first element that ends behind `before`, and where; `None` if none has come whole.
fn first_from(
    stream: &[u8],
    before: usize,
) -> std::result::Result<Option<(Element, usize)>, NotXmpp> {
    let mut reader = NsReader::from_reader(stream);
    let mut depth = 0_usize;
    let mut current = Element::Other;
    loop {
        let Ok((namespace, event)) = reader.read_resolved_event() else {
            // What is cut off and what is damaged look the same; the bound tells them apart.
            return Ok(None);
        };
        let (start, is_whole) = match &event {
            Event::Start(start) => (Some(start), false),
            Event::Empty(start) => (Some(start), true),
            Event::End(_) => (None, true),
            Event::Eof => return Ok(None),
            // RFC 6120 §11.1; entities could be defined by it.
            Event::DocType(_) => return Err(NotXmpp),
            _ => continue,
        };
        if let Some(start) = start {
            let of = |wanted: &str| matches!(namespace, ResolveResult::Bound(Namespace(seen)) if seen == wanted);
            let local = start.local_name();
            match (depth, local.as_ref()) {
                (0, "stream") if of(STREAMS) && !is_whole => {}
                (0, _) => return Err(NotXmpp),
                (1, "features") if of(STREAMS) => {
                    current = Element::Features { offers_tls: false };
                }
                (1, "proceed") if of(TLS) => current = Element::Proceed,
                (1, "failure") if of(TLS) => current = Element::Failure,
                (1, _) => current = Element::Other,
                (2, "starttls") if of(TLS) => {
                    if let Element::Features { offers_tls } = &mut current {
                        *offers_tls = true;
                    }
                }
                _ => {}
            }
            depth += 1;
        }
        if is_whole {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return Err(NotXmpp);
            }
            let end = usize::try_from(reader.buffer_position()).map_err(|_| NotXmpp)?;
            if depth == 1 && end > before {
                return Ok(Some((current, end)));
            }
        }
    }
}
