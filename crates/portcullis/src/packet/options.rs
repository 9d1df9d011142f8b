//! Modes, and what can be said of them.

use std::fmt;

use super::scan::Framing;
use crate::error::Error;

/// Where packets end: Erlang's `packet` option.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Packet {
    /// There are none: bytes as they come.
    #[default]
    Raw,
    /// A length of one byte, then so many bytes.
    Length1,
    /// A length of two bytes, big-endian, then so many bytes.
    Length2,
    /// A length of four bytes, big-endian, then so many bytes.
    Length4,
    /// Up to the delimiter, with it.
    Line,
    /// A BER value of definite length.
    Asn1,
    /// A GIOP message.
    Cdr,
    /// A fragment of Sun's record marking (RFC 5531 §11). Fragments are not joined.
    SunRm,
    /// A FastCGI record; its padding is not delivered.
    Fcgi,
    /// A TPKT (RFC 1006 §6).
    Tpkt,
    /// The head of an HTTP/1 message line by line: a start line, headers, their end; then a start line
    /// again. For a body change to [`Raw`](Self::Raw).
    Http,
    /// Headers of HTTP/1 and their end, for trailers.
    HttpHeaders,
}

impl Packet {
    /// The length in front of what is sent.
    pub(crate) fn prefix(self) -> usize {
        match self {
            Self::Length1 => 1,
            Self::Length2 => 2,
            Self::Length4 => 4,
            _ => 0,
        }
    }

    pub(crate) fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::HttpHeaders)
    }

    /// The limit unless told otherwise, and the most that can be told.
    fn limits(self) -> (u64, u64) {
        const MIB: u64 = 1024 * 1024;
        match self {
            Self::Raw => (u64::MAX, u64::MAX),
            Self::Length1 => (255, 255),
            Self::Length2 => (65_535, 65_535),
            Self::Length4 | Self::Asn1 | Self::Cdr => (8 * MIB, u32::MAX.into()),
            Self::SunRm => (8 * MIB, (1 << 31) - 1),
            Self::Fcgi => (65_535 + 255, 65_535 + 255),
            Self::Tpkt => (65_535 - 4, 65_535 - 4),
            Self::Line => (64 * 1024, u64::MAX - 1),
            Self::Http | Self::HttpHeaders => (16 * 1024, Framing::MAX_HEAD as u64),
        }
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw",
            Self::Length1 => "1",
            Self::Length2 => "2",
            Self::Length4 => "4",
            Self::Line => "line",
            Self::Asn1 => "asn1",
            Self::Cdr => "cdr",
            Self::SunRm => "sunrm",
            Self::Fcgi => "fcgi",
            Self::Tpkt => "tpkt",
            Self::Http => "http",
            Self::HttpHeaders => "httph",
        })
    }
}

/// A mode with its limits.
///
/// ```
/// use portcullis::packet::{Packet, PacketOptions};
///
/// # fn main() -> Result<(), portcullis::Error> {
/// let frames = PacketOptions::new(Packet::Length4).size(64 * 1024 * 1024)?;
/// let lines = PacketOptions::new(Packet::Line).delimiter(b';')?;
/// // What a mode does not have is refused.
/// assert!(frames.delimiter(b';').is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketOptions {
    packet: Packet,
    limit: u64,
    delimiter: u8,
    header: usize,
}

impl Default for PacketOptions {
    fn default() -> Self {
        Self::new(Packet::Raw)
    }
}

impl From<Packet> for PacketOptions {
    fn from(packet: Packet) -> Self {
        Self::new(packet)
    }
}

impl PacketOptions {
    /// This mode, with its default limit.
    pub fn new(packet: Packet) -> Self {
        Self {
            packet,
            limit: packet.limits().0,
            delimiter: b'\n',
            header: 0,
        }
    }

    /// The longest packet, in bytes: Erlang's `packet_size`, which has no limit unless told so.
    ///
    /// | mode | what is counted | default | most possible |
    /// |---|---|---|---|
    /// | 1 / 2 | content | 255 / 65,535 | the same |
    /// | 4, asn1, cdr | content, without the header | 8 MiB | 2^32 - 1 |
    /// | sunrm | content, without the header | 8 MiB | 2^31 - 1 |
    /// | fcgi | content and padding | 65,790 | the same |
    /// | tpkt | content, without the header | 65,531 | the same |
    /// | line | with the delimiter | 64 KiB | any |
    /// | http, httph | a line with its end and what is folded into it | 16 KiB | 128 KiB |
    ///
    /// A head of HTTP has at most 128 header lines besides, and 128 KiB.
    ///
    /// # Errors
    /// When it is 0 or more than is possible, and in the mode raw, which has no packets.
    pub fn size(mut self, bytes: u64) -> Result<Self, Error> {
        if self.packet == Packet::Raw {
            return Err(Error::option("size: the mode raw has no packets"));
        }
        if bytes == 0 {
            return Err(Error::option(
                "size: 0 allows no packet; `unlimited_size` is for no limit",
            ));
        }
        if bytes > self.packet.limits().1 {
            return Err(Error::option(
                "size: more than a packet of this mode can have",
            ));
        }
        self.limit = bytes;
        Ok(self)
    }

    /// No limit but that of the length field, or none at all for lines. The peer then decides how much
    /// memory it takes: as much as it sends.
    ///
    /// # Errors
    /// In other modes than 4, asn1, cdr, sunrm and line.
    pub fn unlimited_size(mut self) -> Result<Self, Error> {
        match self.packet {
            Packet::Length4 | Packet::Asn1 | Packet::Cdr | Packet::SunRm | Packet::Line => {
                self.limit = self.packet.limits().1;
                Ok(self)
            }
            _ => Err(Error::option(
                "unlimited_size: packets of this mode have a limit of their own",
            )),
        }
    }

    /// What lines end with. Default: `\n`.
    ///
    /// # Errors
    /// In other modes than line.
    pub fn delimiter(mut self, byte: u8) -> Result<Self, Error> {
        if self.packet != Packet::Line {
            return Err(Error::option("delimiter: only lines have one"));
        }
        self.delimiter = byte;
        Ok(self)
    }

    /// How many bytes at the start of a packet are delivered apart, as [`Piece::Split`]; with 0 none.
    /// Default: 0.
    ///
    /// [`Piece::Split`]: super::Piece::Split
    ///
    /// # Errors
    /// In the modes http and httph, whose packets are parsed.
    pub fn header(mut self, bytes: usize) -> Result<Self, Error> {
        if self.packet.is_http() {
            return Err(Error::option("header: lines of HTTP are parsed"));
        }
        self.header = bytes;
        Ok(self)
    }

    /// The mode.
    pub fn packet(&self) -> Packet {
        self.packet
    }

    /// The longest packet, in bytes; `None` if there is no limit.
    pub fn size_limit(&self) -> Option<u64> {
        match (self.packet, self.limit) {
            (Packet::Raw, _) => None,
            (Packet::Line, limit) if limit == Packet::Line.limits().1 => None,
            (_, limit) => Some(limit),
        }
    }

    /// What lines end with.
    pub fn line_delimiter(&self) -> u8 {
        self.delimiter
    }

    /// How many bytes are delivered apart.
    pub fn header_size(&self) -> usize {
        self.header
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }
}
