//! From the runner's flags to the core's configuration, with BoringSSL's defaults.

use std::time::Duration;

use portcullis_core::config::{
    AcknowledgeServerName, BeastMitigation, ClientAuthentication, ClientConfig,
    ClientConfigBuilder, KeyShares, PreSharedKey, Renegotiation, SecureRenegotiation, ServerConfig,
    ServerConfigBuilder, ServerNameIndication,
};
use portcullis_core::session::{AntiReplay, ClientSession};
use portcullis_core::suite::{CipherSuite, HashAlgorithm};
use portcullis_core::x509::{Identity, Roots};
use portcullis_core::{
    AlertDescription, Handshake, Misuse, Monotonic, NamedGroup, Now, ProtocolVersion,
    SignatureScheme, SrtpProfile, Violation,
};
use rustls_pki_types::{DnsName, ServerName};

use crate::compression;
use crate::credential::Credential;
use crate::datagrams;
use crate::options::{Options, of_tls};
use crate::{Past, Stop};

/// BoringSSL's default groups.
const GROUPS: &[NamedGroup] = &[
    NamedGroup::X25519_MLKEM768,
    NamedGroup::X25519,
    NamedGroup::SECP256R1,
    NamedGroup::SECP384R1,
];

/// BoringSSL's default list for the peer's signatures: no Ed25519, no P-521, and SHA-1 with RSA alone.
const VERIFY: &[SignatureScheme] = &[
    SignatureScheme::ECDSA_SECP256R1_SHA256,
    SignatureScheme::RSA_PSS_RSAE_SHA256,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::ECDSA_SECP384R1_SHA384,
    SignatureScheme::RSA_PSS_RSAE_SHA384,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PSS_RSAE_SHA512,
    SignatureScheme::RSA_PKCS1_SHA512,
    SignatureScheme::RSA_PKCS1_SHA1,
];

/// Protocol used where the application refuses whatever is offered.
pub(crate) const NO_PROTOCOL: &[u8] = b"\x00none of yours";

/// What the flags allow of what the core speaks. A configuration whose lists have nothing for one of
/// its versions cannot be built, where BoringSSL never gets to that version.
fn versions(options: &Options) -> Vec<ProtocolVersion> {
    let curves = &options.curves;
    let is_old = |scheme: &SignatureScheme| !MLDSA.contains(scheme);
    let has_old_lists = (curves.is_empty() || !curves.iter().all(|group| group.is_post_quantum()))
        && (options.verify_prefs.is_empty() || options.verify_prefs.iter().any(is_old));
    let has_suite = |version: ProtocolVersion| {
        let suites = older_suites(options);
        suites.iter().any(|suite| exists_in(*suite, version))
    };
    let all = ProtocolVersion::SUPPORTED.iter().copied();
    all.filter(|version| options.allows(*version))
        // Before TLS 1.3 no key is imported.
        .filter(|version| *version == ProtocolVersion::TLS_1_3 || !options.takes_keys_alone())
        .filter(|version| {
            *version == ProtocolVersion::TLS_1_3 || (has_old_lists && has_suite(*version))
        })
        // DTLS 1.0 is TLS 1.1 over datagrams; its flags are those of TLS 1.0.
        .map(|version| match version {
            ProtocolVersion::TLS_1_0 if options.dtls => ProtocolVersion::TLS_1_1,
            version => version,
        })
        .collect()
}

/// What is of TLS 1.3 alone.
const MLDSA: &[SignatureScheme] = &[
    SignatureScheme::MLDSA44,
    SignatureScheme::MLDSA65,
    SignatureScheme::MLDSA87,
];

/// Builds the handshake.
pub(crate) fn handshake(
    options: &Options,
    credentials: &[Credential],
    past: &Past,
) -> Result<Handshake, Stop> {
    if versions(options).is_empty() && options.allows_any_version() {
        return Err(Stop::unimplemented(
            "a version without a suite that is there",
        ));
    }
    if options.dtls && options.enable_early_data {
        return Err(Stop::unimplemented("early data over datagrams"));
    }
    if options.server {
        server_config(options, credentials, past).map(Handshake::server)
    } else {
        client_handshake(options, credentials, past)
    }
}

