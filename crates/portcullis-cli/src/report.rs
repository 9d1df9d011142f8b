//! What is known of a connection, as JSON or as text.

use std::net::SocketAddr;

use portcullis::ech::EchStatus;
use portcullis::pki_types::UnixTime;
use portcullis::suite::{Authentication, CipherSuite};
use portcullis::x509::{OcspStatus, OcspVerdict};
use portcullis::{
    CertificateDer, ConnectionInformation, EarlyDataRejection, EarlyDataStatus, x509,
};
use serde_json::{Map, Value, json};

use crate::certificate;
use crate::failure::Failure;
use crate::text::{hex, printable};

/// What was found about the peer's chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was verified against these roots.
    Verified(String),
    /// Nobody asked; this is what verification would have said.
    Skipped(Result<String, String>),
    /// It was refused.
    Refused(String),
}

impl Verdict {
    fn text(&self) -> String {
        match self {
            Self::Verified(roots) => format!("verified against {roots}"),
            Self::Skipped(Ok(roots)) => {
                format!("NOT VERIFIED; it would have been accepted by {roots}")
            }
            Self::Skipped(Err(why)) => format!("NOT VERIFIED; it would have been refused: {why}"),
            Self::Refused(why) => format!("REFUSED: {why}"),
        }
    }

    fn json(&self) -> Value {
        let (verified, would, reason) = match self {
            Self::Verified(_) => (true, true, None),
            Self::Skipped(Ok(_)) => (false, true, None),
            Self::Skipped(Err(why)) => (false, false, Some(why)),
            Self::Refused(why) => (false, false, Some(why)),
        };
        json!({ "verified": verified, "acceptable": would, "reason": reason })
    }
}

/// A client's connection, or as far as it came.
#[derive(Debug, Default)]
pub(crate) struct Report<'a> {
    pub(crate) target: String,
    /// Of the server. Behind a proxy nobody knows it.
    pub(crate) address: Option<SocketAddr>,
    /// Of the proxy that was reached.
    pub(crate) proxy: Option<SocketAddr>,
    pub(crate) server_name: String,
    pub(crate) starttls: Option<&'static str>,
    pub(crate) information: Option<&'a ConnectionInformation>,
    /// What the server showed.
    pub(crate) chain: &'a [CertificateDer<'static>],
    pub(crate) verdict: Option<Verdict>,
    /// Whether an OCSP response was asked for.
    pub(crate) asks_for_status: bool,
}

impl Report<'_> {
    /// For programs; with the certificates themselves, if they are wanted.
    pub(crate) fn json(&self, with_pem: bool) -> Value {
        let mut report = Map::new();
        report.insert("schema".to_owned(), "portcullis.client/1".into());
        report.insert("target".to_owned(), self.target.clone().into());
        let address = self.address.map(|address| address.to_string());
        report.insert("address".to_owned(), address.into());
        let proxy = self.proxy.map(|proxy| proxy.to_string());
        report.insert("proxy".to_owned(), proxy.into());
        report.insert("server_name".to_owned(), self.server_name.clone().into());
        report.insert("starttls".to_owned(), self.starttls.into());
        if let Some(information) = self.information {
            report.append(&mut negotiated(information));
        }
        let status = self.status().map(|status| status.json());
        report.insert("ocsp".to_owned(), status.into());
        let chain = self.chain.iter();
        let chain: Vec<_> = chain.map(|der| certificate::json(der, with_pem)).collect();
        report.insert("peer_certificates".to_owned(), chain.into());
        let verdict = self.verdict.as_ref().map(Verdict::json);
        report.insert("verdict".to_owned(), verdict.into());
        report.into()
    }

    /// What came of asking for an OCSP response, if the handshake came to its end.
    fn status(&self) -> Option<Status<'_>> {
        let information = self.information.filter(|_| self.asks_for_status)?;
        Some(Status { information })
    }

    /// For people: one line for each fact, then the chain.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![("server", self.target.clone())];
        if let Some(address) = self.address {
            lines.push(("address", address.to_string()));
        }
        if let Some(proxy) = self.proxy {
            lines.push(("proxy", proxy.to_string()));
        }
        if let Some(protocol) = self.starttls {
            lines.push(("STARTTLS", protocol.to_owned()));
        }
        if let Some(information) = self.information {
            lines.extend(facts(information));
            lines.push(("own certificate", own(information)));
        }
        if let Some(status) = self.status() {
            lines.push(("OCSP response", status.text()));
        }
        lines.push(("server's name", self.server_name.clone()));
        if let Some(verdict) = &self.verdict {
            lines.push(("verdict", verdict.text()));
        } else if self
            .information
            .is_some_and(|known| is_anonymous(&known.cipher_suite()))
        {
            let nobody = "NOT VERIFIED; the server has shown nothing";
            lines.push(("verdict", nobody.to_owned()));
        }
        listed(lines) + &chain(self.chain)
    }
}

