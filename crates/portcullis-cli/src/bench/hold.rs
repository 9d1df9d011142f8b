//! Opens connections and keeps them.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use portcullis::TlsStream;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::dialer::{self, Dialer};
use super::meter::{Failures, histogram, note};
use super::pingpong::{exchange, message};
use super::process;
use super::results::{failed, failures, latency, percentiles, print, recorded, several, verdict};
use super::settings::{self, Peer, seconds};
use crate::failure::Failure;
use crate::io::Io;

#[derive(Debug, Args)]
pub(crate) struct Hold {
    #[command(flatten)]
    peer: Peer,
    /// How many connections, 1 to 100,000.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    connections: u32,
    /// How many are opened at a time, 1 to 1,000.
    #[arg(long, value_name = "NUMBER", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    opening: u32,
    /// Seconds for which all of them are kept.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    duration: Duration,
    /// On each connection send a line of so many bytes first, and wait for as many.
    #[arg(long, value_name = "BYTES", value_parser = settings::message)]
    exchange: Option<usize>,
    /// How many may fail or get lost before the command fails, with exit code 4.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    max_failures: u64,
}

/// What became of one connection.
enum Fate {
    Unopened(Failure),
    Lost(Duration, Failure),
    Kept(Duration),
}

impl Hold {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        process::raise_descriptor_limit();
        let dialer = self.peer.dialer().await?;
        let agreed = dialer.agreed().await?;
        let before = process::resident_memory();
        let began = Instant::now();
        let (end, ended) = watch::channel(false);
        let (progress, places) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(Semaphore::new(self.opening as usize)),
        );
        let message: bytes::Bytes = self.exchange.map(message).unwrap_or_default().into();
        let mut connections = JoinSet::new();
        for _ in 0..self.connections {
            let connection = Connection {
                dialer: dialer.clone(),
                message: message.clone(),
                places: Arc::clone(&places),
                progress: Arc::clone(&progress),
                ended: ended.clone(),
            };
            connections.spawn(connection.live());
        }
        // All have been opened, or have failed, when the last has let go of its place: each waits for
        // an answer no longer than --timeout.
        while progress.load(Ordering::Relaxed) < self.connections.into() {
            tokio::select! {
                () = sleep(Duration::from_millis(5)) => {}
                _ = tokio::signal::ctrl_c() => break,
            }
        }
        let opened_in = began.elapsed();
        let memory = process::resident_memory().zip(before);
        tokio::select! {
            () = sleep(self.duration) => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        end.send_replace(true);
        let (mut times, mut refused, mut lost) =
            (histogram(), Failures::default(), Failures::default());
        let mut kept = 0_u64;
        while let Some(fate) = connections.join_next().await {
            match fate {
                Ok(Fate::Unopened(failure)) => refused.count(&failure, 1),
                Ok(Fate::Lost(took, failure)) => {
                    note(&mut times, took);
                    lost.count(&failure, 1);
                }
                Ok(Fate::Kept(took)) => {
                    note(&mut times, took);
                    kept = kept.saturating_add(1);
                }
                Err(_) => return Err(Failure::usage("a task of this program has failed")),
            }
        }
        let each = memory
            .and_then(|(after, before)| after.saturating_sub(before).checked_div(times.len()));
        let mut all = refused.clone();
        all.add(&lost);
        let text = if self.peer.json {
            let report = json!({
                "schema": "portcullis.bench/1",
                "mode": "hold",
                "target": self.peer.target,
                "verified": !self.peer.insecure,
                "agreed": agreed,
                "portcullis": env!("CARGO_PKG_VERSION"),
                "system": process::system(),
                "settings": { "connections": self.connections, "opening": self.opening, "duration": self.duration.as_secs_f64(), "exchange": self.exchange },
                "opened": times.len(),
                "opened_in_seconds": opened_in.as_secs_f64(),
                "kept": kept,
                "lost": lost.total(),
                "resident_bytes_each": each,
                "latency_us": latency(&times),
                "histogram_us": recorded(&times),
                "failed": all.total(),
                "failures": failures(&all),
            });
            format!("{report}\n")
        } else {
            let mut text = format!(
                "{} of {} opened in {:.2} s, {kept} kept for {:.2} s, {} lost\n",
                times.len(),
                several(self.connections, "connection"),
                opened_in.as_secs_f64(),
                self.duration.as_secs_f64(),
                lost.total(),
            );
            if !times.is_empty() {
                let _ = writeln!(
                    text,
                    "time from connecting to the end of the handshake or of the exchange, in µs: {}",
                    percentiles(&times)
                );
            }
            if let Some(each) = each {
                let _ = writeln!(
                    text,
                    "memory of this process: {:.1} KiB a connection",
                    each as f64 / 1_024.0
                );
            }
            if self.peer.insecure {
                text.push_str("certificates NOT verified\n");
            }
            text + &failed(&all)
        };
        print(&text)?;
        verdict(&all, self.max_failures)
    }
}

struct Connection {
    dialer: Dialer,
    message: bytes::Bytes,
    places: Arc<Semaphore>,
    /// How many have come to stand, or have not.
    progress: Arc<AtomicU64>,
    ended: watch::Receiver<bool>,
}

impl Connection {
    async fn live(mut self) -> Fate {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let began = Instant::now();
        let is_over = *self.ended.borrow();
        let opened = match is_over {
            true => Err(Failure::timeout("not begun: interrupted")),
            false => self.open().await,
        };
        let took = began.elapsed();
        drop(place);
        self.progress.fetch_add(1, Ordering::Relaxed);
        let mut stream = match opened {
            Ok(stream) => stream,
            Err(failure) => return Fate::Unopened(failure),
        };
        let mut part = [0; 64];
        loop {
            tokio::select! {
                _ = self.ended.wait_for(|ended| *ended) => break,
                read = stream.read(&mut part) => match read {
                    Ok(0) => return Fate::Lost(took, Failure::unmet("the server has closed the connection")),
                    Ok(_) => {}
                    Err(error) => return Fate::Lost(took, Failure::connection(&error).while_doing("reading")),
                },
            }
        }
        // It was kept for as long as was wanted.
        let _ = dialer::close(stream).await;
        Fate::Kept(took)
    }

    async fn open(&self) -> Result<TlsStream<Io>, Failure> {
        let mut stream = self.dialer.connect().await?;
        exchange(&mut stream, &self.message, self.dialer.limit()).await?;
        Ok(stream)
    }
}
