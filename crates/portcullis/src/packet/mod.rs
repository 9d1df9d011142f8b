//! Packets: where one ends, and what is in it. No I/O.
//!
//! | mode | a packet is | what is delivered |
//! |---|---|---|
//! | [`Raw`](Packet::Raw) | whatever is there | the same |
//! | [`Length1`](Packet::Length1), [`Length2`](Packet::Length2), [`Length4`](Packet::Length4) | a length of so many bytes (big-endian), then as many bytes | what follows the length |
//! | [`Line`](Packet::Line) | what ends with the delimiter | the line with it |
//! | [`Asn1`](Packet::Asn1) | a BER value of definite length (X.690) | tag, length and content |
//! | [`Cdr`](Packet::Cdr) | a GIOP message (CORBA) | header and body |
//! | [`SunRm`](Packet::SunRm) | a fragment of a record (RFC 5531 §11) | header and fragment |
//! | [`Fcgi`](Packet::Fcgi) | a FastCGI record | header and content, without the padding |
//! | [`Tpkt`](Packet::Tpkt) | a TPKT (RFC 1006 §6) | header and content |
//! | [`Http`](Packet::Http), [`HttpHeaders`](Packet::HttpHeaders) | a line of the head of an HTTP/1 message, with what is folded into it | an [`Http`](http::Http) |
//!
//! They are those of Erlang's `packet` option. What differs from its parser is in
//! `tests/tests/packets/oracle.rs`, by name.

mod binary;
#[cfg(feature = "codec")]
mod codec;
mod error;
pub mod http;
mod options;
mod scan;

#[cfg(feature = "codec")]
#[cfg_attr(docsrs, doc(cfg(feature = "codec")))]
pub use self::codec::PacketCodec;
pub use self::error::PacketError;
pub use self::options::{Packet, PacketOptions};
pub(crate) use self::scan::Prefix;
pub use self::scan::{Framing, Piece, Scan, Split};
