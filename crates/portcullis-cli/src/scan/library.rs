//! What stands behind encryption: the library's own client asks.

use std::future::Future;
use std::time::Duration;

use portcullis::config::{Renegotiation, ServerNameIndication};
use portcullis::ech::EchKey;
use portcullis::pki_types::DnsName;
use portcullis::suite::{Authentication, CipherSuite, KeyExchange};
use portcullis::{
    AlertDescription, ClientConfig, ConnectionInformation, DtlsConnection, DtlsConnector,
    DtlsOptions, NamedGroup, ProtocolVersion, SignatureScheme, TlsConnector, TlsStream,
};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::checks::{Accepted, Offered, Seen};
use super::codes::Over;
use super::hello::TLS_1_3;
use super::names::{self, Meets, Said};
use super::prober::{OVER, Prober};
use super::renegotiation;
use super::sessions::{self, Tickets};
use super::shown::{self, Shown};
use crate::certificate;
use crate::connect::{self, Destination};
use crate::connecting::{self, Connecting, Trust};
use crate::failure::Failure;
use crate::io::Io;

/// Groups with ML-KEM have this code, or a higher one.
const HYBRIDS: u16 = 0x0200;

/// A hello is said again after 1, 2, 4 … seconds, at last each minute (RFC 9147 §5.8.2): seven times in this time.
const LONGEST_HANDSHAKE: Duration = Duration::from_secs(120);

/// How long a server may take to close after we have: until then its tickets come.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// The same over datagrams, where nobody may notice that we have: its tickets are on their way with what it says last.
const HEARD_WITHIN: Duration = Duration::from_secs(1);

/// What the library's client has found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Certificates, the one first that the server shows to a client that does not say which.
    pub(super) shown: Vec<Shown>,
    /// Why there may be more of these.
    pub(super) shown_unknown: Option<String>,
    /// What the server signs with in TLS 1.3.
    pub(super) schemes: Option<Accepted>,
    /// Whether a client may begin a handshake within a connection.
    pub(super) renegotiation: Option<Offered>,
    pub(super) ocsp: Option<Offered>,
    pub(super) alpn: Vec<(&'static str, String)>,
    pub(super) resumption: Vec<(u16, Offered)>,
    /// By version: what the server gives in a full handshake to be resumed with.
    pub(super) tickets: Vec<(u16, Tickets)>,
    /// By version: whether a session of the server's name is resumed by who says another one.
    pub(super) at_other_name: Vec<(u16, Offered)>,
    pub(super) early_data: Option<Offered>,
    /// What is shown to who says another name, and to who says none.
    pub(super) other_name: Option<Meets>,
    pub(super) no_name: Option<Meets>,
    /// Whether the server has keys to which a hello can be encrypted (RFC 9849).
    pub(super) ech: Option<Offered>,
    /// Why the handshake failed that everything else here needs.
    pub(super) failed: Option<String>,
}

impl Found {
    /// What every server certificate says, the first one's first.
    pub(super) fn leaves(&self) -> Vec<Value> {
        let leaves = self.shown.iter().filter_map(|shown| shown.chain.first());
        leaves.map(|der| certificate::json(der, false)).collect()
    }

    /// Why certificates are not trusted.
    pub(super) fn distrust(&self) -> impl Iterator<Item = &str> {
        let verdicts = self.shown.iter().map(|shown| shown.verdict.as_ref());
        verdicts.filter_map(|verdict| verdict.err().map(String::as_str))
    }

    pub(super) fn is_complete(&self) -> bool {
        let known = |offered: &Offered| offered.why().is_none();
        self.failed.is_none()
            && self.shown_unknown.is_none()
            && self.shown.iter().all(|shown| shown.is_proved)
            && self.schemes.iter().all(|schemes| schemes.unknown.is_none())
            && self.renegotiation.iter().all(known)
            && self.ocsp.iter().all(known)
            && self.early_data.iter().all(known)
            && self.ech.iter().all(known)
            && self.resumption.iter().all(|(_, offered)| known(offered))
            && self.at_other_name.iter().all(|(_, offered)| known(offered))
            && self.other_name.iter().all(|meets| meets.why().is_none())
            && self.no_name.iter().all(|meets| meets.why().is_none())
            && self.shown.iter().all(|shown| shown.staple.why().is_none())
            && self
                .alpn
                .iter()
                .all(|(_, word)| !word.starts_with("unknown"))
    }
}