/// The configuration of a server.
pub(crate) fn server_config(
    options: &Options,
    credentials: &[Credential],
    past: &Past,
) -> Result<ServerConfig, Stop> {
    // BoringSSL's servers give an id to whoever gets no ticket.
    let mut builder = server(options, credentials, past)?
        .resumption(false)
        .ask_sessions(true);
    if !options.no_ticket {
        // BoringSSL sends two.
        builder = builder
            .ticket_keys(past.ticket_keys.clone())
            .ticket_count(2)
            .resumed_ticket_count(2);
    }
    if options.expect.ticket_age_skew.is_some() {
        // The shim has to see the session of a ticket.
        builder = builder.ask_tickets(true);
    }
    if options.enable_early_data && versions(options).contains(&ProtocolVersion::TLS_1_3) {
        builder = builder
            .early_data(match options.expect.ticket_age_skew {
                Some(_) => AntiReplay::asked(),
                None => past.anti_replay.clone(),
            })
            // BoringSSL's limit and tolerance.
            .max_early_data(14_336)
            .early_data_window(Duration::from_secs(60));
    }
    builder.build().map_err(|error| misuse(options, &error))
}

fn client_handshake(
    options: &Options,
    credentials: &[Credential],
    past: &Past,
) -> Result<Handshake, Stop> {
    let name = ServerName::try_from("test").map_err(|_| Stop::failed("the name test"))?;
    if past.is_resumed && past.session.is_none() {
        return Err(Stop::failed("there is no session to offer"));
    }
    let sessions = sessions(options, past).cloned().collect();
    let config = client(options, credentials, !refuses_tickets(options, past))?;
    let client = match options.enable_early_data {
        _ if options.dtls => {
            let settings = datagrams::datagram_options(options);
            let now = Now {
                wall: past.now,
                monotonic: Monotonic(past.clock),
            };
            Handshake::datagram_client(config, name, sessions, settings, now)
        }
        true => Handshake::client_with_early_data(config, name, sessions, past.now),
        false => Handshake::client_resuming(config, name, sessions, past.now),
    };
    client.map_err(|error| Stop::failed(error.to_string()))
}

/// What a client offers.
pub(crate) fn sessions<'a>(
    options: &Options,
    past: &'a Past,
) -> impl Iterator<Item = &'a ClientSession> + use<'a> {
    let offers = !options.server && !refuses_tickets(options, past);
    past.session.iter().filter(move |_| offers)
}

/// Whether the client does without tickets. BoringSSL's flag is about those of before TLS 1.3 alone,
/// the core's option about all: it is off where TLS 1.3 is not at stake.
fn refuses_tickets(options: &Options, past: &Past) -> bool {
    let is_older = |session: &ClientSession| of_tls(session.version()) < ProtocolVersion::TLS_1_3;
    let past_is_older = past.session.as_ref().is_some_and(is_older);
    options.no_ticket && (past_is_older || !options.allows(ProtocolVersion::TLS_1_3))
}

macro_rules! common {
    ($builder:expr, $options:expr, $credentials:expr) => {{
        let options: &Options = $options;
        let mut builder = $builder
            .versions(versions(options))
            .strict_alert_levels(true)
            // BoringSSL has no minimum of its own.
            .key_minimum(1_024)
            .renegotiation(renegotiation(options))
            .secure_renegotiation(match options.no_legacy_server_connect {
                true => SecureRenegotiation::Demanded,
                false => SecureRenegotiation::ForRenegotiation,
            })
            .beast_mitigation(match options.cbc_record_splitting {
                true => BeastMitigation::OneNMinusOne,
                false => BeastMitigation::Off,
            })
            .groups(groups(options))
            // Of TLS 1.3 alone; BoringSSL says nothing of it before.
            .certificate_compression(
                match versions(options).contains(&ProtocolVersion::TLS_1_3) {
                    true => compression::installed(options),
                    false => Vec::new(),
                },
            )
            .observe_messages(options.asynchronous || options.early_write_after.is_some())
            .ask_identity(asks_identity(options, $credentials))
            .ask_signature(options.asynchronous || options.private_key_delay_ms > 0)
            .pause_at_hello(asks_hello(options));
        builder = match options.verify_prefs.as_slice() {
            [] => builder.signature_schemes(with_weak(
                verify_prefs(VERIFY, &versions(options)).0,
                options,
                $credentials,
            )),
            prefs => {
                let (schemes, certificate_schemes) = verify_prefs(prefs, &versions(options));
                builder
                    .signature_schemes(with_weak(schemes, options, $credentials))
                    .certificate_signature_schemes(certificate_schemes)
            }
        };
        if let Some(bytes) = options.max_cert_list {
            builder = builder.max_handshake_size(bytes);
        }
        if let Some(bytes) = options.max_send_fragment {
            builder = builder.max_fragment_sent(bytes);
        }
        for identity in identities($credentials) {
            builder = builder.identity(identity);
        }
        for psk in imported_psks(options) {
            builder = builder.psk(psk?);
        }
        if !options.psk.is_empty() {
            let psk = PreSharedKey::new(&options.psk_identity, &options.psk);
            builder = builder.psk(psk.map_err(|error| Stop::failed(error.to_string()))?);
        }
        // BoringSSL says nothing of it in TLS 1.3 alone; here that is refused when it is built.
        if let Some(protocols) = next_protocols(options)?
            && versions(options) != [ProtocolVersion::TLS_1_3]
        {
            builder = builder.next_protocols(protocols);
        }
        builder
    }};
}

