//! Options that several modes have.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use portcullis::{ClientConfig, TlsConnector};

use super::dialer::Dialer;
use super::process;
use crate::cert::KeyPassword;
use crate::connect::Route;
use crate::connecting::Trust;
use crate::failure::Failure;
use crate::spoken::Spoken;

/// The longest write, in bytes.
const MOST_BYTES: usize = 16 << 20;
/// The longest message that comes back: sockets have room for as much while nobody reads.
const LONGEST_MESSAGE: usize = 64 << 10;

/// Which server is measured, and what is spoken with it.
#[derive(Debug, Args)]
pub(super) struct Peer {
    /// Where to connect: HOST, HOST:PORT or a URL; the port is 443, or that of the protocol.
    #[arg(value_name = "TARGET")]
    pub(super) target: String,
    #[command(flatten)]
    route: Route,
    /// Trust the certificates in this PEM file instead of those of the operating system.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    cafile: Option<PathBuf>,
    /// Accept any server: what is measured is cheaper by the verification of its certificates, and may be somebody else.
    #[arg(long)]
    pub(super) insecure: bool,
    /// The certificate chain (PEM) that is shown to a server that asks for one.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// The key of --cert (PEM), if it is in a file of its own.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    #[command(flatten)]
    password: KeyPassword,
    #[command(flatten)]
    spoken: Spoken,
    /// Print the results as one line of JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl Peer {
    /// What connects. The name is looked for once, and not for each connection.
    pub(super) async fn dialer(&self) -> Result<Dialer, Failure> {
        let destination = self.route.to(&self.target)?;
        let connector = TlsConnector::new(self.config()?).without_resumption();
        let addresses = destination.resolved(destination.deadline()).await?;
        let addresses = addresses.iter().map(|address| address.ip()).collect();
        Ok(Dialer::new(destination.at(addresses), connector))
    }

    fn config(&self) -> Result<ClientConfig, Failure> {
        let misuse = |error: portcullis::Misuse| Failure::usage(error.to_string());
        let mut builder = match self.insecure {
            true => ClientConfig::dangerous_builder_without_verification(),
            false => {
                let trust = Trust::load(self.cafile.as_deref()).map_err(misuse)?;
                ClientConfig::builder(trust.roots)
            }
        };
        builder = self.spoken.client(builder, self.spoken.ciphers.clone());
        if let Some(cert) = &self.cert {
            let identity = self.password.identity(cert, self.key.as_deref())?;
            builder = builder.identity(identity);
        }
        builder.build().map_err(misuse)
    }
}

/// How much, and for how long.
#[derive(Clone, Debug, Args)]
pub(super) struct Load {
    /// Connections at a time, 1 to 100,000.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) connections: u32,
    /// Threads that the connections are shared out to, 1 to 64.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(super) workers: u32,
    /// Bind each of these threads to a processor of its own (Linux), so that none waits for another.
    #[arg(long)]
    pub(super) pin: bool,
    /// Seconds before anything is counted; failures always are.
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds_or_none)]
    pub(super) warm_up: Duration,
    /// Seconds of a round.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub(super) duration: Duration,
    /// Rounds, 1 to 20, of which the median is told and how far they are apart.
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub(super) rounds: u32,
    /// How many may fail before the command does, with exit code 4.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(super) max_failures: u64,
}

impl Load {
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.workers > self.connections {
            return Err(Failure::usage(format!(
                "--workers {} have only --connections {} to share",
                self.workers, self.connections
            )));
        }
        self.processors().map(|_| ())
    }

    /// The processor of each thread, if they are bound.
    pub(super) fn processors(&self) -> Result<Option<Vec<usize>>, Failure> {
        if !self.pin {
            return Ok(None);
        }
        let usable =
            process::processors().map_err(|error| Failure::usage(format!("--pin: {error}")))?;
        match usable.len() < self.workers as usize {
            true => Err(Failure::usage(format!(
                "--pin: --workers {} have only {} processors that this process may use",
                self.workers,
                usable.len()
            ))),
            false => Ok(Some(usable)),
        }
    }
}

/// An hour at most, and no less than can be measured.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if (0.05..=3_600.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("not 0.05 to 3600 seconds".to_owned()),
    }
}

fn seconds_or_none(text: &str) -> Result<Duration, String> {
    match text {
        "0" => Ok(Duration::ZERO),
        _ => seconds(text)
            .map_err(|error| format!("neither 0 nor, as it should be, {}", &error[4..])),
    }
}

/// A number of bytes, as 100, 16KiB or 1MiB.
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("", 1)];
    let read = units.iter().find_map(|(unit, times)| {
        let number: usize = text.strip_suffix(unit)?.trim_end().parse().ok()?;
        number.checked_mul(*times)
    });
    read.filter(|bytes| (1..=MOST_BYTES).contains(bytes))
        .ok_or_else(|| "not 1 to 16MiB bytes, e.g. 100, 16KiB, 1MiB".to_owned())
}

/// The same of a message that comes back.
pub(super) fn message(text: &str) -> Result<usize, String> {
    let read = bytes(text).ok().filter(|bytes| *bytes <= LONGEST_MESSAGE);
    read.ok_or_else(|| "not 1 to 64KiB bytes, e.g. 100, 16KiB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times() {
        assert_eq!(bytes("1"), Ok(1));
        assert_eq!(bytes("16KiB"), Ok(16_384));
        assert_eq!(bytes("16 MiB"), Ok(MOST_BYTES));
        for text in [
            "",
            "0",
            "17MiB",
            "-1",
            "1kb",
            "KiB",
            "99999999999999999999",
            "18446744073709551615MiB",
        ] {
            assert!(bytes(text).is_err(), "{text}");
        }
        assert_eq!(message("64KiB"), Ok(LONGEST_MESSAGE));
        assert!(message("65537").is_err());
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(seconds_or_none("0"), Ok(Duration::ZERO));
        for text in ["", "0", "-1", "NaN", "inf", "3601", "1s"] {
            assert!(seconds(text).is_err(), "{text}");
        }
        assert!(seconds_or_none("-1").is_err());
    }
}
