//! Bytes in one direction or in both.

use std::rc::Rc;

use bytes::Bytes;
use clap::{Args, ValueEnum};
use portcullis::{ReadHalf, TlsStream, WriteHalf};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::sleep;

use super::dialer::Dialer;
use super::engine;
use super::meter::{Done, Meter};
use super::results::Results;
use super::settings::{self, Load, Peer};
use super::work::{PAUSE, Work, repeat_until_failure};
use crate::failure::Failure;
use crate::io::Io;

/// How much is read at a time.
const PART: usize = 64 << 10;

#[derive(Debug, Args)]
pub(crate) struct Throughput {
    #[command(flatten)]
    peer: Peer,
    #[command(flatten)]
    load: Load,
    /// What is measured. Up: what is sent, to a server that reads; what it answers is thrown away. Down: what comes, of a
    /// server that sends without being asked. Both: of one that echoes, where the sum is told and each of the two.
    #[arg(long, value_enum, default_value_t = Direction::Up)]
    direction: Direction,
    /// How much is written at a time: 1 to 16MiB.
    #[arg(long, value_name = "BYTES", default_value = "64KiB", value_parser = settings::bytes)]
    write_size: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Direction {
    Up,
    Down,
    Both,
}

impl Throughput {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        self.load.check()?;
        let dialer = self.peer.dialer().await?;
        let agreed = dialer.agreed().await?;
        let work = Flowing {
            dialer,
            direction: self.direction,
            // Lines, for servers that read lines.
            data: super::pingpong::message(self.write_size).into(),
        };
        let measured = engine::measure(&work, &self.load, None).await?;
        let (what, timed) = match self.direction {
            Direction::Down => ("reads", "of a read, with waiting for something to come"),
            _ => ("writes", "of a write, with waiting for room"),
        };
        let direction = self.direction.to_possible_value();
        let direction = direction.map(|value| value.get_name().to_owned());
        Results {
            mode: "throughput",
            what,
            timed,
            peer: &self.peer,
            load: &self.load,
            rate: None,
            settings: json!({ "direction": direction, "write_size": self.write_size }),
            agreed,
            measured,
            if_nothing: (self.direction == Direction::Down).then_some(
                "nothing came: does the server send by itself, as `bench serve --service source` does?",
            ),
            is_both_ways: self.direction == Direction::Both,
        }
        .tell()
    }
}

#[derive(Clone, Debug)]
struct Flowing {
    dialer: Dialer,
    direction: Direction,
    data: Bytes,
}

impl Work for Flowing {
    type Slot = TlsStream<Io>;

    async fn open(&self) -> Result<Self::Slot, Failure> {
        self.dialer.connect().await
    }

    async fn run(self, stream: Self::Slot, meter: Rc<Meter>) {
        let mut next = Some(stream);
        while !meter.is_over() {
            let stream = match next.take() {
                Some(stream) => Ok(stream),
                None => self.dialer.connect().await,
            };
            let flowed = match stream {
                Ok(stream) if self.direction == Direction::Down => self.down(stream, &meter).await,
                Ok(stream) => self.up(stream, &meter).await,
                Err(failure) => Err(failure),
            };
            if let Err(failure) = flowed {
                meter.failed(&failure);
                sleep(PAUSE).await;
            }
        }
    }
}

impl Flowing {
    async fn down(&self, mut stream: TlsStream<Io>, meter: &Meter) -> Result<(), Failure> {
        let mut part = vec![0; PART];
        let turn = async || {
            let received = read(&mut stream, &mut part).await?;
            Ok(Done {
                received,
                ..Done::default()
            })
        };
        repeat_until_failure(meter, self.dialer.limit(), turn).await
    }

    /// Reads all the while, or an echo that nobody takes would stop the server.
    async fn up(&self, stream: TlsStream<Io>, meter: &Meter) -> Result<(), Failure> {
        let (mut reading, mut writing): (ReadHalf<_>, WriteHalf<_>) = stream.into_split();
        let turn = async || {
            let sent = writing.send(&[&self.data]).await;
            sent.map_err(|error| Failure::connection(&error.into()).while_doing("sending"))?;
            Ok(Done {
                sent: self.data.len(),
                ..Done::default()
            })
        };
        let mut part = vec![0; PART];
        let drain = async {
            loop {
                match read(&mut reading, &mut part).await {
                    Ok(count) if self.direction == Direction::Both => meter.received(count),
                    Ok(_) => {}
                    Err(failure) => return failure,
                }
            }
        };
        tokio::select! {
            sent = repeat_until_failure(meter, self.dialer.limit(), turn) => sent,
            failure = drain => Err(failure),
        }
    }
}

/// Some bytes, at least one.
async fn read(from: &mut (impl AsyncRead + Unpin), part: &mut [u8]) -> Result<usize, Failure> {
    match from.read(part).await {
        Ok(0) => Err(Failure::unmet("the server has closed the connection")),
        Ok(count) => Ok(count),
        Err(error) => Err(Failure::connection(&error).while_doing("reading")),
    }
}
