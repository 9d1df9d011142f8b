//! What stands behind encryption: the library's own client asks.

use std::future::Future;
use std::sync::Arc;

use portcullis::ech::EchKey;
use portcullis::suite::{Authentication, CipherSuite, KeyExchange};
use portcullis::x509::PresentedChain;
use portcullis::{
    CertificateDer, ClientConfig, ConnectionInformation, DtlsConnection, DtlsConnector,
    DtlsOptions, EarlyDataOutcome, MemorySessionStore, NamedGroup, ProtocolVersion, TlsConnector,
    TlsStream,
};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::checks::{Offered, Seen};
use super::codes::Over;
use super::hello::{TLS_1_2, TLS_1_3};
use super::prober::{OVER, Prober};
use super::suites::Suite;
use crate::certificate;
use crate::connect::{self, Destination};
use crate::connecting::{self, Connecting, Trust};
use crate::failure::Failure;

/// Groups with ML-KEM have this code, or a higher one.
const HYBRIDS: u16 = 0x0200;

/// How long a server may take to close after we have: until then its tickets come.
const CLOSE_WITHIN: std::time::Duration = std::time::Duration::from_secs(2);

/// The same over datagrams, where nobody may notice that we have: its tickets are on their way with what it says last.
const HEARD_WITHIN: std::time::Duration = std::time::Duration::from_secs(1);

/// What the library's client has found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// Whether it is trusted; or why there is none.
    pub(super) verdict: Option<Result<String, String>>,
    /// What else the server shows, to those who want a certificate of another kind.
    pub(super) others: Vec<Other>,
    /// Why there may be more of these.
    pub(super) others_unknown: Option<String>,
    pub(super) ocsp: Option<Offered>,
    pub(super) alpn: Vec<(&'static str, String)>,
    pub(super) resumption: Vec<(u16, Offered)>,
    pub(super) early_data: Option<Offered>,
    /// Whether the server has keys to which a hello can be encrypted (RFC 9849).
    pub(super) ech: Option<Offered>,
    /// Why the handshake failed that everything else here needs.
    pub(super) failed: Option<String>,
}

/// A chain that was read from what is sent in clear.
#[derive(Debug)]
pub(super) struct Other {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) verdict: Result<String, String>,
}

impl Found {
    /// What every server certificate says, the first one's first.
    pub(super) fn leaves(&self) -> Vec<Value> {
        let others = self.others.iter().map(|other| &other.chain);
        let chains = [&self.chain].into_iter().chain(others);
        let leaves = chains.filter_map(|chain| chain.first());
        leaves.map(|der| certificate::json(der, false)).collect()
    }

    /// Why certificates are not trusted.
    pub(super) fn distrust(&self) -> impl Iterator<Item = &str> {
        let others = self.others.iter().map(|other| &other.verdict);
        let all = self.verdict.iter().chain(others);
        all.filter_map(|verdict| verdict.as_ref().err().map(String::as_str))
    }

    pub(super) fn is_complete(&self) -> bool {
        let known = |offered: &Offered| offered.why().is_none();
        self.failed.is_none()
            && self.others_unknown.is_none()
            && self.ocsp.iter().all(known)
            && self.early_data.iter().all(known)
            && self.ech.iter().all(known)
            && self.resumption.iter().all(|(_, offered)| known(offered))
            && self
                .alpn
                .iter()
                .all(|(_, word)| !word.starts_with("unknown"))
    }
}

