//! Connections from the first packet to the close.

use std::rc::Rc;

use bytes::Bytes;
use clap::Args;
use portcullis::EarlyDataOutcome;
use serde_json::json;
use tokio::time::Instant;

use super::dialer::{self, Dialer};
use super::engine;
use super::meter::{Done, Meter};
use super::pingpong::{exchange, message};
use super::results::Results;
use super::settings::{self, Load, Peer};
use super::work::{Work, repeat};
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(crate) struct Handshake {
    #[command(flatten)]
    peer: Peer,
    #[command(flatten)]
    load: Load,
    /// Begin so many connections in a second, also if the server is slow; the time of one that had to wait for another
    /// to end counts from when it was due. Without it a connection begins when another has ended, and the server sets
    /// the pace.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// Resume the session of the connection before. Where the server does not, it is a failure.
    #[arg(long)]
    resume: bool,
    /// With --resume: a full handshake is no failure.
    #[arg(long, requires = "resume")]
    allow_full: bool,
    /// Resume, and send so many bytes before the handshake is over. Where the server does not accept them, it is a
    /// failure.
    #[arg(long, value_name = "BYTES", value_parser = settings::message, conflicts_with_all = ["exchange", "allow_full"])]
    early_data: Option<usize>,
    /// After the handshake send a line of so many bytes, and wait for as many.
    #[arg(long, value_name = "BYTES", value_parser = settings::message)]
    exchange: Option<usize>,
}

impl Handshake {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        self.load.check()?;
        let dialer = self.peer.dialer().await?;
        let agreed = dialer.agreed().await?;
        let kind = match (self.early_data, self.resume) {
            (Some(length), _) => Kind::Early(Bytes::from(message(length))),
            (None, true) => Kind::Resumed {
                may_be_full: self.allow_full,
            },
            (None, false) => Kind::Full,
        };
        let settings = json!({
            "kind": kind.name(),
            "rate": self.rate,
            "exchange": self.exchange,
            "early_data": self.early_data,
        });
        let work = Shaking {
            dialer,
            kind,
            exchange: self.exchange.map(message).unwrap_or_default().into(),
        };
        let measured = engine::measure(&work, &self.load, self.rate).await?;
        Results {
            mode: "handshake",
            what: "connections",
            timed: "from connecting to the end of the handshake or of the exchange",
            peer: &self.peer,
            load: &self.load,
            rate: self.rate,
            settings,
            agreed,
            measured,
            if_nothing: None,
            is_both_ways: false,
        }
        .tell()
    }
}

#[derive(Clone, Debug)]
enum Kind {
    Full,
    Resumed { may_be_full: bool },
    Early(Bytes),
}

impl Kind {
    const fn name(&self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Resumed { .. } => "resumed",
            Self::Early(_) => "early data",
        }
    }
}

#[derive(Clone, Debug)]
struct Shaking {
    dialer: Dialer,
    kind: Kind,
    exchange: Bytes,
}

impl Work for Shaking {
    type Slot = Dialer;

    /// One that resumes has a session.
    async fn open(&self) -> Result<Dialer, Failure> {
        if matches!(self.kind, Kind::Full) {
            return Ok(self.dialer.clone());
        }
        let dialer = self.dialer.resuming();
        let mut stream = dialer.connect().await?;
        exchange(&mut stream, &self.exchange, dialer.limit()).await?;
        dialer::close(stream).await?;
        Ok(dialer)
    }

    async fn run(self, dialer: Dialer, meter: Rc<Meter>) {
        let limit = dialer.limit();
        repeat(&meter, limit, async || self.connection(&dialer).await).await;
    }
}

impl Shaking {
    async fn connection(&self, dialer: &Dialer) -> Result<Done, Failure> {
        let has_session = dialer.has_session();
        let (mut stream, early) = match &self.kind {
            Kind::Early(data) => {
                let (stream, outcome) = dialer.connect_with_early_data(data.clone()).await?;
                (stream, Some(outcome))
            }
            _ => (dialer.connect().await?, None),
        };
        let is_resumed = stream.is_resumed();
        if !self.exchange.is_empty() {
            exchange(&mut stream, &self.exchange, dialer.limit()).await?;
        }
        let at = Instant::now();
        // It is closed in any case, so that a failure leaves no half of a connection and the next has a session.
        dialer::close(stream).await?;
        let sent = match (&self.kind, early) {
            (Kind::Resumed { may_be_full: false }, _) if !is_resumed => {
                return Err(Failure::unmet(match has_session {
                    true => "the session was not resumed",
                    false => "the session was not resumed: the server has given none",
                }));
            }
            (Kind::Early(data), Some(EarlyDataOutcome::Accepted)) => data.len(),
            (_, Some(EarlyDataOutcome::Rejected(_))) => {
                return Err(Failure::unmet("early data was rejected"));
            }
            (_, Some(EarlyDataOutcome::NotOffered(_))) => {
                return Err(Failure::unmet(
                    "early data was not sent: the server has given no session that allows as much",
                ));
            }
            _ => self.exchange.len(),
        };
        Ok(Done {
            sent,
            received: self.exchange.len(),
            is_resumed,
            at: Some(at),
        })
    }
}
