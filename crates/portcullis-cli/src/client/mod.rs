//! `portcullis client`: verification on, standard input out, answers in, and a summary of what
//! was negotiated.

mod commands;
mod conversation;
mod datagrams;
mod sessions;

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use clap::{Args, ValueEnum};
use portcullis::config::{Renegotiation, ServerNameIndication};
use portcullis::ech::EchConfigList;
use portcullis::suite::CipherSuite;
use portcullis::{
    CertificateDer, ClientConfig, ConnectionInformation, DtlsConnection, DtlsOptions,
    EarlyDataOutcome, Identity, MemorySessionStore, OcspPolicy, PreSharedKey, ServerName,
    SignatureScheme, TlsStream,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::cert::KeyPassword;
use crate::connect::Route;
use crate::connecting::{Connecting, Trust};
use crate::crl::Lists;
use crate::failure::Failure;
use crate::io::Io;
use crate::logins::{Credentials, Login};
use crate::report::{self, Report};
use crate::shared_keys::SharedKeys;
use crate::spoken::Spoken;
use crate::text::hex;
use crate::wording::NO_CERTIFICATE_WANTED;
use crate::{Verbosity, algorithms, certificate, files, key_log};
use conversation::{CLOSE_WITHIN, Manner, converse};
use sessions::Sessions;

#[derive(Debug, Args)]
pub(crate) struct Client {
    /// Where to connect: HOST, HOST:PORT or a URL; the port is 443, or that of the protocol.
    #[arg(value_name = "TARGET")]
    target: String,
    #[command(flatten)]
    route: Route,
    /// Ask for this name (SNI) in place of the one that the certificate must have, or with `none` for no name.
    #[arg(long, value_parser = asked_for, value_name = "NAME|none")]
    sni: Option<ServerNameIndication>,
    /// Trust the certificates in this PEM file instead of those of the operating system.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    cafile: Option<PathBuf>,
    /// DANGEROUS: accept any server. Anyone on the path can read and change everything.
    #[arg(long)]
    insecure: bool,
    /// Our own certificate chain (PEM), for servers that ask for one.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// The key of --cert (PEM), if it is in a file of its own.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    #[command(flatten)]
    password: KeyPassword,
    #[command(flatten)]
    spoken: Spoken,
    /// Signature schemes that are accepted of the server, in order of preference, separated by commas. Named with
    /// SHA-1 or SHA-224, they are signed with, too.
    #[arg(long, value_delimiter = ',', value_parser = algorithms::signature_scheme, value_name = "NAMES")]
    sigalgs: Vec<SignatureScheme>,
    #[command(flatten)]
    keys: SharedKeys,
    #[command(flatten)]
    login: Login,
    #[command(flatten)]
    lists: Lists,
    /// Ask the server for an OCSP response, say what it says, and refuse the server that it speaks against; with
    /// `=require` also one that has none.
    #[arg(long, value_enum, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "accept")]
    status: Option<Status>,
    #[command(flatten)]
    sessions: Sessions,
    /// Encrypt the ClientHello (RFC 9849): the base64 of the server's HTTPS record, a file behind @, or `grease`, which
    /// pretends. A server that does not decrypt it ends in an error that says what to do.
    #[arg(long, value_name = "BASE64|@FILE|grease")]
    ech: Option<String>,
    /// With --ech: where the server has other keys by now, connect once more, with the configurations that it sends, and
    /// print these.
    #[arg(long, requires = "ech", conflicts_with = "early_data")]
    ech_retry: bool,
    /// Let the server ask for --cert after the handshake, too (TLS 1.3, RFC 8446 §4.6.2); without --cert it hears that
    /// there is none. This end closes five seconds after the end of standard input, if the server has not before.
    #[arg(long)]
    post_handshake_auth: bool,
    /// Append the connection's secrets to this file (SSLKEYLOGFILE format).
    #[arg(long, value_name = "FILE")]
    keylog: Option<PathBuf>,
    /// Print keying material of the connection with this label, in hexadecimal (RFC 5705, RFC 8446 §7.5): with --json in
    /// its line, and else on standard error. It is a secret of both ends.
    #[arg(long, value_name = "LABEL")]
    keying_material: Option<String>,
    /// With --keying-material: how many bytes, 1 to 4,096. [default: 32]
    #[arg(long, value_name = "BYTES", requires = "keying_material", value_parser = clap::value_parser!(u16).range(1..=4_096))]
    keying_length: Option<u16>,
    /// With --keying-material: its context. Before TLS 1.3 an empty one is another than none.
    #[arg(long, value_name = "TEXT", requires = "keying_material")]
    keying_context: Option<String>,
    /// Print what was negotiated, or what failed, as one line of JSON before anything else. What
    /// fails after that line is a line of JSON on standard error.
    #[arg(long)]
    json: bool,
    /// Print the server's chain as PEM before anything else; with --json, in its line.
    #[arg(long)]
    showcerts: bool,
    /// Write the server's chain as PEM to a new file, also if it is refused.
    #[arg(long, value_name = "FILE")]
    save_cert: Option<PathBuf>,
    /// Speak DTLS, over UDP: each line of standard input is a message, and each message that comes is printed.
    #[arg(long, conflicts_with_all = ["commands", "starttls", "bind", "proxy", "unix"])]
    dtls: bool,
    /// With --dtls: the longest datagram of the handshake, in bytes of UDP payload. [default: 1200]
    #[arg(long, value_name = "BYTES", requires = "dtls", value_parser = clap::value_parser!(u16).range(228..=65_507))]
    mtu: Option<u16>,
    /// With --dtls: connection ids, so that a connection goes on when an address changes (RFC 9146, RFC 9147). The
    /// peer's records have one of so many random bytes, 8 to 32; with 0 they have none, and this side's what the
    /// peer wants. [default without a number: 0]
    #[arg(long, value_name = "BYTES", requires = "dtls", num_args = 0..=1, default_missing_value = "0", value_parser = crate::parse_cid)]
    cid: Option<usize>,
    /// Lines of standard input that begin with a colon are commands: `:renegotiate` (before TLS 1.3, which
    /// lets the server renegotiate, too) and `:update-keys` (TLS 1.3); with two they are data.
    #[arg(long)]
    commands: bool,
    #[command(flatten)]
    pub(crate) verbosity: Verbosity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Status {
    /// Whoever has none is not refused, unless its certificate says that it comes with one.
    Accept,
    /// Whoever has none is refused.
    Require,
}

/// Reads what is asked for.
fn asked_for(text: &str) -> Result<ServerNameIndication, String> {
    if text == "none" {
        return Ok(ServerNameIndication::Omit);
    }
    match ServerName::try_from(text.to_owned()) {
        Ok(ServerName::DnsName(name)) => Ok(ServerNameIndication::SendOther(name)),
        _ => Err("it is a host name in its ASCII form, or none; an address is no such name (RFC 6066 §3)".to_owned()),
    }
}

impl Client {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let store = self.sessions.store();
        let mut connecting = match self.connecting(store.clone()) {
            Ok(connecting) => connecting,
            Err(failure) => {
                let report = Report {
                    target: crate::target::shown(&self.target),
                    ..Report::default()
                };
                return Err(self.failed(&report, failure));
            }
        };
        let conversed = if self.dtls {
            let (connection, first) = match self.connect_dtls(&mut connecting).await {
                Ok(connected) => connected,
                Err(failure) => return Err(self.unconnected(&connecting, failure)?),
            };
            self.connected(&connecting, connection.information())?;
            if let (Some(ids), true) = (crate::connection_ids(&connection), self.wants_text()) {
                eprintln!("{:<17}{ids}", "connection ids:");
            }
            datagrams::exchange(connection, &first, self.post_handshake_auth).await
        } else {
            let (stream, first) = match self.connect(&mut connecting).await {
                Ok(connected) => connected,
                Err(failure) => return Err(self.unconnected(&connecting, failure)?),
            };
            self.connected(&connecting, stream.information())?;
            let manner = Manner {
                has_commands: self.commands,
                is_asked: self.post_handshake_auth,
            };
            converse(stream, &first, manner).await
        };
        let logs_in = self.login.is_there();
        self.sessions.write(store.as_deref(), logs_in).await?;
        conversed.map_err(|error| {
            let failure = Failure::connection(&error);
            if !self.json {
                return failure;
            }
            eprintln!(
                "{}",
                failure_json(json!({ "target": self.target }), &failure)
            );
            failure.told()
        })
    }

    /// Keeps and says what is known of a connection.
    fn connected(
        &self,
        connecting: &Connecting,
        information: &ConnectionInformation,
    ) -> Result<(), Failure> {
        let chain = information.peer_certificates();
        self.save(chain)?;
        self.summarize(connecting, information)?;
        let options: Vec<_> = self.about_certificates().collect();
        if chain.is_empty() && !options.is_empty() {
            let options = options.join(", ");
            eprintln!("{options}: the server has shown no certificate");
        }
        Ok(())
    }

    /// The same of one that did not come to be; gives what remains to be said.
    fn unconnected(&self, connecting: &Connecting, failure: Failure) -> Result<Failure, Failure> {
        let chain = connecting.chain();
        self.save(&chain)?;
        let failure = match self.trusts_nobody() {
            true => failure.worded(NO_CERTIFICATE_WANTED),
            false => failure,
        };
        Ok(self.failed(&connecting.report(None, &chain), failure))
    }

    /// Everything that can be known before the first packet.
    fn connecting(&self, store: Option<Arc<MemorySessionStore>>) -> Result<Connecting, Failure> {
        let destination = self.route.to(&self.target)?;
        self.sessions.check()?;
        let offered = self.sessions.read()?;
        if let Some(file) = self.save_cert.as_ref().filter(|file| file.exists()) {
            let file = file.display();
            return Err(Failure::usage(format!(
                "--save-cert {file}: is there already"
            )));
        }
        self.check_options()?;
        self.check_certificates()?;
        let misuse = |error: portcullis::Misuse| Failure::usage(error.to_string());
        let trust = match self.insecure {
            true => None,
            false if self.trusts_nobody() => Some(Trust::none()),
            false => Some(Trust::load(self.cafile.as_deref()).map_err(misuse)?),
        };
        self.keys
            .check(&self.spoken.ciphers, self.spoken.tls.as_ref())?;
        self.login
            .check(&self.spoken.ciphers, self.spoken.tls.as_ref())?;
        let (keys, login) = (
            self.keys.load(self.spoken.tls.as_ref())?,
            self.login.load()?,
        );
        let identity = match &self.cert {
            Some(cert) => Some(self.password.identity(cert, self.key.as_deref())?),
            None => None,
        };
        let (list, grease) = match self.ech.as_deref() {
            None => (None, false),
            Some("grease") if self.ech_retry => {
                return Err(Failure::usage(
                    "--ech-retry has no effect with --ech grease: nothing is encrypted, so nothing is rejected",
                ));
            }
            Some("grease") => (None, true),
            Some(text) => (Some(crate::ech::list(text)?), false),
        };
        let config = self
            .config(trust.as_ref(), identity, keys, login)
            .map_err(misuse)?;
        let config = match list {
            Some(list) => config.with_ech(list).map_err(misuse)?,
            None if grease => config
                .to_builder()
                .ech_grease(true)
                .build()
                .map_err(misuse)?,
            None => config,
        };
        let log = key_log(self.keylog.as_deref())?;
        let crls = self.lists.source()?;
        let (name, versions) = (&destination.name, self.spoken.tls.as_ref());
        self.sessions
            .say_if_useless(&offered, name, versions, self.dtls);
        let connecting = Connecting::new(destination, config, trust);
        let connecting = match self.status {
            Some(_) => connecting.asking_for_status(),
            None => connecting,
        };
        let connecting = match self.spoken.ciphers.iter().any(report::is_anonymous) {
            true => connecting.without_chain(),
            false => connecting,
        };
        Ok(connecting.with(|connector| {
            let connector = match crls {
                Some(crls) => connector.crls(crls),
                None => connector,
            };
            let connector = match log {
                Some(log) => connector.key_log(log),
                None => connector,
            };
            let connector = match store {
                Some(store) => connector.session_store(store),
                None => connector,
            };
            match offered.is_empty() {
                true => connector,
                false => connector.offering(offered),
            }
        }))
    }

    /// Refuses what has no effect, or contradicts another option.
    fn check_options(&self) -> Result<(), Failure> {
        let versions = self.spoken.tls.as_ref();
        algorithms::check_alpn(&self.spoken.alpn)?;
        algorithms::check_groups(&self.spoken.groups, &self.suites(), versions)?;
        for (is_given, option) in [
            (self.sessions.have_early_data(), "--early-data"),
            (self.ech.is_some(), "--ech"),
        ] {
            if is_given {
                algorithms::takes_newest(option, versions)?;
            }
        }
        Ok(())
    }

    /// Refuses what is about certificates where none can come.
    fn check_certificates(&self) -> Result<(), Failure> {
        let may_come = !self.trusts_nobody() && self.suites_have_certificates();
        // Suites that there are not in these versions are refused for that.
        let spoken = |suite: &CipherSuite| algorithms::is_spoken(*suite, self.spoken.tls.as_ref());
        if may_come || !self.spoken.ciphers.is_empty() && !self.spoken.ciphers.iter().any(spoken) {
            return Ok(());
        }
        // Nobody is asked for one, either.
        let own = self.cert.is_some() && !self.post_handshake_auth;
        let more = [
            (self.cafile.is_some(), "--cafile"),
            (!self.sigalgs.is_empty(), "--sigalgs"),
            (own, "--cert"),
        ];
        let more = more
            .into_iter()
            .filter_map(|(is_given, name)| is_given.then_some(name));
        let Some(option) = more.chain(self.about_certificates()).next() else {
            return Ok(());
        };
        Err(Failure::usage(match self.spoken.ciphers.is_empty() {
            true => format!(
                "{option} has no effect with a pre-shared key or a password, and no --ciphers that have certificates"
            ),
            false => format!("{option} has no effect: no suite of --ciphers has certificates"),
        }))
    }

    /// What was given to see the server's certificates, or to ask about them.
    fn about_certificates(&self) -> impl Iterator<Item = &'static str> {
        [
            (self.showcerts, "--showcerts"),
            (self.save_cert.is_some(), "--save-cert"),
            (self.status.is_some(), "--status"),
            (self.lists.are_wanted(), "--crl"),
        ]
        .into_iter()
        .filter_map(|(is_given, name)| is_given.then_some(name))
    }

    /// Whether a server that shows a certificate is refused, whatever it is.
    fn trusts_nobody(&self) -> bool {
        let has_certificates = !self.spoken.ciphers.is_empty() && self.suites_have_certificates();
        !self.insecure && self.shares_a_secret() && !has_certificates
    }

    /// Whether there is a suite with which a server can show a certificate.
    fn suites_have_certificates(&self) -> bool {
        let suites = self.suites();
        let may_show = |suite| algorithms::has_certificates(suite, self.spoken.tls.as_ref());
        suites.is_empty() || suites.into_iter().any(may_show)
    }

    /// The cipher suites that are offered; none are those of every client.
    fn suites(&self) -> Vec<CipherSuite> {
        let named = self
            .keys
            .ciphers(&self.spoken.ciphers, self.spoken.tls.as_ref());
        algorithms::with_old(self.login.ciphers(&named), self.spoken.tls.as_ref())
    }

    /// Whether both ends prove themselves by something that both know.
    const fn shares_a_secret(&self) -> bool {
        self.keys.are_there() || self.login.is_there()
    }

    fn config(
        &self,
        trust: Option<&Trust>,
        identity: Option<Identity>,
        keys: Vec<PreSharedKey>,
        login: Option<Credentials<'_>>,
    ) -> Result<ClientConfig, portcullis::Misuse> {
        let mut builder = match trust {
            None => ClientConfig::dangerous_builder_without_verification(),
            Some(trust) => ClientConfig::builder(trust.roots.clone()),
        };
        if let Some(identity) = identity {
            builder = builder.identity(identity);
        }
        builder = self.spoken.client(builder, self.suites());
        if !self.sigalgs.is_empty() {
            builder = builder.signature_schemes(self.sigalgs.clone());
        }
        for key in keys {
            builder = builder.psk(key);
        }
        if let Some(Credentials { user, password }) = login {
            builder = builder.srp(user, &*password);
        }
        builder = match self.status {
            None => builder,
            Some(Status::Accept) => builder.ocsp(OcspPolicy::Accept),
            Some(Status::Require) => builder.ocsp(OcspPolicy::Require),
        };
        if self.commands {
            builder = builder.renegotiation(Renegotiation::Accept {
                apart: Renegotiation::APART,
            });
        }
        if let Some(name) = &self.sni {
            builder = builder.server_name_indication(name.clone());
        }
        builder
            .crl_check(self.lists.check())
            .key_log(self.keylog.is_some())
            .post_handshake_authentication(self.post_handshake_auth)
            .build()
    }

    /// The connection that is spoken on, after those before it, and what is to be said on it first.
    async fn connect(
        &self,
        connecting: &mut Connecting,
    ) -> Result<(TlsStream<Io>, Bytes), Failure> {
        let reconnect = self.sessions.reconnect;
        let early = self.sessions.early_data()?;
        let mut list = self.list_to_retry_with()?;
        for number in 1..=reconnect {
            let stream = connect_once(connecting, &mut list).await?;
            say_how(number, stream.is_resumed());
            // Until the server has closed, its tickets come.
            let closed = stream.close(CLOSE_WITHIN).await;
            closed.map_err(|error| Failure::connection(&error.into()))?;
        }
        let (stream, first) = match early {
            None => (connect_once(connecting, &mut list).await?, Bytes::new()),
            Some(early) => {
                let (stream, outcome) = connecting.connect_with_early_data(early).await?;
                (stream, self.unsent(outcome))
            }
        };
        if reconnect > 0 {
            say_how(reconnect.saturating_add(1), stream.is_resumed());
        }
        Ok((stream, first))
    }

    /// Says what became of early data; gives what of it is to be sent now.
    fn unsent(&self, outcome: EarlyDataOutcome) -> Bytes {
        eprintln!(
            "early data: {}",
            match (&outcome, self.dtls) {
                (EarlyDataOutcome::Accepted, _) => "accepted",
                (EarlyDataOutcome::Rejected(_), false) =>
                    "rejected, and sent after the handshake; a server whose store has just begun rejects all for some 80 \
                     seconds",
                (EarlyDataOutcome::Rejected(_), true) =>
                    "rejected, and sent after the handshake; over DTLS a server takes none that asks for a cookie, as for a \
                     hello in several datagrams (with a larger --mtu it is one), or for another share: with --groups x25519 \
                     it needs none",
                (EarlyDataOutcome::NotOffered(_), false) =>
                    "sent after the handshake; it goes before only with a session of TLS 1.3, of --sess-in or --reconnect, that \
                     allows so much",
                (EarlyDataOutcome::NotOffered(_), true) =>
                    "sent after the handshake; over DTLS it goes before only if a session allows it and --mtu has room for it \
                     behind the hello, which is shorter with --groups x25519",
            }
        );
        outcome.into_unsent().unwrap_or_default()
    }

    /// With --ech-retry: the configurations, which others may take the place of.
    fn list_to_retry_with(&self) -> Result<Option<EchConfigList>, Failure> {
        match &self.ech {
            Some(text) if self.ech_retry => crate::ech::list(text).map(Some),
            _ => Ok(None),
        }
    }

    /// The same over DTLS.
    async fn connect_dtls(
        &self,
        connecting: &mut Connecting,
    ) -> Result<(DtlsConnection, Bytes), Failure> {
        let reconnect = self.sessions.reconnect;
        let early = self.sessions.early_data()?;
        let options = crate::datagram_options(self.mtu, self.cid);
        let mut list = self.list_to_retry_with()?;
        for number in 1..=reconnect {
            let connection = connect_dtls_once(connecting, options, &mut list).await?;
            say_how(number, connection.information().is_resumed());
            datagrams::close(connection).await?;
        }
        let (connection, first) = match early {
            None => {
                let connection = connect_dtls_once(connecting, options, &mut list).await?;
                (connection, Bytes::new())
            }
            Some(early) => {
                let connected = connecting.connect_dtls_with_early_data(options, early);
                let (connection, outcome) = connected.await?;
                (connection, self.unsent(outcome))
            }
        };
        if reconnect > 0 {
            let is_resumed = connection.information().is_resumed();
            say_how(reconnect.saturating_add(1), is_resumed);
        }
        Ok((connection, first))
    }

    /// Says what was negotiated, wherever that is wanted.
    fn summarize(
        &self,
        connecting: &Connecting,
        information: &ConnectionInformation,
    ) -> Result<(), Failure> {
        let chain = information.peer_certificates();
        let material = self.material(information)?;
        let report =
            (self.json || self.wants_text()).then(|| connecting.report(Some(information), chain));
        if let (Some(report), true) = (&report, self.wants_text()) {
            eprint!("{}", report.text());
        }
        let mut before = String::new();
        if let (Some(report), true) = (&report, self.json) {
            let mut line = report.json(self.showcerts);
            insert(&mut line, "ok", true.into());
            if let Some(material) = &material {
                insert(&mut line, "keying_material", material.as_str().into());
            }
            before = format!("{line}\n");
        } else if self.showcerts {
            before = certificate::pem(chain);
        }
        if let (Some(material), false) = (&material, self.json) {
            eprintln!("{:<17}{}", "keying material:", material.as_str());
        }
        print(&before)
    }

    /// The keying material that is wanted, in hexadecimal.
    fn material(
        &self,
        information: &ConnectionInformation,
    ) -> Result<Option<Zeroizing<String>>, Failure> {
        let Some(label) = &self.keying_material else {
            return Ok(None);
        };
        let length = usize::from(self.keying_length.unwrap_or(32));
        let mut material = Zeroizing::new(vec![0; length]);
        let context = self.keying_context.as_deref().map(str::as_bytes);
        information
            .export_keying_material(label.as_bytes(), context, &mut material)
            .map_err(|misuse| Failure::usage(format!("--keying-material: {misuse}")))?;
        Ok(Some(Zeroizing::new(hex(&material, ""))))
    }

    /// Says how far it came; what remains to be said of the failure is in the result.
    fn failed(&self, report: &Report<'_>, failure: Failure) -> Failure {
        if self.wants_text() && report.address.or(report.proxy).is_some() {
            eprint!("{}", report.text());
        }
        let printed = if self.json {
            print(&format!(
                "{}\n",
                failure_json(report.json(self.showcerts), &failure)
            ))
        } else if self.showcerts {
            print(&certificate::pem(report.chain))
        } else {
            Ok(())
        };
        printed.err().unwrap_or(failure)
    }

    /// Whether the summary is for a person.
    fn wants_text(&self) -> bool {
        self.verbosity.is_verbose() || !self.json && std::io::stderr().is_terminal()
    }

    fn save(&self, chain: &[CertificateDer<'_>]) -> Result<(), Failure> {
        match &self.save_cert {
            Some(file) if !chain.is_empty() => files::create(
                file,
                certificate::pem(chain).as_bytes(),
                files::Readers::Everyone,
            )
            .map_err(|error| Failure::usage(format!("--save-cert {}: {error}", file.display()))),
            _ => Ok(()),
        }
    }
}

/// Connects; with a list, once more where the server sends another one, which is then in its place.
async fn connect_once(
    connecting: &mut Connecting,
    list: &mut Option<EchConfigList>,
) -> Result<TlsStream<Io>, Failure> {
    let Some(offered) = list.take() else {
        return connecting.connect().await;
    };
    let connected = connecting.connect_with_ech_retry(offered.clone()).await;
    let (stream, accepted) = connected?;
    say_other_keys(&offered, &accepted);
    *list = Some(accepted);
    Ok(stream)
}

/// The same over DTLS.
async fn connect_dtls_once(
    connecting: &mut Connecting,
    options: DtlsOptions,
    list: &mut Option<EchConfigList>,
) -> Result<DtlsConnection, Failure> {
    let connected = connecting.connect_dtls(options, list.clone()).await;
    let (connection, accepted) = connected?;
    if let (Some(offered), Some(accepted)) = (&*list, &accepted) {
        say_other_keys(offered, accepted);
    }
    *list = accepted;
    Ok(connection)
}

fn say_other_keys(offered: &EchConfigList, accepted: &EchConfigList) {
    if accepted.as_bytes() != offered.as_bytes() {
        let accepted = crate::ech::base64(accepted);
        eprintln!("encrypted ClientHello: the server has other keys by now, --ech {accepted}");
    }
}

fn say_how(number: u32, is_resumed: bool) {
    let how = match is_resumed {
        true => "resumed",
        false => "full handshake",
    };
    eprintln!("connection {number}: {how}");
}

fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    written.map_err(|error| Failure::transport("standard output", &error))
}

/// What is known, and why it is not more.
fn failure_json(mut report: Value, failure: &Failure) -> Value {
    insert(&mut report, "ok", false.into());
    insert(&mut report, "error", failure.json());
    report
}

fn insert(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}
