//! One direction of a relay: from a source to a sink, through an area of the thread.

use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::ReadBuf;
use tokio::time::Instant;

use super::end::RelayEnd;
use super::{HowEnded, Relayed};
use crate::scratch::{Backlog, PLAINTEXT, Scratch};

/// Reads of one poll: then it is the turn of the other direction, and of other tasks.
const TURNS: usize = 8;
/// What is read at once: of an end whose other side keeps up, of others, and when memory is short.
const LARGE: usize = 4 * PLAINTEXT;
const SMALL: usize = PLAINTEXT;
const LEAST: usize = 4096;
/// After so many reads that were full and taken whole, more is read at once.
const FULL_READS: u8 = 2;
/// Room besides full records: in TLS 1.3 the last one is opened with its type, and copied if that does not fit.
const BESIDES: usize = 16;

pub(super) struct Way {
    pub(super) phase: Phase,
    /// How the source has ended, once it has.
    pub(super) end: Option<HowEnded>,
    /// Boxed: why the sink takes no more, if it does not.
    pub(super) lost: Option<Box<Lost>>,
    /// What was read and the sink has refused.
    left: Backlog,
    pub(super) bytes: u64,
    discarded: u64,
    /// Full reads in a row that were taken whole.
    full: u8,
    /// Whether the sink may hold back what it has taken.
    unflushed: bool,
    /// Whether the sink was asked to take something, and was not ready.
    blocked: bool,
    /// How much the sink's transport had not taken then.
    pending: usize,
    seen: Seen,
}

/// A sink that takes no more.
pub(super) struct Lost {
    pub(super) end: HowEnded,
    /// Whether what was told is what sockets say whose other side has ended before it went.
    pub(super) is_broken_pipe: bool,
}

/// What a direction was like when it was looked at last.
#[derive(Default)]
struct Seen {
    bytes: u64,
    waiting: usize,
    /// Since when the sink has taken nothing of what waits for it.
    stalled: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// The source has ended, and the sink is to be told.
    Ending,
    /// The source was cut short: the sink is to have what came, and then no end.
    Cutting,
    /// The sink takes no more. Whether its side has ended in good order is not known yet, and nothing is read until then.
    Lost,
    /// The sink's side has ended and gone: what the source says is read and forgotten.
    Discarding,
    Done,
}

/// What came of moving bytes.
pub(super) enum Moved {
    /// Nothing can be done now.
    Waits,
    /// More can be done, by another poll.
    Goes,
    /// The source has nothing more.
    SourceEnded,
    SourceBroke(io::Error),
    SinkBroke(io::Error),
    /// More was read for nobody than may be.
    Unheard,
    /// The sink was told, or has what came and is not to be told.
    Over,
}

