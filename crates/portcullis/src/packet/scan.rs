//! Where a packet ends: the one place that decides it.

use bytes::{Buf, Bytes};

use super::binary::{Measure, measure};
use super::http::{Http, parse_header, parse_start_line};
use super::{Packet, PacketError, PacketOptions};

/// What [`Framing::scan`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// The first `len` bytes are a packet, with their framing.
    Packet {
        /// How many bytes.
        len: usize,
    },
    /// There is no whole packet.
    NeedMore {
        /// How many bytes there have to be in all before it is worth asking again.
        at_least: usize,
    },
}

/// What a packet brings.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Piece {
    /// The packet: without its length in the modes 1, 2 and 4, without its padding in fcgi, and else as it
    /// came.
    Data(Bytes),
    /// The same, with [`PacketOptions::header`].
    Split(Box<Split>),
    /// A line of HTTP.
    Http(Box<Http>),
}

/// A packet in two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The first bytes: as many as were asked for, or all if there are fewer.
    pub header: Bytes,
    /// What follows.
    pub data: Bytes,
}

/// Finds packets in bytes: the way to use the modes without a stream. See
/// [`TlsStream::into_packets`](crate::TlsStream::into_packets) for packets of a connection.
///
/// It has no buffer, and does not go by a length before so many bytes are there.
///
/// ```
/// use portcullis::packet::{Framing, Packet, Piece, Scan};
/// use bytes::Bytes;
///
/// let mut framing = Framing::new(Packet::Length2.into());
/// let mut bytes = Bytes::from_static(&[0, 2, b'h', b'i', 0]);
/// let Ok(Scan::Packet { len }) = framing.scan(&bytes) else { panic!() };
/// assert_eq!(framing.take(bytes.split_to(len)), Piece::Data(Bytes::from_static(b"hi")));
/// assert_eq!(framing.scan(&bytes).unwrap(), Scan::NeedMore { at_least: 2 });
/// ```
#[derive(Clone, Debug)]
pub struct Framing {
    options: PacketOptions,
    /// Bytes of the next packet that were searched for its end.
    searched: usize,
    /// Of HTTP: whether headers come next.
    in_headers: bool,
    /// Of the head of HTTP that goes on: header lines and bytes that were taken.
    lines: usize,
    head: usize,
}

impl Framing {
    /// The most header lines in a head of HTTP.
    pub const MAX_LINES: usize = 128;
    /// The longest head of HTTP, in bytes.
    pub const MAX_HEAD: usize = 128 * 1024;

    /// At the start of a packet.
    pub fn new(options: PacketOptions) -> Self {
        Self {
            options,
            searched: 0,
            in_headers: options.packet() == Packet::HttpHeaders,
            lines: 0,
            head: 0,
        }
    }

    /// What was asked for.
    pub fn options(&self) -> &PacketOptions {
        &self.options
    }

