//! A client's handshake, and what was seen on the way to it or to its failure.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis::answers::{Answers, Questions};
use portcullis::ech::EchConfigList;
use portcullis::pki_types::UnixTime;
use portcullis::question::{Answer, VerifyChain};
use portcullis::x509::{
    CertificateErrorKind, ChainPolicy, OcspError, OcspVerdict, PresentedChain,
    verify_ocsp_response, verify_server,
};
use portcullis::{
    CertificateDer, ClientConfig, ConnectionInformation, DtlsConnection, DtlsConnector,
    DtlsOptions, EarlyDataOutcome, Misuse, Roots, TlsConnector, TlsStream,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::cert::issued;
use crate::connect::{self, Destination};
use crate::failure::Failure;
use crate::io::Io;
use crate::report::{Report, Verdict};
use crate::wording::with_options;

/// Whom a client trusts.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    pub(crate) roots: Roots,
    /// Where they are from.
    pub(crate) origin: String,
}

impl Trust {
    /// Nobody: for servers that show no certificate.
    pub(crate) fn none() -> Self {
        Self {
            roots: Roots::empty(),
            origin: "nobody".to_owned(),
        }
    }

    /// The certificates in a file, or else those of the operating system.
    pub(crate) fn load(file: Option<&Path>) -> Result<Self, Misuse> {
        let roots = match file {
            Some(file) => Roots::from_pem_file(file),
            None => Roots::os(),
        }?;
        let count = roots.len();
        let origin = match file {
            Some(file) => format!("{} ({count} trusted)", file.display()),
            None => format!("the {count} roots of this system"),
        };
        Ok(Self { roots, origin })
    }
}

/// Connects to one server, as often as is wanted.
#[derive(Debug)]
pub(crate) struct Connecting {
    destination: Destination,
    connector: TlsConnector,
    /// `None`: whoever answers is accepted.
    trust: Option<Trust>,
    witness: Witness,
    /// The other end of the transport, which may be a proxy's.
    address: Option<SocketAddr>,
    /// Whether an OCSP response is asked for.
    asks_for_status: bool,
}

impl Connecting {
    pub(crate) fn new(
        destination: Destination,
        config: ClientConfig,
        trust: Option<Trust>,
    ) -> Self {
        let witness = Witness::default();
        Self {
            destination,
            connector: TlsConnector::new(config)
                .without_resumption()
                .answers(witness.clone()),
            trust,
            witness,
            address: None,
            asks_for_status: false,
        }
    }

    /// Changes how connections are made.
    pub(crate) fn with(mut self, change: impl FnOnce(TlsConnector) -> TlsConnector) -> Self {
        self.connector = change(self.connector);
        self
    }

    /// Says what the OCSP response says.
    pub(crate) fn asking_for_status(mut self) -> Self {
        self.asks_for_status = true;
        self
    }

    /// Asks nothing about chains: there may be none, and nobody to be judged.
    pub(crate) fn without_chain(self) -> Self {
        self.with(|connector| connector.answers(Unasked))
    }

    /// Connects and shakes hands.
    ///
    /// # Cancel safety
    /// Dropped, the connection is closed.
    pub(crate) async fn connect(&mut self) -> Result<TlsStream<Io>, Failure> {
        let (connector, io) = self.reach().await?;
        let connected = connector.upgrade(io, self.destination.name.clone()).await;
        connected.map_err(|error| Failure::handshake(&error))
    }

    /// The same, with data that goes out before the handshake is over, if a session allows it.
    ///
    /// # Cancel safety
    /// Dropped, the connection is closed; the server may have got the data.
    pub(crate) async fn connect_with_early_data(
        &mut self,
        data: Vec<u8>,
    ) -> Result<(TlsStream<Io>, EarlyDataOutcome), Failure> {
        let (connector, io) = self.reach().await?;
        let name = self.destination.name.clone();
        let connected = connector.upgrade_with_early_data(io, name, data).await;
        connected.map_err(|error| Failure::handshake(&error))
    }