/// RFC 9258.
fn imported_psks(options: &Options) -> impl Iterator<Item = Result<PreSharedKey, Stop>> + '_ {
    options.imported_psks().map(|(_, psk)| {
        let hash = match psk.is_of_sha384 {
            true => HashAlgorithm::Sha384,
            false => HashAlgorithm::Sha256,
        };
        let imported = PreSharedKey::new(&psk.identity, &psk.key)
            .and_then(|key| key.for_hash(hash).imported(&psk.context));
        imported.map_err(|error| Stop::failed(error.to_string()))
    })
}

/// NPN: what a server lists, what a client selects.
fn next_protocols(options: &Options) -> Result<Option<Vec<Vec<u8>>>, Stop> {
    Ok(match options.server {
        true if options.advertise_empty_npn => Some(Vec::new()),
        true if !options.advertise_npn.is_empty() => Some(protocols(&options.advertise_npn)?),
        false if options.select_empty_next_proto => Some(Vec::new()),
        false if !options.select_next_proto.is_empty() => {
            Some(vec![options.select_next_proto.clone()])
        }
        _ => None,
    })
}

/// BoringSSL's default ends the connection; its servers know nothing else.
fn renegotiation(options: &Options) -> Renegotiation {
    if options.server || options.forbid_renegotiation_after_handshake {
        Renegotiation::Forbid
    } else if options.renegotiate_freely || options.renegotiate_explicit {
        Renegotiation::Accept {
            apart: Duration::ZERO,
        }
    } else if options.renegotiate_once {
        Renegotiation::Once
    } else if options.renegotiate_ignore {
        Renegotiation::Ignore
    } else {
        Renegotiation::Forbid
    }
}

/// Those that a configured version has.
fn groups(options: &Options) -> Vec<NamedGroup> {
    let groups = match options.curves.as_slice() {
        [] => GROUPS,
        curves => curves,
    };
    let has_tls13 = versions(options).contains(&ProtocolVersion::TLS_1_3);
    let groups = groups.iter().copied();
    groups
        .filter(|group| has_tls13 || !group.is_post_quantum())
        .collect()
}

/// Splits BoringSSL's one list into what may sign the handshake and what certificates.
///
/// In TLS 1.3 PKCS#1 is for certificates alone (RFC 8446 §4.2.3), and SHA-1 for nothing else. Where that leaves nothing for the handshake Ed25519 stands in: a
/// configuration that could end no handshake cannot be built, and the runner avoids an empty list
/// in the same way (`NoVerify-RSA_PKCS1_MD5_SHA1`).
fn verify_prefs(
    prefs: &[SignatureScheme],
    versions: &[ProtocolVersion],
) -> (Vec<SignatureScheme>, Vec<SignatureScheme>) {
    let has_tls13 = versions.contains(&ProtocolVersion::TLS_1_3);
    let is_tls13_alone = versions == [ProtocolVersion::TLS_1_3];
    let supported = |scheme: &SignatureScheme| SignatureScheme::SUPPORTED.contains(scheme);
    let mut certificate_schemes: Vec<_> = prefs.iter().copied().filter(supported).collect();
    let is_new = |scheme: &SignatureScheme| scheme.allowed_in_tls13_certificate_verify();
    let mut schemes = certificate_schemes.clone();
    if is_tls13_alone {
        schemes.retain(is_new);
    }
    if has_tls13 && !schemes.iter().any(is_new) {
        schemes.push(SignatureScheme::ED25519);
    }
    if certificate_schemes.is_empty() {
        certificate_schemes.push(SignatureScheme::ED25519);
    }
    (schemes, certificate_schemes)
}

