//! `portcullis scan`: what a server speaks, found out by asking, and what is to be said against it.
//!
//! [`prober`] asks one thing on each connection, in [`hello`]s of its own, and reads the [`reply`]; [`checks`] says what is
//! asked, [`library`] what takes a whole handshake; [`judge`] has an opinion, [`report`] the words. What comes over UDP
//! [`datagrams`] puts together.

mod chain;
mod checks;
mod codes;
mod datagrams;
mod hello;
mod judge;
mod library;
mod names;
mod prober;
mod renegotiation;
mod reply;
mod report;
mod rules;
mod sessions;
mod shown;
mod ssl2;
mod suites;
mod tolerance;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use portcullis::pki_types::DnsName;

use crate::connect::Route;
use crate::connecting::Trust;
use crate::failure::Failure;
use crate::text::printable;
use prober::{OVER, Prober};
use reply::NOT_TLS;
use report::Report;
use rules::{Known, Rule, Verdict};

#[derive(Debug, Args)]
pub(crate) struct Scan {
    /// What to scan: HOST, HOST:PORT or a URL; the port is 443, or that of the protocol. Scan what is yours.
    #[arg(value_name = "TARGET")]
    target: String,
    #[command(flatten)]
    route: Route,
    /// Scan DTLS over UDP.
    #[arg(long, conflicts_with_all = ["starttls", "bind", "proxy", "unix"])]
    dtls: bool,
    /// Trust the certificates in this PEM file instead of those of the operating system.
    #[arg(long, value_name = "FILE")]
    cafile: Option<PathBuf>,
    /// Another name than the server's, to see what is shown to who says it, and whether a session is resumed there: nobody has
    /// the one that is said otherwise.
    #[arg(long, value_parser = other_name, value_name = "NAME", default_value = "scan.invalid")]
    other_name: DnsName<'static>,
    /// The most connections, 1 to 2,000. One is open at a time.
    #[arg(long, value_name = "NUMBER", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    connections: u32,
    /// The most connections in a second, 1 to 1,000: 10 unless it is said, 2 with --starttls.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rate: Option<u32>,
    /// Seconds for all of it, 1 to 3,600.
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    total: u64,
    /// End with exit code 7 if one of these is the case, and with 8 if that could not be found out, separated by commas: bad or warn (any such finding), incomplete
    /// (exit code 8), version<1.2, suite=cbc (null, export, anonymous, rc4, des, 3des, cbc, rsa-kx, no-fs), no-pq,
    /// no-fs, untrusted, expires<30d, early-data, compression, renegotiation, fallback, or the name of a finding.
    #[arg(long, value_delimiter = ',', value_name = "RULES", value_parser = clap::value_parser!(Ruled))]
    fail_on: Vec<Ruled>,
    /// Print what was found as one line of JSON.
    #[arg(long)]
    json: bool,
}

/// A rule, and how it was written.
#[derive(Clone, Debug)]
struct Ruled {
    text: String,
    rule: Rule,
}

impl std::str::FromStr for Ruled {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self {
            text: text.to_owned(),
            rule: text.parse()?,
        })
    }
}

/// Reads the name of a host.
fn other_name(text: &str) -> Result<DnsName<'static>, String> {
    let read = DnsName::try_from(text.to_owned());
    read.map_err(|_| "it is the name of a host, and no address".to_owned())
}

impl Scan {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let destination = self.route.to(&self.target)?;
        let misuse = |error: portcullis::Misuse| Failure::usage(error.to_string());
        let trust = Trust::load(self.cafile.as_deref()).map_err(misuse)?;
        // Whoever is not there is not scanned; the name is looked for once.
        let addresses = destination.resolved(destination.deadline()).await?;
        let (address, proxy) = destination.whose(addresses.first().copied());
        let destination = destination.at(addresses.iter().map(|address| address.ip()).collect());
        if !self.dtls {
            drop(destination.connect(destination.deadline()).await?);
        }
        let starttls = destination.target.starttls.map(|protocol| protocol.name());
        let rate = self.rate.unwrap_or(if starttls.is_some() { 2 } else { 10 });
        let total = Duration::from_secs(self.total);
        let began = tokio::time::Instant::now();
        let server_name = destination.name.to_str().into_owned();
        let mut prober = Prober::new(destination, self.connections, rate, total);
        if self.dtls {
            prober = prober.over_datagrams();
        }
        let mut seen = checks::all(&mut prober).await;
        if let (true, Some(why)) = (self.dtls, seen.is_nobody()) {
            let error = std::io::Error::other(format!(
                "{why}; over UDP a server that does not answer a hello looks like none"
            ));
            return Err(Failure::transport(&self.target, &error).at("Connect"));
        }
        if seen.is_of_another_protocol() {
            let before = match starttls {
                Some(_) => "",
                None => "; where TLS begins in another protocol there is --starttls",
            };
            return Err(Failure::unmet(format!(
                "{}: {NOT_TLS}: the server speaks another protocol{before}",
                self.target
            )));
        }
        let found = library::all(&mut prober, &seen, &trust, &self.other_name).await?;
        seen.forms = tolerance::all(&mut prober, &seen).await;
        let leaves = found.leaves();
        let findings = judge::findings(&seen, &found, &leaves);
        let known = Known {
            seen: &seen,
            found: &found,
            leaves: &leaves,
            findings: &findings,
        };
        let mut hit = Vec::new();
        let mut undecided = Vec::new();
        for ruled in &self.fail_on {
            match ruled.rule.verdict(known) {
                Verdict::Hit => hit.push(ruled),
                Verdict::Undecided(why) => undecided.push((ruled.text.clone(), why)),
                Verdict::Passed => {}
            }
        }
        let report = Report {
            target: self.target.clone(),
            address: address.map(|address| address.to_string()),
            proxy: proxy.map(|proxy| proxy.to_string()),
            server_name,
            starttls,
            seconds: began.elapsed().as_secs_f64(),
            connections: prober.used(),
            other_name: self.other_name.as_ref().to_owned(),
            ended: prober.ended().map(str::to_owned),
            failed_rules: hit.iter().map(|ruled| ruled.text.clone()).collect(),
            undecided_rules: undecided.clone(),
            seen: &seen,
            found: &found,
            findings: &findings,
        };
        let text = match self.json {
            true => format!("{}\n", report.json()),
            false => report.text(),
        };
        let mut stdout = std::io::stdout();
        let written = stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush());
        written.map_err(|error| Failure::transport("standard output", &error))?;
        let rules: Vec<_> = hit
            .iter()
            .filter(|ruled| ruled.rule != Rule::Incomplete)
            .map(|ruled| &*ruled.text)
            .collect();
        if !rules.is_empty() {
            return Err(Failure::rule(format!(
                "--fail-on {}: so it is",
                rules.join(", ")
            )));
        }
        if !hit.is_empty() {
            return Err(Failure::incomplete(
                "--fail-on incomplete: not everything could be found out",
            ));
        }
        if let Some((_, why)) = undecided.first() {
            let rules: Vec<_> = undecided.iter().map(|(rule, _)| &**rule).collect();
            return Err(Failure::incomplete(format!(
                "--fail-on {}: whether it is so could not be found out: {}",
                rules.join(", "),
                printable(why)
            )));
        }
        // What ended before it had begun says nothing of the server.
        let is_cut = |why: &&str| prober.ended() == Some(*why) || *why == OVER;
        match seen.is_mute().filter(|why| !is_cut(why)) {
            Some(why) => Err(Failure::unmet(format!(
                "{}: no hello was answered, of any version: {}",
                self.target,
                printable(why)
            ))),
            None => Ok(()),
        }
    }
}
