//! From the runner's flags to the core's configuration, with BoringSSL's defaults.

use portcullis_core::config::{
    ClientAuthentication, ClientConfig, ClientConfigBuilder, KeyShares, ServerConfig,
    ServerConfigBuilder, ServerNameIndication,
};
use portcullis_core::suite::CipherSuite;
use portcullis_core::x509::{Identity, Roots};
use portcullis_core::{Handshake, NamedGroup, ProtocolVersion, SignatureScheme};
use rustls_pki_types::{DnsName, ServerName};

use crate::Stop;
use crate::credential::Credential;
use crate::options::Options;

/// BoringSSL's default groups.
const GROUPS: &[NamedGroup] = &[
    NamedGroup::X25519_MLKEM768,
    NamedGroup::X25519,
    NamedGroup::SECP256R1,
    NamedGroup::SECP384R1,
];

/// BoringSSL's default list for CertificateVerify: no Ed25519, no P-521.
const VERIFY: &[SignatureScheme] = &[
    SignatureScheme::ECDSA_SECP256R1_SHA256,
    SignatureScheme::RSA_PSS_RSAE_SHA256,
    SignatureScheme::ECDSA_SECP384R1_SHA384,
    SignatureScheme::RSA_PSS_RSAE_SHA384,
    SignatureScheme::RSA_PSS_RSAE_SHA512,
];

/// Protocol used where the application refuses whatever is offered.
pub(crate) const NO_PROTOCOL: &[u8] = b"\x00none of yours";

/// Builds the handshake.
pub(crate) fn handshake(options: &Options, credentials: &[Credential]) -> Result<Handshake, Stop> {
    if !options.allows(ProtocolVersion::TLS_1_3) {
        return Err(Stop::unimplemented("a test without TLS 1.3"));
    }
    if options.server {
        Ok(Handshake::server(server(options, credentials)?))
    } else {
        let name = ServerName::try_from("test").map_err(|_| Stop::failed("the name test"))?;
        Handshake::client(client(options, credentials)?, name)
            .map_err(|error| Stop::failed(error.to_string()))
    }
}