/// What signs with SHA-1 has to be named where the core is told what it accepts: BoringSSL has a list for each, and
/// without one for signing an ECDSA key signs so, too.
fn with_weak(
    mut schemes: Vec<SignatureScheme>,
    options: &Options,
    credentials: &[Credential],
) -> Vec<SignatureScheme> {
    const WEAK: [SignatureScheme; 2] =
        [SignatureScheme::ECDSA_SHA1, SignatureScheme::RSA_PKCS1_SHA1];
    let is_old = |version: &ProtocolVersion| *version != ProtocolVersion::TLS_1_3;
    if versions(options).iter().any(is_old) {
        let named = options.credentials.iter();
        let named = named.chain([&options.default_credential]);
        let named = named.flat_map(|credential| &credential.signing_prefs);
        let own = credentials.iter().flat_map(Credential::schemes);
        let own = own.filter(|_| named.clone().next().is_none() && options.verify_prefs.is_empty());
        let weak = named
            .clone()
            .chain(own)
            .filter(|scheme| WEAK.contains(scheme));
        for scheme in weak {
            if !schemes.contains(scheme) {
                schemes.push(*scheme);
            }
        }
    }
    schemes
}

/// What the core says against a configuration.
fn misuse(options: &Options, misuse: &Misuse) -> Stop {
    if options.ech.reject_unusable {
        return Stop::Failed {
            token: Some(":UNUSABLE_ECH_CONFIG_LIST:"),
            message: misuse.to_string(),
        };
    }
    match options.allows_any_version() {
        true => Stop::unimplemented(misuse.to_string()),
        false => Stop::Failed {
            token: Some(":NO_SUPPORTED_VERSIONS_ENABLED:"),
            message: misuse.to_string(),
        },
    }
}

fn identities(credentials: &[Credential]) -> impl Iterator<Item = Identity> + '_ {
    credentials
        .iter()
        .filter_map(|credential| credential.identity.clone())
}

/// Whether the shim decides which identity is shown, rather than the core: where BoringSSL's
/// rule differs from the core's, or BoringSSL's callback has something to say.
fn asks_identity(options: &Options, credentials: &[Credential]) -> bool {
    if options.server && options.takes_keys_alone() {
        return false;
    }
    options.asynchronous
        || options.fail_cert_callback
        || !options.credentials.is_empty()
        || (!options.server && !credentials.is_empty())
        || identities(credentials).next().is_none()
        || options.expect.client_ca_list.is_some()
        || !options.expect.peer_verify_prefs.is_empty()
        || options.fail_ocsp_callback && options.server
}

fn asks_hello(options: &Options) -> bool {
    options.asynchronous
        || options.fail_early_callback
        || options.fail_ddos_callback
        || options.select_empty_alpn
        || prefers_certificate(options)
        || !options.expect.advertised_alpn.is_empty()
}

/// Whether a server has a certificate that comes before its pre-shared keys. BoringSSL's order is that of the
/// credentials; the core's is keys first.
pub(crate) fn prefers_certificate(options: &Options) -> bool {
    let first = options.credentials.first();
    options.server
        && options.imported_psks().next().is_some()
        && first.is_some_and(|first| first.psk.is_none())
}

fn cipher_suites(options: &Options) -> Result<Vec<CipherSuite>, Stop> {
    let known = |suite: &&CipherSuite| !CipherSuite::SUPPORTED.contains(suite);
    if let Some(suite) = options.tls13_ciphers.iter().find(known) {
        return Err(Stop::unimplemented(format!("-tls13-ciphers {suite}")));
    }
    let versions = versions(options);
    // BoringSSL's order on a machine with AES instructions.
    let mut suites = match options.tls13_ciphers.as_slice() {
        _ if !versions.contains(&ProtocolVersion::TLS_1_3) => Vec::new(),
        [] => vec![
            CipherSuite::TLS_AES_128_GCM_SHA256,
            CipherSuite::TLS_AES_256_GCM_SHA384,
            CipherSuite::TLS_CHACHA20_POLY1305_SHA256,
        ],
        suites => suites.to_vec(),
    };
    let is_usable = |suite: &CipherSuite| versions.iter().any(|one| exists_in(*suite, *one));
    suites.extend(older_suites(options).into_iter().filter(is_usable));
    Ok(suites)
}