impl Way {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Open,
            end: None,
            lost: None,
            left: Backlog::default(),
            bytes: 0,
            discarded: 0,
            full: 0,
            unflushed: false,
            blocked: false,
            pending: 0,
            seen: Seen::default(),
        }
    }

    /// Whether the sink knows all that the source has said, and that this is all.
    pub(super) fn is_told(&self) -> bool {
        self.phase == Phase::Done && self.lost.is_none()
    }

    /// Whether the source has said that this is all.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ending | Phase::Done)
    }

    pub(super) fn outcome(&self) -> Relayed {
        Relayed {
            bytes: self.bytes,
            discarded: self.discarded + self.left.len() as u64,
            end: self.end.clone().unwrap_or(HowEnded::Cut),
            is_told: self.is_told(),
        }
    }

    /// How much to ask the source for.
    fn appetite(&self, is_short: bool) -> usize {
        match self.full {
            _ if is_short => LEAST,
            FULL_READS.. => LARGE,
            _ => SMALL,
        }
    }

    /// Moves what can be moved now; of what nobody hears no more than `discard` bytes are read.
    pub(super) fn advance<S, T>(
        &mut self,
        source: &mut S,
        sink: &mut T,
        cx: &mut Context<'_>,
        is_short: bool,
        discard: u64,
    ) -> Moved
    where
        S: RelayEnd,
        T: RelayEnd,
    {
        self.blocked = false;
        self.pending = 0;
        for _ in 0..TURNS {
            let turn = match self.phase {
                Phase::Lost | Phase::Done => Some(Moved::Waits),
                Phase::Discarding => self.forget(source, cx, discard),
                Phase::Open | Phase::Ending | Phase::Cutting => {
                    self.turn(source, sink, cx, is_short)
                }
            };
            if let Some(moved) = turn {
                return moved;
            }
        }
        Moved::Goes
    }

    /// One read, and what follows from it; `None` when there may be another.
    fn turn<S, T>(
        &mut self,
        source: &mut S,
        sink: &mut T,
        cx: &mut Context<'_>,
        is_short: bool,
    ) -> Option<Moved>
    where
        S: RelayEnd,
        T: RelayEnd,
    {
        // While something waits, nothing is read: the source is to wait, too.
        match self.push(sink, cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => return Some(Moved::SinkBroke(error)),
            Poll::Pending => return Some(self.block(sink)),
        }
        match self.phase {
            Phase::Ending => {
                let told = Pin::new(&mut *sink).poll_shutdown(cx);
                return Some(self.tell(sink, told));
            }
            Phase::Cutting => {
                return Some(match Pin::new(&mut *sink).poll_flush(cx) {
                    Poll::Ready(_) => Moved::Over,
                    Poll::Pending => self.block(sink),
                });
            }
            _ => {}
        }
        let appetite = self.appetite(is_short);
        let room = match source.has_records() {
            true => appetite.max(SMALL) + BESIDES,
            false => appetite,
        };
        // Goes back to the thread at the end of the turn, whatever that is.
        let mut area = Scratch::take();
        let mut buf = ReadBuf::new(&mut area[..room]);
        let count = match Pin::new(source).poll_read(cx, &mut buf) {
            Poll::Ready(Ok(())) => buf.filled().len(),
            Poll::Ready(Err(error)) => {
                // What was taken goes as far as it goes at once.
                let _ = Pin::new(sink).poll_flush(cx);
                return Some(Moved::SourceBroke(error));
            }
            Poll::Pending => return Some(self.rest(sink, cx)),
        };
        if count == 0 {
            return Some(Moved::SourceEnded);
        }
        let mut rest = &area[..count];
        while !rest.is_empty() {
            match poll_write(sink, cx, rest) {
                Poll::Ready(Ok(taken)) => {
                    self.count(taken);
                    rest = &rest[taken..];
                }
                Poll::Ready(Err(error)) => {
                    self.discarded += rest.len() as u64;
                    return Some(Moved::SinkBroke(error));
                }
                Poll::Pending => break,
            }
        }
        if !rest.is_empty() || sink.pending() > 0 {
            self.full = 0;
        } else if count >= appetite {
            self.full = FULL_READS.min(self.full + 1);
        } else if self.full < FULL_READS {
            self.full = 0;
        }
        if rest.is_empty() {
            return None;
        }
        self.left.extend(rest);
        Some(self.block(sink))
    }

    fn count(&mut self, taken: usize) {
        self.bytes += taken as u64;
        self.unflushed = true;
    }

    fn block<T: RelayEnd>(&mut self, sink: &T) -> Moved {
        self.blocked = true;
        self.pending = sink.pending();
        Moved::Waits
    }

    /// Whether somebody else has pushed what the sink's transport had not taken.
    pub(super) fn is_freed<T: RelayEnd>(&self, sink: &T) -> bool {
        self.pending > 0 && sink.pending() == 0
    }

    /// What the sink has refused before, and what its transport has.
    fn push<T: RelayEnd>(&mut self, sink: &mut T, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.left.is_empty() {
            let taken = ready!(poll_write(sink, cx, self.left.as_slice()))?;
            self.left.consume(taken);
            self.count(taken);
        }
        if sink.pending() > 0 {
            ready!(Pin::new(&mut *sink).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// The source has nothing now: what the sink holds back is to go.
    fn rest<T: RelayEnd>(&mut self, sink: &mut T, cx: &mut Context<'_>) -> Moved {
        if !self.unflushed {
            return Moved::Waits;
        }
        match Pin::new(&mut *sink).poll_flush(cx) {
            Poll::Ready(Ok(())) => {
                self.unflushed = false;
                Moved::Waits
            }
            Poll::Ready(Err(error)) => Moved::SinkBroke(error),
            Poll::Pending => self.block(sink),
        }
    }

    fn tell<T: RelayEnd>(&mut self, sink: &T, told: Poll<io::Result<()>>) -> Moved {
        match told {
            Poll::Ready(Ok(())) => {
                self.phase = Phase::Done;
                Moved::Over
            }
            Poll::Ready(Err(error)) => Moved::SinkBroke(error),
            Poll::Pending => self.block(sink),
        }
    }

    /// Reads without a sink.
    fn forget<S: RelayEnd>(
        &mut self,
        source: &mut S,
        cx: &mut Context<'_>,
        most: u64,
    ) -> Option<Moved> {
        let mut area = Scratch::take();
        let mut buf = ReadBuf::new(&mut area[..SMALL + BESIDES]);
        match Pin::new(source).poll_read(cx, &mut buf) {
            Poll::Ready(Ok(())) if buf.filled().is_empty() => Some(Moved::SourceEnded),
            Poll::Ready(Ok(())) => {
                self.discarded += buf.filled().len() as u64;
                (self.discarded > most).then_some(Moved::Unheard)
            }
            Poll::Ready(Err(error)) => Some(Moved::SourceBroke(error)),
            Poll::Pending => Some(Moved::Waits),
        }
    }

    /// The sink takes no more, for this reason.
    pub(super) fn lose(&mut self, error: io::Error) {
        self.discarded += self.left.len() as u64;
        self.left = Backlog::default();
        self.lost = Some(Box::new(Lost {
            is_broken_pipe: error.kind() == io::ErrorKind::BrokenPipe,
            end: HowEnded::of(error),
        }));
    }

    /// How the sink has ended that takes no more.
    pub(super) fn lost_end(&self) -> Option<HowEnded> {
        self.lost.as_ref().map(|lost| lost.end.clone())
    }

    /// How many bytes wait for the sink.
    pub(super) fn held<T: RelayEnd>(&self, sink: &T) -> usize {
        self.left.len() + sink.pending()
    }

    /// Whether the sink has taken something since it was looked at last; notes since when it has not while something waits.
    pub(super) fn look(&mut self, held: usize, now: &mut Option<Instant>) -> bool {
        // An end that is asked to flush, or to close, and is not ready, has something, too.
        let waiting = held + usize::from(self.blocked);
        let has_moved = self.bytes != self.seen.bytes || waiting < self.seen.waiting;
        if waiting == 0 {
            self.seen.stalled = None;
        } else if has_moved || self.seen.stalled.is_none() {
            self.seen.stalled = Some(*now.get_or_insert_with(Instant::now));
        }
        self.seen.bytes = self.bytes;
        self.seen.waiting = waiting;
        has_moved
    }

    pub(super) fn stalled(&self) -> Option<Instant> {
        self.seen.stalled
    }

    pub(super) fn forget_left(&mut self) {
        self.discarded += mem::take(&mut self.left).len() as u64;
    }
}

fn poll_write<T: RelayEnd>(
    sink: &mut T,
    cx: &mut Context<'_>,
    data: &[u8],
) -> Poll<io::Result<usize>> {
    match ready!(Pin::new(sink).poll_write(cx, data))? {
        0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        taken => Poll::Ready(Ok(taken)),
    }
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Way")
            .field("phase", &self.phase)
            .field("end", &self.end)
            .field("left", &self.left)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
