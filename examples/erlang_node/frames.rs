//! What `erl_dist` takes for frames of the handshake, and what they are over TLS.
//!
//! Over TCP each message of the handshake has a length of two bytes in front, and these are what `erl_dist` reads
//! and writes. Over TLS Erlang has four from the first byte on, as the messages behind the handshake have.
//! [`HandshakeFrames`] turns one into the other, and never reads beyond the frame it is asked for: what follows the
//! handshake belongs to the link.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::io::{AsyncRead, AsyncWrite};

use super::challenges::Watch;

/// A frame as `erl_dist` has it: two bytes of length and their most.
const LONGEST: usize = 2 + 0xffff;

/// A transport with frames of four bytes, seen as one with frames of two.
#[derive(Debug)]
pub(crate) struct HandshakeFrames<T> {
    inner: T,
    reading: Reading,
    /// Frames of two bytes that wait for the flush.
    written: Vec<u8>,
    /// The same with four, and how many bytes of it are sent.
    sending: Vec<u8>,
    sent: usize,
    watch: Option<Watch>,
}

#[derive(Clone, Copy, Debug)]
enum Reading {
    /// So many bytes of a length have come.
    Length { bytes: [u8; 4], have: usize },
    /// So many of the two bytes were given, and so many are in the frame.
    Given { count: usize, content: u16 },
    /// So much of the frame is to come.
    Content(usize),
}

const BETWEEN: Reading = Reading::Length {
    bytes: [0; 4],
    have: 0,
};

impl<T> HandshakeFrames<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self {
            inner,
            reading: BETWEEN,
            written: Vec::new(),
            sending: Vec::new(),
            sent: 0,
            watch: None,
        }
    }

    /// Looks for challenges in the frames, both ways.
    pub(crate) fn watched(mut self, watch: Watch) -> Self {
        self.watch = Some(watch);
        self
    }

    /// The transport.
    ///
    /// # Errors
    /// Within a frame, in either direction.
    pub(crate) fn into_inner(self) -> io::Result<T> {
        let between = matches!(self.reading, Reading::Length { have: 0, .. });
        if !between || !self.written.is_empty() || !self.sending.is_empty() {
            return Err(io::Error::other("the handshake ended within a frame"));
        }
        Ok(self.inner)
    }

    /// Moves what was written to what is sent, with longer lengths.
    fn lengthen(&mut self) -> io::Result<()> {
        let mut rest = &self.written[..];
        while !rest.is_empty() {
            let whole = rest.split_first_chunk().and_then(|(length, behind)| {
                let length = usize::from(u16::from_be_bytes(*length));
                Some((behind.get(..length)?, &behind[length..]))
            });
            let Some((content, behind)) = whole else {
                return Err(io::Error::new(
                    ErrorKind::InvalidInput,
                    "flushed within a frame of the handshake",
                ));
            };
            if let Some(watch) = &mut self.watch {
                watch.sent(content);
            }
            let length = u32::try_from(content.len()).map_err(io::Error::other)?;
            self.sending.extend_from_slice(&length.to_be_bytes());
            self.sending.extend_from_slice(content);
            rest = behind;
        }
        self.written.clear();
        Ok(())
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for HandshakeFrames<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            match &mut this.reading {
                Reading::Length { bytes, have } if *have < bytes.len() => {
                    let read = Pin::new(&mut this.inner).poll_read(cx, &mut bytes[*have..]);
                    match ready!(read)? {
                        0 if *have == 0 => return Poll::Ready(Ok(0)),
                        0 => return Poll::Ready(Err(ErrorKind::UnexpectedEof.into())),
                        read => *have += read,
                    }
                }
                Reading::Length { bytes, .. } => {
                    let length = u32::from_be_bytes(*bytes);
                    let content = u16::try_from(length).map_err(|_| {
                        let what = format!("a frame of {length} bytes in the handshake");
                        io::Error::new(ErrorKind::InvalidData, what)
                    })?;
                    this.reading = Reading::Given { count: 0, content };
                }
                Reading::Given { count, content } => {
                    let length = content.to_be_bytes();
                    let given = buffer.len().min(length.len() - *count);
                    buffer[..given].copy_from_slice(&length[*count..][..given]);
                    *count += given;
                    if *count == length.len() {
                        this.reading = match *content {
                            0 => BETWEEN,
                            content => Reading::Content(content.into()),
                        };
                    }
                    return Poll::Ready(Ok(given));
                }
                Reading::Content(left) => {
                    let most = buffer.len().min(*left);
                    let read = Pin::new(&mut this.inner).poll_read(cx, &mut buffer[..most]);
                    let read = ready!(read)?;
                    if read == 0 {
                        return Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
                    }
                    *left -= read;
                    let is_end = *left == 0;
                    if let Some(watch) = &mut this.watch {
                        watch.comes(&buffer[..read])?;
                        if is_end {
                            watch.came();
                        }
                    }
                    if is_end {
                        this.reading = BETWEEN;
                    }
                    return Poll::Ready(Ok(read));
                }
            }
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for HandshakeFrames<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.written.len() + bytes.len() > LONGEST {
            return Poll::Ready(Err(io::Error::new(
                ErrorKind::InvalidInput,
                "more than one frame of the handshake without a flush",
            )));
        }
        self.written.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.lengthen()?;
        while this.sent < this.sending.len() {
            let unsent = &this.sending[this.sent..];
            match ready!(Pin::new(&mut this.inner).poll_write(cx, unsent))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                written => this.sent += written,
            }
        }
        this.sending.clear();
        this.sent = 0;
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.inner).poll_close(cx)
    }
}