pub(super) async fn all(prober: &mut Prober, seen: &Seen, trust: &Trust) -> Result<Found, Failure> {
    let mut found = Found::default();
    let mut connecting = connecting(prober, seen, &[], None)?.asking_for_status();
    match connect(prober, &mut connecting).await {
        Ok(stream) => {
            let response = stream.information().ocsp_response().is_some();
            found.ocsp = Some(Offered::of(response));
            found.chain = connecting.chain();
            found.verdict = connecting.judged_by(trust);
            let _ = stream.close().await;
        }
        Err(why) => {
            // What was shown before it failed.
            found.chain = connecting.chain();
            found.verdict = connecting.judged_by(trust);
            found.failed = Some(why.0);
            if let (true, Some(version)) = (found.chain.is_empty(), seen.newest_older()) {
                // Before TLS 1.3 it is shown before the handshake can fail.
                if let Ok(chain) = prober.chain(version, seen.suites_of(version)).await {
                    found.verdict = Some(judged(&connecting, &chain, trust));
                    found.chain = chain;
                }
            }
            others(prober, seen, &connecting, trust, &mut found).await;
            return Ok(found);
        }
    }
    others(prober, seen, &connecting, trust, &mut found).await;
    for protocol in ["h2", "http/1.1", "x-unknown"] {
        let mut connecting = self::connecting(prober, seen, &[protocol], None)?;
        let word = match connect(prober, &mut connecting).await {
            Ok(stream) => {
                let word = match stream.information().alpn_protocol() {
                    Some(_) => "chosen",
                    None => "ignored",
                };
                let _ = stream.close().await;
                word.to_owned()
            }
            Err(Refused(_, true)) => "refused".to_owned(),
            Err(Refused(why, false)) => format!("unknown: {why}"),
        };
        found.alpn.push((protocol, word));
    }
    for (code, version) in [
        (TLS_1_3, ProtocolVersion::TLS_1_3),
        (TLS_1_2, ProtocolVersion::TLS_1_2),
    ] {
        if seen.offers(code) {
            let store = Arc::new(MemorySessionStore::new(16));
            let mut connecting = self::connecting(prober, seen, &[], Some(version))?
                .with(|connector| connector.session_store(store));
            let offered = resumption(prober, &mut connecting).await;
            if code == TLS_1_3 {
                let early_data = early_data(prober, &mut connecting, &offered).await;
                found.early_data = Some(early_data);
            }
            found.resumption.push((code, offered));
        }
    }
    if seen.offers(TLS_1_3) {
        found.ech = Some(ech(prober).await);
    }
    Ok(found)
}

/// Asks for the certificate of each kind, where there are several and they are sent in clear.
async fn others(
    prober: &mut Prober,
    seen: &Seen,
    connecting: &Connecting,
    trust: &Trust,
    found: &mut Found,
) {
    let Some(version) = seen.newest_older() else {
        return;
    };
    let kinds = [Suite::has_curve_certificate, Suite::has_rsa_certificate].map(|is| {
        let suites = seen.suites_of(version).iter().copied();
        let suites = suites.filter(|code| Suite::of(*code).is_some_and(is));
        suites.collect::<Vec<_>>()
    });
    if kinds.iter().any(Vec::is_empty) {
        return;
    }
    for suites in kinds {
        match prober.chain(version, &suites).await {
            Ok(chain) if chain.first() == found.chain.first() => {}
            Ok(chain) => found.others.push(Other {
                verdict: judged(connecting, &chain, trust),
                chain,
            }),
            Err(why) => found.others_unknown = Some(why),
        }
    }
}