fn exists_in(suite: CipherSuite, version: ProtocolVersion) -> bool {
    suite.info().is_some_and(|info| info.exists_in(version))
}

/// Those before TLS 1.3.
fn older_suites(options: &Options) -> Vec<CipherSuite> {
    let suites = options.ciphers.as_deref().unwrap_or(OLDER_SUITES);
    // BoringSSL has those with a pre-shared key only where there is one.
    let is_usable = |suite: &CipherSuite| !PSK_SUITES.contains(suite) || !options.psk.is_empty();
    suites.iter().copied().filter(is_usable).collect()
}

/// BoringSSL's default, but for RSA key exchange.
pub(crate) const OLDER_SUITES: &[CipherSuite] = &[
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
    CipherSuite::TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
    CipherSuite::TLS_RSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_RSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_RSA_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_PSK_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_RSA_WITH_AES_256_CBC_SHA,
    CipherSuite::TLS_PSK_WITH_AES_256_CBC_SHA,
];

/// Those of BoringSSL's with a pre-shared key.
pub(crate) const PSK_SUITES: &[CipherSuite] = &[
    CipherSuite::TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA,
    CipherSuite::TLS_PSK_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_PSK_WITH_AES_256_CBC_SHA,
];

fn client(
    options: &Options,
    credentials: &[Credential],
    session_tickets: bool,
) -> Result<ClientConfig, Stop> {
    // The verdict comes from the shim, as from the callback of BoringSSL's.
    let builder = match (options.takes_keys_alone(), options.ech.roots()?) {
        (true, _) => ClientConfig::builder(Roots::empty()),
        // Who has only its public name to prove is judged by the core.
        (false, Some(roots)) => ClientConfig::builder(roots),
        (false, None) => ClientConfig::dangerous_builder_without_verification(),
    };
    let builder: ClientConfigBuilder = common!(builder, options, credentials);
    let indication = match &options.host_name {
        None => ServerNameIndication::Omit,
        Some(name) => ServerNameIndication::SendOther(
            DnsName::try_from(name.clone())
                .map_err(|_| Stop::unimplemented(format!("-host-name {name}")))?,
        ),
    };
    let key_shares = match &options.key_shares {
        Some(groups) => KeyShares::Groups(groups.clone()),
        None => key_shares(options),
    };
    let mut builder = options.ech.client(builder)?.grease(options.grease);
    if !options.accepted_peer_cert_types.is_empty() {
        builder = builder.server_certificate_types(options.accepted_peer_cert_types.clone());
    }
    if !options.available_client_cert_types.is_empty() {
        builder = builder.client_certificate_types(options.available_client_cert_types.clone());
    }
    builder
        .cipher_suites(cipher_suites(options)?)
        .key_shares(key_shares)
        .server_name_indication(indication)
        .ask_verification(asks_verdict(options) && !options.takes_keys_alone())
        .alpn(protocols(&options.advertise_alpn)?)
        .srtp(srtp_profiles(options)?)
        .accept_unoffered_alpn(options.allow_unknown_alpn_protos)
        // Before TLS 1.3 what is not to be offered is not kept either.
        .session_tickets(session_tickets)
        .request_ocsp_response(options.enable_ocsp_stapling)
        .request_scts(options.enable_signed_cert_timestamps)
        // RFC 8446 §4.3.1 wants illegal_parameter; BoringSSL has one word for all extensions.
        .alert_instead(
            Violation::ExtensionMisplaced,
            AlertDescription::UNSUPPORTED_EXTENSION,
        )
        // RFC 8446 §5 has unexpected_message for records of a type that is not due; BoringSSL tries
        // to open them first.
        .alert_instead(
            Violation::UnprotectedRecord,
            AlertDescription::BAD_RECORD_MAC,
        )
        .fallback(options.fallback_scsv)
        .build()
        .map_err(|error| misuse(options, &error))
}

fn asks_verdict(options: &Options) -> bool {
    let has_ech = !options.ech.config_list.is_empty();
    options.asynchronous
        || options.verify_fail
        || options.verify_peer
        || options.use_ocsp_callback
        || has_ech
}