/// What the OCSP response says that came with the server's certificate.
#[derive(Clone, Copy, Debug)]
struct Status<'a> {
    information: &'a ConnectionInformation,
}

impl Status<'_> {
    fn text(self) -> String {
        let verdict = self.information.ocsp_verdict();
        match (self.information.ocsp_response(), verdict) {
            (None, _) if self.information.is_resumed() => {
                "none; none comes when a session is resumed".to_owned()
            }
            (None, _) => "none".to_owned(),
            (Some(response), None) => format!("{} bytes, NOT VERIFIED", response.len()),
            (Some(_), Some(Err(why))) => format!("does not count: it {why}"),
            (Some(_), Some(Ok(verdict))) => format!(
                "{}, says {}, until {}",
                name(verdict.status()),
                printable(verdict.responder()),
                certificate::unix_date(verdict.expires_at())
            ),
        }
    }

    fn json(self) -> Value {
        let response = self.information.ocsp_response();
        let verdict = self.information.ocsp_verdict();
        let good = verdict.and_then(|verdict| verdict.as_ref().ok());
        let seconds = |time: UnixTime| time.as_secs();
        json!({
            "status": good.map(|verdict| name(verdict.status())),
            "responder": good.map(OcspVerdict::responder),
            "this_update": good.map(|verdict| seconds(verdict.this_update())),
            "next_update": good.and_then(OcspVerdict::next_update).map(seconds),
            "unusable": verdict.and_then(|verdict| verdict.as_ref().err()).map(ToString::to_string),
            "response": response.map(|der| hex(der, "")),
        })
    }
}

fn name(status: OcspStatus) -> &'static str {
    match status {
        OcspStatus::Good => "good",
        OcspStatus::Revoked { .. } => "revoked",
        OcspStatus::Unknown => "unknown",
        _ => "a status that is not known",
    }
}

/// What a server knows of a connection, for programs.
pub(crate) fn of_client(client: Option<SocketAddr>, information: &ConnectionInformation) -> Value {
    let mut report = whom(client);
    report.insert("ok".to_owned(), true.into());
    let name = information.server_name();
    report.insert("server_name".to_owned(), name.into());
    report.append(&mut negotiated(information));
    let chain = information.peer_certificates().iter();
    let chain: Vec<_> = chain.map(|der| certificate::json(der, false)).collect();
    report.insert("peer_certificates".to_owned(), chain.into());
    report.into()
}

/// Why a client has not been served, or not to the end.
pub(crate) fn of_failure(client: Option<SocketAddr>, failure: &Failure) -> Value {
    let mut report = whom(client);
    report.insert("ok".to_owned(), false.into());
    report.insert("error".to_owned(), failure.json());
    report.into()
}

fn whom(client: Option<SocketAddr>) -> Map<String, Value> {
    let mut report = Map::new();
    report.insert("schema".to_owned(), "portcullis.server/1".into());
    let client = client.map(|client| client.to_string());
    report.insert("client".to_owned(), client.into());
    report
}

/// What a server knows of a connection: one line for each fact, then the client's chain.
pub(crate) fn text(information: &ConnectionInformation) -> String {
    text_with(information, information.peer_certificates())
}