fn judged(
    connecting: &Connecting,
    chain: &[CertificateDer<'static>],
    trust: &Trust,
) -> Result<String, String> {
    let presented = PresentedChain::new(chain.to_vec()).map_err(|error| error.to_string())?;
    connecting.judge(&presented, trust)
}

/// Encrypts a hello to a key that nobody has. A server that has others answers with them (RFC 9849 §7.1); one that has
/// none takes the outer hello as it is.
async fn ech(prober: &mut Prober) -> Offered {
    // An address is not seen in the place of a name.
    let outer = prober.server_name();
    let outer = outer.as_deref().unwrap_or("ech.invalid");
    let made = EchKey::builder(outer).generate();
    let config = made.and_then(|(key, _)| {
        ClientConfig::dangerous_builder_without_verification()
            .versions([ProtocolVersion::TLS_1_3])
            .groups(groups(true))
            .ech(key.config_list())
            .build()
    });
    let config = match config {
        Ok(config) => config,
        Err(misuse) => return Offered::Unknown(misuse.to_string()),
    };
    if let Err(why) = prober.turn().await {
        return Offered::Unknown(why);
    }
    let destination = prober.destination().clone();
    let deadline = destination.deadline().min(prober.until());
    if prober.over == Over::Datagrams {
        return ech_over_datagrams(prober, config, destination, deadline).await;
    }
    let io = match destination.connect(deadline).await {
        Ok(io) => io,
        Err(failure) => {
            prober.note(false);
            return Offered::Unknown(failure.to_string());
        }
    };
    let connector = TlsConnector::new(config)
        .without_resumption()
        .handshake_timeout(connect::left(deadline));
    match connector.upgrade(io, destination.name).await {
        Ok(stream) => {
            let _ = stream.close(CLOSE_WITHIN).await;
            impossible(prober)
        }
        Err(error) => not_encrypted(prober, &error),
    }
}

/// The same over datagrams.
async fn ech_over_datagrams(
    prober: &mut Prober,
    config: ClientConfig,
    destination: Destination,
    deadline: Instant,
) -> Offered {
    let addresses = match destination.resolved(deadline).await {
        Ok(addresses) => addresses,
        Err(failure) => return Offered::Unknown(failure.to_string()),
    };
    let connector = TlsConnector::new(config)
        .without_resumption()
        .handshake_timeout(connect::left(deadline));
    let connector = DtlsConnector::new(connector);
    match connector.connect(&*addresses, destination.name).await {
        Ok(connection) => {
            let _ = connection.close(HEARD_WITHIN).await;
            impossible(prober)
        }
        Err(error) => not_encrypted(prober, &error),
    }
}

fn impossible(prober: &mut Prober) -> Offered {
    prober.note(true);
    Offered::Unknown("a key that nobody has was accepted".to_owned())
}

fn not_encrypted(prober: &mut Prober, error: &portcullis::Error) -> Offered {
    let rejection = error.ech_rejection();
    prober.note(rejection.is_some() || error.alert().is_some());
    match rejection {
        Some(rejection) => Offered::of(rejection.has_configurations()),
        None => Offered::Unknown(error.to_string()),
    }
}

/// Why there is no connection, and whether the server has refused the application protocol.
struct Refused(String, bool);

/// A connection, over what is scanned.
enum Connection {
    Stream(TlsStream<TcpStream>),
    Datagrams(DtlsConnection),
}

impl Connection {
    fn information(&self) -> &ConnectionInformation {
        match self {
            Self::Stream(stream) => stream.information(),
            Self::Datagrams(connection) => connection.information(),
        }
    }

    /// Closes it when its tickets are here. An error says that the server has refused us.
    async fn close(self) -> Result<(), Failure> {
        match self {
            Self::Stream(stream) => connecting::close(stream, CLOSE_WITHIN).await,
            Self::Datagrams(connection) => match connection.close(HEARD_WITHIN).await {
                Err(error) if error.alert().is_some() => Err(Failure::connection(&error.into())),
                _ => Ok(()),
            },
        }
    }
}

async fn connect(prober: &mut Prober, connecting: &mut Connecting) -> Result<Connection, Refused> {
    prober.turn().await.map_err(|why| Refused(why, false))?;
    let until = prober.until();
    let connected = match prober.over {
        Over::Stream => {
            let connected = within(until, connecting.connect()).await;
            connected.map(Connection::Stream)
        }
        Over::Datagrams => {
            let options = DtlsOptions::default();
            let connected = within(until, connecting.connect_dtls(options, None)).await;
            connected.map(|(connection, _)| Connection::Datagrams(connection))
        }
    };
    let refused = |failure: &Failure| {
        let facts = failure.json();
        let is_protocol = facts["alert"]["name"] == "no_application_protocol";
        Refused(failure.to_string(), is_protocol)
    };
    prober.note(is_answered(&connected));
    connected.map_err(|failure| refused(&failure))
}

/// Until the time is over.
async fn within<T>(
    until: Instant,
    connected: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let late = |_| Err(Failure::timeout(OVER));
    timeout_at(until, connected).await.unwrap_or_else(late)
}

/// Whether a connection stands, or the server has said why not.
fn is_answered<T>(connected: &Result<T, Failure>) -> bool {
    let is_refused = |failure: &Failure| failure.json()["alert"].is_object();
    connected.as_ref().err().is_none_or(is_refused)
}

async fn resumption(prober: &mut Prober, connecting: &mut Connecting) -> Offered {
    for is_second in [false, true] {
        match connect(prober, connecting).await {
            Ok(stream) => {
                let is_resumed = stream.information().is_resumed();
                // Who is refused gets no session, which says nothing of others.
                if let Err(refused) = stream.close().await {
                    return Offered::Unknown(refused.to_string());
                }
                if is_second {
                    return Offered::of(is_resumed);
                }
            }
            Err(why) => return Offered::Unknown(why.0),
        }
    }
    Offered::No
}

/// One byte, which is sent with the ticket and never again. Whoever does not resume takes none.
async fn early_data(
    prober: &mut Prober,
    connecting: &mut Connecting,
    resumption: &Offered,
) -> Offered {
    if *resumption != Offered::Yes {
        return resumption.clone();
    }
    if let Err(why) = prober.turn().await {
        return Offered::Unknown(why);
    }
    let until = prober.until();
    let byte = vec![b'\n'];
    let connected = match prober.over {
        Over::Stream => {
            let connected = within(until, connecting.connect_with_early_data(byte)).await;
            connected.map(|(stream, outcome)| (Connection::Stream(stream), outcome))
        }
        Over::Datagrams => {
            let connecting = connecting.connect_dtls_with_early_data(DtlsOptions::default(), byte);
            let connected = within(until, connecting).await;
            connected.map(|(connection, outcome)| (Connection::Datagrams(connection), outcome))
        }
    };
    prober.note(is_answered(&connected));
    match connected {
        Ok((connection, outcome)) => {
            let _ = connection.close().await;
            Offered::of(matches!(outcome, EarlyDataOutcome::Accepted))
        }
        Err(failure) => Offered::Unknown(failure.to_string()),
    }
}

/// All groups that are spoken here, with TLS 1.3 or without.
fn groups(has_new: bool) -> Vec<NamedGroup> {
    // Those of RFC 7027 are of the versions before TLS 1.3 alone, and hybrids of TLS 1.3.
    let is_usable = |group: &NamedGroup| match has_new {
        true => !(0x001a..=0x001c).contains(&group.0),
        false => group.0 < HYBRIDS,
    };
    let groups = NamedGroup::SUPPORTED.iter().copied();
    groups.filter(is_usable).collect()
}

/// Everything that is spoken here and has certificates, and nobody is refused.
fn connecting(
    prober: &Prober,
    seen: &Seen,
    alpn: &[&str],
    version: Option<ProtocolVersion>,
) -> Result<Connecting, Failure> {
    let misuse = |error: portcullis::Misuse| Failure::usage(error.to_string());
    let suites = CipherSuite::SUPPORTED.iter().copied().filter(|suite| {
        suite.info().is_some_and(|info| {
            matches!(
                info.authentication,
                Authentication::Any | Authentication::Rsa | Authentication::Ecdsa
            ) && matches!(
                info.key_exchange,
                KeyExchange::Any | KeyExchange::Ecdhe | KeyExchange::Dhe | KeyExchange::Rsa
            )
        })
    });
    let versions: Vec<_> = match version {
        Some(version) => vec![version],
        None => {
            let supported = ProtocolVersion::SUPPORTED.iter().copied();
            let offered: Vec<_> = supported.filter(|version| seen.offers(version.0)).collect();
            match offered.is_empty() {
                true => ProtocolVersion::SUPPORTED.to_vec(),
                false => offered,
            }
        }
    };
    let usable = |suite: &CipherSuite| {
        let info = suite.info();
        info.is_some_and(|info| versions.iter().any(|version| info.exists_in(*version)))
    };
    let suites: Vec<_> = suites.filter(usable).collect();
    let mut groups = groups(versions.contains(&ProtocolVersion::TLS_1_3));
    if let (Over::Datagrams, [ProtocolVersion::TLS_1_3]) = (prober.over, &*versions) {
        // A share that does not fit into the first hello is asked for, and a second hello has no early data (RFC 8446
        // §4.2.10): what the server has besides is good enough.
        let accepted = seen.groups.iter().filter(|(code, _)| *code == TLS_1_3);
        let accepted: Vec<_> = accepted
            .flat_map(|(_, accepted)| &accepted.codes)
            .filter(|code| **code < HYBRIDS)
            .collect();
        groups.retain(|group| accepted.is_empty() || accepted.contains(&&group.0));
    }
    let config = ClientConfig::dangerous_builder_without_verification()
        .cipher_suites(suites)
        .groups(groups)
        .versions(versions)
        .alpn(alpn)
        .request_ocsp_response(true)
        .build()
        .map_err(misuse)?;
    Ok(Connecting::new(prober.destination().clone(), config, None))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::connect::Route;

    #[tokio::test]
    async fn early_data_is_as_unknown_as_resumption() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // Nobody answers any more.
        drop(listener);
        let route = Route {
            starttls: None,
            name: None,
            resolve: Vec::new(),
            timeout: Some(1),
        };
        let destination = route.to(&address.to_string()).unwrap();
        let mut prober = Prober::new(destination, 300, 1_000, std::time::Duration::from_secs(60));
        let new = Some(ProtocolVersion::TLS_1_3);
        let mut connecting = connecting(&prober, &Seen::default(), &[], new).unwrap();
        let late = Offered::Unknown("late".to_owned());
        for resumption in [Offered::No, late] {
            let offered = early_data(&mut prober, &mut connecting, &resumption).await;
            assert_eq!(offered, resumption);
        }
        assert_eq!(prober.used(), 0);
        // A server that does not answer is left alone after a while, also if it is asked for this.
        let mut offered = Offered::No;
        for _ in 0..7 {
            offered = early_data(&mut prober, &mut connecting, &Offered::Yes).await;
        }
        assert_eq!(offered.why(), Some("the server stopped answering"));
    }
}