    /// Connects with an encrypted hello, and once more where the server has other keys and sends what belongs to them. Gives
    /// what it has accepted, too.
    ///
    /// # Cancel safety
    /// Dropped, the connection is closed.
    pub(crate) async fn connect_with_ech_retry(
        &mut self,
        list: EchConfigList,
    ) -> Result<(TlsStream<Io>, EchConfigList), Failure> {
        let deadline = self.destination.deadline();
        self.address = None;
        self.witness.forget();
        let destination = &self.destination;
        // What is known of the transport that was made last: its other end, or why there is none.
        let reached = Mutex::new(None);
        let reach = || async {
            let io = destination.connect(deadline).await;
            let (known, io) = match io {
                Ok(io) => (Ok(io.peer_addr()), Ok(io)),
                Err(failure) => {
                    let error = std::io::Error::other(failure.to_string());
                    (Err(failure), Err(error))
                }
            };
            *reached.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
            io
        };
        let left = connect::left(deadline);
        let connector = self.connector.clone().handshake_timeout(left);
        let name = destination.name.clone();
        let connected = connector.connect_with_ech_retry(name, list, reach).await;
        match reached.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(Err(failure)) => return Err(failure),
            Some(Ok(address)) => self.address = address,
            None => {}
        }
        connected.map_err(|error| Failure::handshake(&error))
    }

    /// Connects over UDP, and shakes hands; with a list as [`connect_with_ech_retry`](Self::connect_with_ech_retry).
    ///
    /// # Cancel safety
    /// Dropped, the connection is closed.
    pub(crate) async fn connect_dtls(
        &mut self,
        options: DtlsOptions,
        list: Option<EchConfigList>,
    ) -> Result<(DtlsConnection, Option<EchConfigList>), Failure> {
        let (connector, addresses) = self.reach_dtls(options).await?;
        let name = self.destination.name.clone();
        let connected = match list {
            None => {
                let connected = connector.connect(&*addresses, name).await;
                connected.map(|connection| (connection, None))
            }
            Some(list) => {
                let connected = connector.connect_with_ech_retry(&*addresses, name, list);
                let connected = connected.await;
                connected.map(|(connection, list)| (connection, Some(list)))
            }
        };
        let (connection, list) = connected.map_err(|error| Failure::handshake(&error))?;
        self.address = connection.peer_addr();
        Ok((connection, list))
    }

    /// Connects over UDP, with a message that goes out with the hello, if a session allows it.
    ///
    /// # Cancel safety
    /// Dropped, the connection is closed; the server may have got the message.
    pub(crate) async fn connect_dtls_with_early_data(
        &mut self,
        options: DtlsOptions,
        message: Vec<u8>,
    ) -> Result<(DtlsConnection, EarlyDataOutcome), Failure> {
        let (connector, addresses) = self.reach_dtls(options).await?;
        let name = self.destination.name.clone();
        let connected = connector.connect_with_early_data(&*addresses, name, message);
        let connected = connected.await;
        let (connection, outcome) = connected.map_err(|error| Failure::handshake(&error))?;
        self.address = connection.peer_addr();
        Ok((connection, outcome))
    }

    async fn reach_dtls(
        &mut self,
        options: DtlsOptions,
    ) -> Result<(DtlsConnector, Vec<SocketAddr>), Failure> {
        let deadline = self.destination.deadline();
        self.address = None;
        self.witness.forget();
        let addresses = self.destination.resolved(deadline).await?;
        self.address = addresses.first().copied();
        let left = connect::left(deadline);
        let connector = self.connector.clone().handshake_timeout(left);
        Ok((DtlsConnector::new(connector).options(options), addresses))
    }

    async fn reach(&mut self) -> Result<(TlsConnector, Io), Failure> {
        let deadline = self.destination.deadline();
        self.address = None;
        self.witness.forget();
        let io = self.destination.connect(deadline).await?;
        self.address = io.peer_addr();
        let left = connect::left(deadline);
        Ok((self.connector.clone().handshake_timeout(left), io))
    }

    /// What the server has shown, also if it was refused.
    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        let seen = self.witness.seen();
        seen.map_or_else(Vec::new, |(chain, _)| chain.certificates().to_vec())
    }

    /// Whether the chain that the server has shown is trusted by somebody, who is named; `None` if it has shown none.
    pub(crate) fn judged_by(&self, trust: &Trust) -> Option<Result<String, String>> {
        let (chain, _) = self.witness.seen()?;
        Some(self.judge(&chain, trust))
    }

    /// The same of a chain that was seen otherwise.
    pub(crate) fn judge(&self, chain: &PresentedChain, trust: &Trust) -> Result<String, String> {
        let policy = ChainPolicy::new(trust.roots.clone());
        verify_server(chain, &self.destination.name, UnixTime::now(), &policy)
            .map(|_| trust.origin.clone())
            .map_err(|error| with_options(&error.to_string()).into_owned())
    }

    /// The OCSP response that came with the server's certificate, and what it says, whoever trusts the chain; `None` if none
    /// came.
    pub(crate) fn status(&self, trust: &Trust) -> Option<Result<OcspVerdict, OcspError>> {
        let (chain, _) = self.witness.seen()?;
        let response = chain.ocsp_response(0)?;
        let policy = ChainPolicy::new(trust.roots.clone());
        let now = UnixTime::now();
        // Its issuer is on the way to a root; else it may be among what was sent.
        let verified = verify_server(&chain, &self.destination.name, now, &policy).ok();
        let above = verified.as_ref().and_then(|verified| {
            let above = verified.path().nth(1);
            above.or_else(|| verified.anchor_certificate())
        });
        let sent = || {
            let mut sent = chain.intermediates().iter();
            sent.find(|der| is_issuer(der, chain.end_entity()))
        };
        let Some(issuer) = above.or_else(sent) else {
            return Some(Err(OcspError::NoIssuer));
        };
        let leaf = chain.end_entity();
        Some(verify_ocsp_response(response, leaf, issuer, now, &policy))
    }

    /// What there is to say of the connection, or of the attempt.
    pub(crate) fn report<'a>(
        &self,
        information: Option<&'a ConnectionInformation>,
        chain: &'a [CertificateDer<'static>],
    ) -> Report<'a> {
        let destination = &self.destination;
        let (address, proxy) = destination.whose(self.address);
        Report {
            target: destination.target.to_string(),
            address,
            proxy,
            server_name: destination.name.to_str().into_owned(),
            starttls: destination.target.starttls.map(|protocol| protocol.name()),
            information,
            chain,
            verdict: self.verdict(),
            asks_for_status: self.asks_for_status,
        }
    }

    /// What is to be thought of the chain that the server has shown.
    fn verdict(&self) -> Option<Verdict> {
        let (chain, revoked) = self.witness.seen()?;
        let check = |trust: &Trust| self.judge(&chain, trust);
        if let (Some(_), Some(why)) = (&self.trust, revoked) {
            return Some(Verdict::Refused(why));
        }
        Some(match &self.trust {
            Some(trust) => match check(trust) {
                Ok(origin) => Verdict::Verified(origin),
                Err(why) => Verdict::Refused(why),
            },
            None => Verdict::Skipped(
                Trust::load(None)
                    .map_err(|misuse| with_options(&misuse.to_string()).into_owned())
                    .and_then(|trust| check(&trust)),
            ),
        })
    }
}