/// The same, with the chain that the client has shown after the handshake.
pub(crate) fn text_with(information: &ConnectionInformation, own: &[CertificateDer<'_>]) -> String {
    let mut lines = facts(information);
    let name = information.server_name().unwrap_or("none");
    lines.push(("server's name", name.to_owned()));
    let names = own
        .first()
        .map(|der| x509::subject_alt_names(der).join(", "));
    lines.push((
        "client's names",
        names.unwrap_or("no certificate".to_owned()),
    ));
    listed(lines) + &chain(own)
}

fn facts(information: &ConnectionInformation) -> Vec<(&'static str, String)> {
    let group = information.group();
    let resumed = match information.is_resumed() {
        true => "yes",
        false => "no",
    };
    let mut facts = vec![
        ("version", information.version().to_string()),
        ("cipher suite", information.cipher_suite().to_string()),
        (
            "group",
            group.map_or("none".to_owned(), |group| group.to_string()),
        ),
        ("resumed", resumed.to_owned()),
        ("ALPN", alpn(information).unwrap_or("none".to_owned())),
    ];
    let early = early_data(information);
    facts.extend(early.map(|early| ("early data", early.to_owned())));
    facts.extend(ech(information).map(|ech| ("encrypted ClientHello", ech.to_owned())));
    let shared = |bytes: Option<&[u8]>| bytes.map(|text| printable(&String::from_utf8_lossy(text)));
    facts.extend(shared(information.psk_identity()).map(|identity| ("pre-shared key", identity)));
    facts.extend(shared(information.srp_user()).map(|user| ("user", user)));
    facts
}

/// What became of an encrypted ClientHello, if there was one.
fn ech(information: &ConnectionInformation) -> Option<&'static str> {
    match information.ech() {
        EchStatus::Accepted => Some("accepted"),
        EchStatus::Grease => Some("pretended"),
        EchStatus::Declined => Some("declined"),
        _ => None,
    }
}

/// What became of early data, if there was some.
pub(crate) fn early_data(information: &ConnectionInformation) -> Option<&'static str> {
    let why = match information.early_data() {
        EarlyDataStatus::Accepted => return Some("accepted"),
        EarlyDataStatus::Rejected(why) => why,
        _ => return None,
    };
    Some(match why {
        EarlyDataRejection::NotResumed => "rejected: the session was not resumed",
        EarlyDataRejection::Retried => "rejected: another hello was asked for",
        EarlyDataRejection::NotAllowed => "rejected: the ticket allows none",
        EarlyDataRejection::OtherSuite => "rejected: it is of another cipher suite",
        EarlyDataRejection::OtherProtocol => "rejected: it is of another application protocol",
        EarlyDataRejection::TicketAge => "rejected: the ticket is not as old as the client says",
        EarlyDataRejection::Replayed => "rejected: it was there before, or nobody can tell",
        _ => "rejected",
    })
}

/// Whether nothing proves who the ends are.
pub(crate) fn is_anonymous(suite: &CipherSuite) -> bool {
    let info = suite.info();
    info.is_some_and(|info| info.authentication == Authentication::Anonymous)
}

fn alpn(information: &ConnectionInformation) -> Option<String> {
    let protocol = information.alpn_protocol()?;
    Some(printable(&String::from_utf8_lossy(protocol)))
}

/// What this side showed.
fn own(information: &ConnectionInformation) -> String {
    match information.local_certificate() {
        Some(der) => x509::subject(der).unwrap_or_default(),
        None => "not shown".to_owned(),
    }
}

fn listed(lines: Vec<(&'static str, String)>) -> String {
    let lines = lines.into_iter();
    lines
        // A blank stands between them also where a name is longer than the column.
        .map(|(name, value)| format!("{:<16} {value}\n", format!("{name}:")))
        .collect()
}

/// The certificates of a chain, one block of text for each.
fn chain(chain: &[CertificateDer<'_>]) -> String {
    let chain = chain.iter().enumerate();
    chain
        .map(|(number, der)| certificate::text(number, der))
        .collect()
}

/// Everything but secrets.
fn negotiated(information: &ConnectionInformation) -> Map<String, Value> {
    let scheme = information.peer_signature_scheme();
    let facts = json!({
        "version": information.version().to_string(),
        "cipher_suite": information.cipher_suite().to_string(),
        "group": information.group().map(|group| group.to_string()),
        "hello_retried": information.hello_retried(),
        "resumed": information.is_resumed(),
        "alpn": information.alpn_protocol().map(String::from_utf8_lossy),
        "early_data": early_data(information),
        "ech": ech(information),
        "psk_identity": information.psk_identity().map(String::from_utf8_lossy),
        "srp_user": information.srp_user().map(String::from_utf8_lossy),
        "peer_signature_scheme": scheme.map(|scheme| scheme.to_string()),
        "local_certificate": information.local_certificate().map(|der| x509::subject(der)),
        "client_random": hex(information.client_random(), ""),
        "server_random": hex(information.server_random(), ""),
    });
    match facts {
        Value::Object(facts) => facts,
        _ => Map::new(),
    }
}