/// `other` is the name that is said in place of the server's.
pub(super) async fn all(
    prober: &mut Prober,
    seen: &Seen,
    trust: &Trust,
    other: &DnsName<'static>,
) -> Result<Found, Failure> {
    let mut found = Found::default();
    let mut connecting = connecting(prober, seen, Wish::default())?.asking_for_status();
    match connect(prober, &mut connecting).await {
        Ok(stream) => {
            let response = stream.information().ocsp_response().is_some();
            found.ocsp = Some(Offered::of(response));
            if let Some(shown) = shown::on(&connecting, trust, true) {
                found.show(shown);
            }
            let _ = stream.close().await;
        }
        Err(refused) => {
            // What was shown before it failed.
            if let Some(shown) = shown::on(&connecting, trust, false) {
                found.show(shown);
            }
            found.failed = Some(refused.why);
        }
    }
    shown::of_older(prober, seen, trust, &mut found).await?;
    if let Some(why) = &found.failed {
        if seen.offers(TLS_1_3) {
            found.schemes = Some(Accepted {
                unknown: Some(why.clone()),
                ..Accepted::default()
            });
        }
        return Ok(found);
    }
    if seen.offers(TLS_1_3) {
        found.schemes = Some(shown::schemes(prober, seen, trust, &mut found).await?);
    }
    found.renegotiation = renegotiation::by_client(prober, seen).await?;
    for protocol in ["h2", "http/1.1", "x-unknown"] {
        let wish = Wish {
            alpn: &[protocol],
            ..Wish::default()
        };
        let mut connecting = self::connecting(prober, seen, wish)?;
        let word = match connect(prober, &mut connecting).await {
            Ok(stream) => {
                let word = match stream.information().alpn_protocol() {
                    Some(_) => "chosen",
                    None => "ignored",
                };
                let _ = stream.close().await;
                word.to_owned()
            }
            Err(Refused {
                alert: Some(AlertDescription::NO_APPLICATION_PROTOCOL),
                ..
            }) => "refused".to_owned(),
            Err(refused) => format!("unknown: {}", refused.why),
        };
        found.alpn.push((protocol, word));
    }
    names::all(prober, seen, &mut found, other).await?;
    sessions::all(prober, seen, &mut found, other).await?;
    if seen.offers(TLS_1_3) {
        found.ech = Some(ech(prober).await);
    }
    Ok(found)
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
    let destination = destination(prober);
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

/// Why there is no connection.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) why: String,
    /// What the server has said.
    pub(super) alert: Option<AlertDescription>,
    /// Whether the server said that when its key exchange was there already and was right, with the signature if it has one
    /// (before TLS 1.3).
    pub(super) came_after_signature: bool,
}

/// A connection, over what is scanned.
pub(super) enum Connection {
    Stream(TlsStream<Io>),
    Datagrams(DtlsConnection),
}

impl Connection {
    pub(super) fn information(&self) -> &ConnectionInformation {
        match self {
            Self::Stream(stream) => stream.information(),
            Self::Datagrams(connection) => connection.information(),
        }
    }

    /// Closes it when its tickets are here. An error says that the server has refused us.
    pub(super) async fn close(self) -> Result<(), Failure> {
        match self {
            Self::Stream(stream) => connecting::close(stream, CLOSE_WITHIN).await,
            Self::Datagrams(connection) => match connection.close(HEARD_WITHIN).await {
                Err(error) if error.alert().is_some() => Err(Failure::connection(&error.into())),
                _ => Ok(()),
            },
        }
    }
}

pub(super) async fn connect(
    prober: &mut Prober,
    connecting: &mut Connecting,
) -> Result<Connection, Refused> {
    prober.turn().await.map_err(|why| Refused {
        why,
        alert: None,
        came_after_signature: false,
    })?;
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
    prober.note(is_answered(&connected));
    connected.map_err(|failure| {
        let waits_for_end = matches!(
            failure.stage(),
            Some("WaitNewSessionTicket" | "WaitChangeCipherSpec" | "WaitFinished")
        );
        let alert = failure.refusal();
        Refused {
            why: failure.to_string(),
            alert,
            came_after_signature: alert.is_some() && waits_for_end,
        }
    })
}

/// Until the time is over.
pub(super) async fn within<T>(
    until: Instant,
    connected: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let late = |_| Err(Failure::timeout(OVER));
    timeout_at(until, connected).await.unwrap_or_else(late)
}

/// Whether a connection stands, or the server has said why not.
pub(super) fn is_answered<T>(connected: &Result<T, Failure>) -> bool {
    let is_refused = |failure: &Failure| failure.json()["alert"].is_object();
    connected.as_ref().err().is_none_or(is_refused)
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

/// Whether the server has groups of TLS 1.3 whose shares are short, as far as is known.
pub(super) fn has_short_groups(seen: &Seen) -> bool {
    let accepted = accepted_groups(seen);
    accepted.is_empty() || accepted.iter().any(|code| *code < HYBRIDS)
}

fn accepted_groups(seen: &Seen) -> Vec<u16> {
    let groups = seen.groups.iter().filter(|(code, _)| *code == TLS_1_3);
    let groups = groups.flat_map(|(_, accepted)| &accepted.codes);
    groups.copied().collect()
}

/// What a client is to be like.
#[derive(Debug, Default)]
pub(super) struct Wish<'a> {
    pub(super) alpn: &'a [&'a str],
    /// `None`: all that the server speaks.
    pub(super) version: Option<ProtocolVersion>,
    /// `None`: all that have certificates.
    pub(super) suites: Option<Vec<CipherSuite>>,
    /// How the server may sign.
    pub(super) schemes: Option<Vec<SignatureScheme>>,
    pub(super) renegotiates: bool,
    pub(super) name: Said,
}