/// Whether a certificate that can be read has issued another one.
fn is_issuer(issuer: &CertificateDer<'_>, other: &CertificateDer<'_>) -> bool {
    let read = [issuer, other].map(|der| X509Certificate::from_der(der));
    match read {
        [Ok((_, issuer)), Ok((_, other))] => issued(&issuer, &other),
        _ => false,
    }
}

/// Closes, and waits until the server has, too: until then its tickets come, and in TLS 1.3 it may only then have seen the
/// client's certificate, and refuse it (RFC 8446 §4.4.2.4). A server that closes badly, or not in time, is no failure.
///
/// # Cancel safety
/// Dropped, the connection is closed.
pub(crate) async fn close(mut stream: TlsStream<Io>, within: Duration) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::connection(&error).while_doing("closing");
    let until = Instant::now() + within;
    match timeout_at(until, stream.shutdown()).await {
        Ok(shut) => shut.map_err(failed)?,
        Err(_) => {
            let seconds = within.as_secs();
            let why = format!("closing: the server takes nothing for {seconds} s");
            return Err(Failure::timeout(why));
        }
    }
    let mut part = [0; 4_096];
    let drained = async {
        loop {
            match stream.read(&mut part).await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(failed(error)),
            }
        }
    };
    match timeout_at(until, drained).await {
        Ok(Err(failure)) if failure.is_refusal_of_peer() => Err(failure),
        _ => Ok(()),
    }
}

/// Decides as configured.
struct Unasked;

impl Answers for Unasked {
    fn questions(&self) -> Questions {
        Questions::none()
    }
}

/// Decides as configured, and keeps the chain that it was asked about: the error of a handshake
/// has none.
#[derive(Clone, Debug, Default)]
struct Witness(Arc<Mutex<Option<Seen>>>);

/// With what revocation lists, or a responder, say against it.
type Seen = (PresentedChain, Option<String>);

impl Witness {
    fn seen(&self) -> Option<Seen> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone()
    }

    fn forget(&self) {
        self.keep(None);
    }

    fn keep(&self, seen: Option<Seen>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }
}

impl Answers for Witness {
    fn questions(&self) -> Questions {
        Questions::none().and_chain()
    }

    async fn verify_chain(&self, question: VerifyChain) -> Answer {
        let verdict = question.check();
        let revoked = verdict.err().filter(|error| {
            use CertificateErrorKind as Kind;
            matches!(
                error.kind(),
                Kind::Revoked { .. }
                    | Kind::RevocationUnknown { .. }
                    | Kind::RevokedByResponder { .. }
                    | Kind::UnknownToResponder { .. }
                    | Kind::BadStaple(_)
                    | Kind::MissingStaple { .. }
            )
        });
        let revoked = revoked.map(|error| with_options(&error.to_string()).into_owned());
        self.keep(Some((question.chain().clone(), revoked)));
        question.verify()
    }
}
