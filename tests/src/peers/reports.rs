//! What servers tell about their connections, and how each peer spells an alert.

use tokio::time::timeout;

use super::program::LIMIT;
use super::{Output, Peer, Report, Running, Server, Suite, Version, gnutls};

impl Server {
    /// What the server says about the connection number `number`, counted from 0 over those that
    /// came to be, as soon as it says so.
    ///
    /// # Panics
    /// If it does not within [`LIMIT`].
    pub async fn report(&self, number: usize) -> Report {
        let program = match &self.running {
            Running::Task(_, handshakes) => {
                let mut handshakes = handshakes.clone();
                let found = handshakes.wait_for(|all| all.iter().flatten().count() > number);
                let found = timeout(LIMIT, found).await;
                let Ok(Ok(all)) = found else {
                    panic!("rustls has no connection {number}")
                };
                return all
                    .iter()
                    .flatten()
                    .nth(number)
                    .cloned()
                    .unwrap_or_default();
            }
            Running::Program(program) => program,
        };
        match program
            .wait_until(|output| self.report_in(output, number).is_some())
            .await
        {
            Ok(output) => self.report_in(&output, number).unwrap_or_default(),
            Err(output) => panic!("{:?} reports no connection {number}:\n{output}", self.peer),
        }
    }

    /// Waits until the server says that it received this alert.
    ///
    /// # Panics
    /// With what it does say, if it does not within [`LIMIT`].
    pub async fn wait_for_alert(&self, number: u8, name: &str) {
        match &self.running {
            Running::Task(_, handshakes) => {
                let mut handshakes = handshakes.clone();
                let failed = |all: &Vec<Result<Report, String>>| {
                    let mut failures = all.iter().filter_map(|one| one.as_ref().err());
                    failures.any(|text| self.peer.names_alert(text, number, name))
                };
                let found = timeout(LIMIT, handshakes.wait_for(failed)).await.is_ok();
                assert!(
                    found,
                    "rustls has not received {name}: {:?}",
                    *handshakes.borrow()
                );
            }
            Running::Program(program) => {
                let told = |output: &Output| {
                    self.peer.names_alert(&output.stderr, number, name)
                        || self.peer.names_alert(&output.stdout, number, name)
                };
                if let Err(output) = program.wait_until(told).await {
                    panic!("{:?} has not received {name}:\n{output}", self.peer);
                }
            }
        }
    }

    fn report_in(&self, output: &Output, number: usize) -> Option<Report> {
        match self.peer {
            Peer::Openssl => openssl(&output.stderr, number),
            Peer::Gnutls => {
                let mut blocks = output.stdout.split("* Accepted connection from ").skip(1);
                let block = blocks
                    .by_ref()
                    .filter(|block| block.contains("- Description: "))
                    .nth(number)?;
                // The last line that is printed about a connection.
                block
                    .contains("'tls-exporter'")
                    .then(|| gnutls::report(block))
            }
            Peer::Erlang | Peer::Python => output
                .stdout
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n'))
                .filter_map(|line| serde_json::from_str(line).ok())
                .map(|object| of_json(&object))
                .filter(|report| report.version.is_some())
                .nth(number),
            Peer::Rustls => None,
        }
    }
}

impl Peer {
    /// Whether `text`, printed by this peer, names the alert with this number and name as
    /// received.
    pub fn names_alert(self, text: &str, number: u8, name: &str) -> bool {
        match self {
            Self::Openssl => {
                let mut alerts = text.split("SSL alert number ").skip(1);
                alerts.any(|rest| rest.lines().next() == Some(&number.to_string()))
            }
            // gnutls-serv tells with --debug=5 only.
            Self::Gnutls => {
                text.contains(&format!("alert [{number}]"))
                    || text.contains(&format!("Alert[2|{number}] - "))
            }
            // certificate_required, TLSV13_ALERT_CERTIFICATE_REQUIRED, CertificateRequired;
            // rustls recognises, others recognize.
            Self::Erlang | Self::Python | Self::Rustls => {
                let bare = |text: &str| {
                    text.chars()
                        .filter(char::is_ascii_alphanumeric)
                        .map(|letter| match letter.to_ascii_lowercase() {
                            'z' => 's',
                            letter => letter,
                        })
                        .collect::<String>()
                };
                bare(text).contains(&bare(name))
            }
        }
    }
}

/// `s_server -rev`, on standard error.
fn openssl(text: &str, number: usize) -> Option<Report> {
    let block = text.split("CONNECTION ESTABLISHED\n").nth(number + 1)?;
    let after = |marker: &str| block.lines().find_map(|line| line.strip_prefix(marker));
    // The last line that is printed about a connection.
    let end = block.find("Supported groups: ")?;
    block.get(end..)?.contains('\n').then(|| Report {
        version: after("Protocol version: ").and_then(Version::parse),
        suite: after("Ciphersuite: ").map(Suite::registered_name),
        group: None,
        alpn: None,
    })
}

/// What our scripts print.
pub(super) fn of_json(object: &serde_json::Value) -> Report {
    let text = |name: &str| object.get(name)?.as_str().map(str::to_owned);
    Report {
        version: text("version").as_deref().and_then(Version::parse),
        suite: text("suite").map(|name| Suite::registered_name(&name)),
        group: None,
        alpn: text("alpn"),
    }
}