/// BoringSSL sends a share for its first group and, if one of the two is post-quantum, for the
/// first of the other kind.
fn key_shares(options: &Options) -> KeyShares {
    let groups = groups(options);
    let first = groups.first().copied();
    let second = groups.iter().copied().find(|group| {
        first.is_some_and(|first| first.is_post_quantum() != group.is_post_quantum())
    });
    KeyShares::Groups(first.into_iter().chain(second).collect())
}

/// Over TLS BoringSSL passes over what is configured; here it is refused.
fn srtp_profiles(options: &Options) -> Result<Vec<SrtpProfile>, Stop> {
    let names = options
        .srtp_profiles
        .split(':')
        .filter(|name| !name.is_empty());
    let known = |name| {
        SrtpProfile::from_name(name)
            .ok_or_else(|| Stop::failed("-srtp-profiles names one that is not there"))
    };
    match options.dtls {
        true => names.map(known).collect(),
        false => Ok(Vec::new()),
    }
}

/// The raw list of RFC 7301: each name with its length before it.
fn protocols(mut list: &[u8]) -> Result<Vec<Vec<u8>>, Stop> {
    let mut protocols = Vec::new();
    while let Some((&length, rest)) = list.split_first() {
        let (name, rest) = rest
            .split_at_checked(length.into())
            .ok_or_else(|| Stop::failed("-advertise-alpn is not a list of protocols"))?;
        protocols.push(name.to_vec());
        list = rest;
    }
    Ok(protocols)
}

/// What an application gets that selects this protocol and no other.
pub(crate) fn select_protocol(
    config: &ServerConfig,
    protocol: &[u8],
) -> Result<ServerConfig, Misuse> {
    config.to_builder().alpn([protocol]).build()
}

/// `-enable-ocsp-stapling` has no meaning here: the core does not ask clients for a response (RFC
/// 8446 §4.4.2.1 lets it).
fn server(
    options: &Options,
    credentials: &[Credential],
    past: &Past,
) -> Result<ServerConfigBuilder, Stop> {
    if options.grease {
        return Err(Stop::unimplemented("-enable-grease of a server"));
    }
    let mut builder: ServerConfigBuilder = common!(ServerConfig::builder(), options, credentials);
    let authentication = if options.verify_peer {
        ClientAuthentication::Optional(Roots::empty())
    } else if options.require_any_client_certificate && options.imported_psks().next().is_some() {
        // Who has a key shows none, in BoringSSL too; the core wants to be told so.
        ClientAuthentication::Optional(Roots::empty())
    } else if options.require_any_client_certificate {
        ClientAuthentication::Required(Roots::empty())
    } else {
        ClientAuthentication::None
    };
    if let (Some(names), false) = (
        &options.client_ca_list,
        matches!(authentication, ClientAuthentication::None),
    ) {
        builder = builder.certificate_authorities(names);
    }
    let acknowledge = match (options.no_server_name_ack, &options.expect.server_name) {
        (true, _) => AcknowledgeServerName::Never,
        (false, Some(_)) => AcknowledgeServerName::Any,
        (false, None) => AcknowledgeServerName::Known,
    };
    let alpn: Vec<&[u8]> = if options.reject_alpn {
        vec![NO_PROTOCOL]
    } else if options.select_alpn.is_empty() || options.decline_alpn {
        Vec::new()
    } else {
        vec![&options.select_alpn]
    };
    if !options.psk_identity.is_empty() {
        // BoringSSL's shim has one flag for both.
        builder = builder.psk_identity_hint(&options.psk_identity);
    }
    if !options.accepted_peer_cert_types.is_empty() {
        builder = builder.client_certificate_types(options.accepted_peer_cert_types.clone());
    }
    Ok(options
        .ech
        .server(builder, &past.first_bytes)?
        .cipher_suites(cipher_suites(options)?)
        .client_authentication(authentication)
        .ask_verification(true)
        .ask_psk(options.asynchronous && options.imported_psks().next().is_some())
        // RFC 8446 §6.2 has unknown_psk_identity; BoringSSL has one alert where nothing fits.
        .alert_instead(
            Violation::UnknownPskIdentity,
            AlertDescription::HANDSHAKE_FAILURE,
        )
        .alpn(alpn)
        .srtp(srtp_profiles(options)?)
        .acknowledge_server_name(acknowledge)
        .retry_for_better_group(true))
}