/// Everything that is spoken here and has certificates, and nobody is refused.
pub(super) fn connecting(
    prober: &Prober,
    seen: &Seen,
    wish: Wish<'_>,
) -> Result<Connecting, Failure> {
    let misuse = |error: portcullis::Misuse| Failure::usage(error.to_string());
    let has_certificates = |suite: &CipherSuite| {
        suite.info().is_some_and(|info| {
            matches!(
                info.authentication,
                Authentication::Any | Authentication::Rsa | Authentication::Ecdsa
            ) && matches!(
                info.key_exchange,
                KeyExchange::Any | KeyExchange::Ecdhe | KeyExchange::Dhe | KeyExchange::Rsa
            )
        })
    };
    let versions: Vec<_> = match wish.version {
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
    let suites = wish.suites.unwrap_or_else(|| {
        let supported = CipherSuite::SUPPORTED.iter().copied();
        supported.filter(has_certificates).filter(usable).collect()
    });
    let mut groups = groups(versions.contains(&ProtocolVersion::TLS_1_3));
    // Of groups that no suite agrees on nothing is said.
    let agrees_by = |exchange: KeyExchange| {
        let mut suites = suites.iter().filter_map(|suite| suite.info());
        suites.any(|info| {
            matches!(info.key_exchange, KeyExchange::Any) || info.key_exchange == exchange
        })
    };
    let (curves, fields) = (agrees_by(KeyExchange::Ecdhe), agrees_by(KeyExchange::Dhe));
    groups.retain(|group| match group.0 {
        0x0100..HYBRIDS => fields,
        _ => curves,
    });
    if let (Over::Datagrams, [ProtocolVersion::TLS_1_3]) = (prober.over, &*versions) {
        // A share that does not fit into the first hello is asked for, and a second hello has no early data (RFC 8446
        // §4.2.10): what the server has besides is good enough.
        let mut accepted = accepted_groups(seen);
        if has_short_groups(seen) {
            accepted.retain(|code| *code < HYBRIDS);
        }
        groups.retain(|group| accepted.is_empty() || accepted.contains(&group.0));
    }
    let mut config = ClientConfig::dangerous_builder_without_verification()
        .cipher_suites(suites)
        .versions(versions)
        .alpn(wish.alpn)
        // What is too short is said, and hinders nobody from asking.
        .key_minimum(1_024)
        .dh_minimum(1_024)
        .request_ocsp_response(true);
    if !groups.is_empty() {
        config = config.groups(groups);
    }
    if let Some(schemes) = wish.schemes {
        // Whoever signed the certificate is none of this.
        let any = SignatureScheme::SUPPORTED.iter().copied();
        let any: Vec<_> = any
            .filter(|scheme| !scheme.to_string().starts_with("dsa_"))
            .collect();
        config = config
            .signature_schemes(schemes)
            .certificate_signature_schemes(any);
    }
    config = config.server_name_indication(match wish.name {
        Said::Own => ServerNameIndication::Send,
        Said::Other(name) => ServerNameIndication::SendOther(name),
        Said::None => ServerNameIndication::Omit,
    });
    if wish.renegotiates {
        config = config.renegotiation(Renegotiation::Once);
    }
    let config = config.build().map_err(misuse)?;
    Ok(Connecting::new(destination(prober), config, None))
}

fn destination(prober: &Prober) -> Destination {
    let destination = prober.destination().clone();
    match prober.over {
        Over::Stream => destination,
        // No hello is said more than eight times, as everywhere here.
        Over::Datagrams => destination.limited_to(LONGEST_HANDSHAKE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::Route;

    #[tokio::test]
    async fn over_datagrams_no_handshake_says_its_hello_for_long() {
        let route = Route {
            starttls: None,
            name: None,
            resolve: Vec::new(),
            ipv4: false,
            ipv6: false,
            bind: None,
            proxy: None,
            unix: None,
            timeout: Some(3_600),
        };
        let to = route.to("127.0.0.1:1").unwrap();
        let total = Duration::from_secs(60);
        let prober = Prober::new(to, 300, 1_000, total);
        assert_eq!(destination(&prober).limit, Duration::from_secs(3_600));
        let prober = prober.over_datagrams();
        assert_eq!(destination(&prober).limit, LONGEST_HANDSHAKE);
    }
}