macro_rules! common {
    ($builder:expr, $options:expr, $credentials:expr) => {{
        let options: &Options = $options;
        let mut builder = $builder
            .groups(match options.curves.as_slice() {
                [] => GROUPS,
                curves => curves,
            })
            .observe_messages(options.asynchronous)
            .ask_identity(asks_identity(options, $credentials))
            .ask_signature(options.asynchronous || options.private_key_delay_ms > 0)
            .pause_at_hello(asks_hello(options));
        builder = match options.verify_prefs.as_slice() {
            [] => builder.signature_schemes(VERIFY),
            prefs => {
                let (schemes, certificate_schemes) = verify_prefs(prefs)?;
                builder
                    .signature_schemes(schemes)
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
        builder
    }};
}

/// Splits BoringSSL's one list into what may sign the handshake and what certificates.
fn verify_prefs(
    prefs: &[SignatureScheme],
) -> Result<(Vec<SignatureScheme>, Vec<SignatureScheme>), Stop> {
    let known = |list: &[SignatureScheme], scheme: &SignatureScheme| list.contains(scheme);
    if let Some(scheme) = prefs.iter().find(|scheme| {
        !known(SignatureScheme::TLS13_DEFAULT, scheme)
            && !known(SignatureScheme::CERTIFICATE_ONLY, scheme)
    }) {
        return Err(Stop::unimplemented(format!("-verify-prefs {scheme}")));
    }
    let schemes: Vec<_> = prefs
        .iter()
        .copied()
        .filter(|scheme| scheme.allowed_in_tls13_certificate_verify())
        .collect();
    if schemes.is_empty() {
        return Err(Stop::unimplemented(
            "-verify-prefs without a scheme of TLS 1.3",
        ));
    }
    Ok((schemes, prefs.to_vec()))
}

fn identities(credentials: &[Credential]) -> impl Iterator<Item = Identity> + '_ {
    credentials
        .iter()
        .filter_map(|credential| credential.identity.clone())
}

/// Whether the shim decides which identity is shown, rather than the core: where BoringSSL's
/// rule differs from the core's, or BoringSSL's callback has something to say.
fn asks_identity(options: &Options, credentials: &[Credential]) -> bool {
    options.asynchronous
        || options.fail_cert_callback
        || !options.credentials.is_empty()
        || (!options.server && !credentials.is_empty())
        || identities(credentials).next().is_none()
        || options.expect.client_ca_list.is_some()
        || !options.expect.peer_verify_prefs.is_empty()
}

fn asks_hello(options: &Options) -> bool {
    options.asynchronous
        || options.fail_early_callback
        || options.fail_ddos_callback
        || !options.expect.advertised_alpn.is_empty()
}

fn cipher_suites(options: &Options) -> Result<Vec<CipherSuite>, Stop> {
    let known = |suite: &&CipherSuite| !CipherSuite::SUPPORTED.contains(suite);
    if let Some(suite) = options.tls13_ciphers.iter().find(known) {
        return Err(Stop::unimplemented(format!("-tls13-ciphers {suite}")));
    }
    Ok(match options.tls13_ciphers.as_slice() {
        // BoringSSL's order on a machine with AES instructions.
        [] => vec![
            CipherSuite::TLS_AES_128_GCM_SHA256,
            CipherSuite::TLS_AES_256_GCM_SHA384,
            CipherSuite::TLS_CHACHA20_POLY1305_SHA256,
        ],
        suites => suites.to_vec(),
    })
}

fn client(options: &Options, credentials: &[Credential]) -> Result<ClientConfig, Stop> {
    // The verdict comes from the shim, as from the callback of BoringSSL's.
    let builder = ClientConfig::dangerous_builder_without_verification();
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
    builder
        .cipher_suites(cipher_suites(options)?)
        .key_shares(key_shares)
        .server_name_indication(indication)
        .ask_verification(asks_verdict(options))
        .alpn(protocols(&options.advertise_alpn)?)
        .build()
        .map_err(|misuse| Stop::unimplemented(misuse.to_string()))
}

fn asks_verdict(options: &Options) -> bool {
    options.asynchronous || options.verify_fail || options.verify_peer
}

/// BoringSSL sends a share for its first group and, if one of the two is post-quantum, for the
/// first of the other kind.
fn key_shares(options: &Options) -> KeyShares {
    let groups = match options.curves.as_slice() {
        [] => GROUPS,
        curves => curves,
    };
    let first = groups.first().copied();
    let second = groups.iter().copied().find(|group| {
        first.is_some_and(|first| first.is_post_quantum() != group.is_post_quantum())
    });
    KeyShares::Groups(first.into_iter().chain(second).collect())
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

fn server(options: &Options, credentials: &[Credential]) -> Result<ServerConfig, Stop> {
    let mut builder: ServerConfigBuilder = common!(ServerConfig::builder(), options, credentials);
    if let Some(names) = &options.client_ca_list {
        builder = builder.certificate_authorities(names);
    }
    let authentication = if options.verify_peer {
        ClientAuthentication::Optional(Roots::empty())
    } else if options.require_any_client_certificate {
        ClientAuthentication::Required(Roots::empty())
    } else {
        ClientAuthentication::None
    };
    let alpn: Vec<&[u8]> = if options.reject_alpn {
        vec![NO_PROTOCOL]
    } else if options.select_alpn.is_empty() || options.decline_alpn {
        Vec::new()
    } else {
        vec![&options.select_alpn]
    };
    builder
        .cipher_suites(cipher_suites(options)?)
        .client_authentication(authentication)
        .ask_verification(true)
        .alpn(alpn)
        .retry_for_better_group(true)
        .build()
        .map_err(|misuse| Stop::unimplemented(misuse.to_string()))
}