    /// Whether `bytes`, which begin where the last packet ended, begin with a whole one. Bytes that were
    /// shown once may not be others when they are shown again.
    ///
    /// # Errors
    /// [`PacketError::TooLong`] and [`PacketError::Invalid`], as soon as it is certain.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Scan, PacketError> {
        match self.options.packet() {
            Packet::Raw if bytes.is_empty() => Ok(Scan::NeedMore { at_least: 1 }),
            Packet::Raw => Ok(Scan::Packet { len: bytes.len() }),
            Packet::Line => {
                let delimiter = self.options.line_delimiter();
                self.scan_line(bytes, |found| found == delimiter, false)
            }
            Packet::Http | Packet::HttpHeaders => self.scan_http(bytes),
            packet => self.scan_measured(packet, bytes),
        }
    }

    fn scan_measured(&self, packet: Packet, bytes: &[u8]) -> Result<Scan, PacketError> {
        match measure(packet, bytes) {
            Measure::Unknown { at_least } => Ok(Scan::NeedMore { at_least }),
            Measure::Invalid(why) => Err(PacketError::Invalid { packet, why }),
            Measure::Known { header, counted } => {
                let len = usize::try_from(counted)
                    .ok()
                    .and_then(|counted| counted.checked_add(header));
                match len {
                    Some(len) if counted <= self.options.limit() => Ok(match bytes.len() >= len {
                        true => Scan::Packet { len },
                        false => Scan::NeedMore { at_least: len },
                    }),
                    _ => Err(self.too_long(counted)),
                }
            }
        }
    }

    fn too_long(&self, len: u64) -> PacketError {
        PacketError::TooLong {
            packet: self.options.packet(),
            len,
            limit: self.options.limit(),
        }
    }

    /// The first end, which is followed by something that is no blank if lines are folded.
    fn scan_line(
        &mut self,
        bytes: &[u8],
        is_end: impl Fn(u8) -> bool,
        folded: bool,
    ) -> Result<Scan, PacketError> {
        let limit = usize::try_from(self.options.limit()).unwrap_or(usize::MAX);
        let within = &bytes[..bytes.len().min(limit)];
        while let Some(found) = within
            .get(self.searched..)
            .unwrap_or_default()
            .iter()
            .position(|byte| is_end(*byte))
        {
            let end = self.searched + found + 1;
            match bytes.get(end) {
                Some(b' ' | b'\t') if folded => self.searched = end,
                None if folded => {
                    self.searched = end - 1;
                    return Ok(Scan::NeedMore { at_least: end + 1 });
                }
                _ => {
                    self.searched = 0;
                    return Ok(Scan::Packet { len: end });
                }
            }
        }
        if bytes.len() > limit {
            return Err(self.too_long(self.options.limit().saturating_add(1)));
        }
        self.searched = bytes.len();
        Ok(Scan::NeedMore {
            at_least: bytes.len() + 1,
        })
    }

    fn scan_http(&mut self, bytes: &[u8]) -> Result<Scan, PacketError> {
        let newline = |byte| byte == b'\n';
        let scan = match (self.in_headers, bytes) {
            (false, _) => self.scan_line(bytes, newline, false)?,
            // The empty line ends the headers whatever follows.
            (true, [b'\n', ..]) => Scan::Packet { len: 1 },
            (true, [b'\r', b'\n', ..]) => Scan::Packet { len: 2 },
            (true, [b'\r']) => Scan::NeedMore { at_least: 2 },
            (true, _) => {
                if self.lines == Self::MAX_LINES && !bytes.is_empty() {
                    return Err(self.invalid("a head of more than 128 header lines"));
                }
                self.scan_line(bytes, newline, true)?
            }
        };
        if let Scan::Packet { len } = scan
            && self.head + len > Self::MAX_HEAD
        {
            return Err(self.invalid("a head of more than 128 KiB"));
        }
        Ok(scan)
    }

    fn invalid(&self, why: &'static str) -> PacketError {
        PacketError::Invalid {
            packet: self.options.packet(),
            why,
        }
    }

    /// Takes the framing off a packet, exactly as many bytes as [`scan`](Self::scan) has said.
    pub fn take(&mut self, mut packet: Bytes) -> Piece {
        self.searched = 0;
        match self.options.packet() {
            Packet::Http | Packet::HttpHeaders => return Piece::Http(Box::new(self.parse(packet))),
            Packet::Fcgi => {
                if let Some([c1, c0]) = packet.get(4..6) {
                    packet.truncate(8 + usize::from(u16::from_be_bytes([*c1, *c0])));
                }
            }
            mode => packet.advance(mode.prefix().min(packet.len())),
        }
        match self.options.header_size() {
            0 => Piece::Data(packet),
            header => Piece::Split(Box::new(Split {
                header: packet.split_to(header.min(packet.len())),
                data: packet,
            })),
        }
    }

    fn parse(&mut self, line: Bytes) -> Http {
        self.head += line.len();
        let parsed = match self.in_headers {
            false => parse_start_line(&line),
            true => parse_header(&line),
        };
        match &parsed {
            Some(Http::Request(_) | Http::Response(_)) => self.in_headers = true,
            Some(Http::EndOfHeaders) => {
                self.in_headers = self.options.packet() == Packet::HttpHeaders;
                (self.lines, self.head) = (0, 0);
            }
            // Lines before the start line belong to no head.
            _ if !self.in_headers => self.head = 0,
            _ => self.lines += 1,
        }
        parsed.unwrap_or(Http::Unparsed(line.into()))
    }

    /// The length that a packet of `content` bytes gets in front of it.
    ///
    /// # Errors
    /// [`PacketError::TooLong`].
    pub(crate) fn prefix(&self, content: usize) -> Result<Prefix, PacketError> {
        let packet = self.options.packet();
        let len = packet.prefix();
        if len > 0 && content as u64 > self.options.limit() {
            return Err(self.too_long(content as u64));
        }
        let mut bytes = [0; 4];
        // The limit is at most what the length can say.
        let content = u32::try_from(content).unwrap_or(u32::MAX).to_be_bytes();
        bytes[..len].copy_from_slice(&content[4 - len..]);
        Ok(Prefix { bytes, len })
    }
}

/// A length in front of a packet; none in most modes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prefix {
    bytes: [u8; 4],
    len: usize,
}

impl Prefix {
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
