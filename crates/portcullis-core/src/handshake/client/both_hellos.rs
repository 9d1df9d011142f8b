//! The two hellos that an encrypted one is made into, and what stands in which.
//!
//! RFC 9849 §5.1, §6.1.

use super::super::Cx;
use super::grease;
use crate::Misuse;
use crate::dialect::Dialect;
use crate::error::Abort;
use crate::suite::CipherSuite;
use crate::version::Version;
use crate::wire::codec::DecodeError;
use crate::wire::extension::{
    EncryptedClientHello, OfferedPsks, PskIdentity, RawExtension,
    ServerName as ServerNameExtension, put_extension,
};
use crate::wire::list::Element as _;
use crate::wire::{ClientHello, ExtensionType, HandshakeMessage as _, Syntax, is_grease};

/// Whether an extension of the inner hello may stand in the outer one as well, where everybody reads it. What is not
/// listed is for the server alone.
const fn may_be_shared(typ: ExtensionType) -> bool {
    use ExtensionType as E;
    matches!(
        typ,
        E::MAX_FRAGMENT_LENGTH
            | E::STATUS_REQUEST
            | E::CLIENT_CERTIFICATE_TYPE
            | E::SERVER_CERTIFICATE_TYPE
            | E::SUPPORTED_GROUPS
            | E::SIGNATURE_ALGORITHMS
            | E::SIGNATURE_ALGORITHMS_CERT
            | E::APPLICATION_LAYER_PROTOCOL_NEGOTIATION
            | E::RECORD_SIZE_LIMIT
            | E::COOKIE
            | E::COMPRESS_CERTIFICATE
            | E::KEY_SHARE
            | E::EARLY_DATA
            | E::TICKET_REQUEST
            | E::PSK_KEY_EXCHANGE_MODES
            | E::POST_HANDSHAKE_AUTH
            | E::USE_SRTP
            | E::CONNECTION_ID
            | E::RRC
    ) || is_grease(typ.0)
}

/// What only a server before TLS 1.3 looks at; an inner hello is for none (§6.1).
const fn is_of_before_tls13(typ: ExtensionType) -> bool {
    use ExtensionType as E;
    matches!(
        typ,
        E::EXTENDED_MASTER_SECRET
            | E::ENCRYPT_THEN_MAC
            | E::RENEGOTIATION_INFO
            | E::NEXT_PROTOCOL_NEGOTIATION
            | E::EC_POINT_FORMATS
            | E::SESSION_TICKET
    )
}

pub(super) fn parse(hello: &[u8], dialect: Dialect) -> Result<ClientHello<'_>, DecodeError> {
    ClientHello::decode_as(Syntax::of(dialect), hello.get(4..).unwrap_or_default())
}

/// Which extensions of the plain hello stand in both. supported_versions does where nothing older is offered.
pub(super) fn is_shared(
    plain: &ClientHello<'_>,
    version: u16,
) -> impl Fn(&RawExtension<'_>) -> bool + use<> {
    let versions = plain.extensions.raw(ExtensionType::SUPPORTED_VERSIONS);
    let same_versions = versions.is_some_and(|body| grease::only_version(body, version) == body);
    move |extension| match extension.extension_type {
        ExtensionType::SUPPORTED_VERSIONS => same_versions,
        typ => may_be_shared(typ),
    }
}

/// ClientHelloInner (§6.1): what is not in the other one stands first, then what is, in one piece and in the same
/// order.
pub(super) fn inner_of(plain: &ClientHello<'_>, dialect: Dialect) -> Vec<u8> {
    let version = dialect.code(Version::V1_3).0;
    let is_shared = is_shared(plain, version);
    let mut inner = Vec::new();
    let fallback = CipherSuite::TLS_FALLBACK_SCSV;
    let suites = plain
        .cipher_suites
        .iter()
        .filter(|suite| *suite != fallback);
    ClientHello::put_with_cookie(
        &mut inner,
        plain.legacy_version,
        plain.random,
        (plain.legacy_session_id, plain.legacy_cookie),
        suites,
        |out| {
            let of_inner_alone = plain.extensions.iter().filter(|one| {
                !is_shared(one)
                    && !is_of_before_tls13(one.extension_type)
                    && one.extension_type != ExtensionType::PRE_SHARED_KEY
            });
            for extension in of_inner_alone {
                match extension.extension_type {
                    typ @ ExtensionType::SUPPORTED_VERSIONS => put_extension(out, typ, |out| {
                        let versions = grease::only_version(extension.body, version);
                        out.extend_from_slice(&versions);
                    }),
                    _ => extension.put(out),
                }
            }
            EncryptedClientHello::Inner.put(out);
            for extension in plain.extensions.iter().filter(&is_shared) {
                extension.put(out);
            }
            let psk = |one: &RawExtension<'_>| one.extension_type == ExtensionType::PRE_SHARED_KEY;
            if let Some(psk) = plain.extensions.iter().find(psk) {
                psk.put(out);
            }
        },
    );
    inner
}

/// ClientHelloOuter: what everybody may read, for the server with the public name.
pub(super) fn outer_of(
    plain: &ClientHello<'_>,
    random: &[u8; 32],
    public_name: &str,
    extension: &[u8],
    psks: &[(usize, u8)],
    cx: &mut Cx<'_>,
) -> Result<Vec<u8>, Abort> {
    let of_psks = psks
        .iter()
        .map(|(identity, binder)| identity + usize::from(*binder) + 7);
    let length = plain.extensions.as_bytes().len()
        + public_name.len()
        + extension.len()
        + of_psks.sum::<usize>()
        + 32;
    if length > usize::from(u16::MAX) {
        return Err(Misuse::new(
            "ech: the ClientHello would be too long; offer fewer sessions, name fewer authorities, or do without",
        )
        .into());
    }
    let psk = pretended_psks(psks, cx)?;
    let mut outer = Vec::new();
    ClientHello::put_with_cookie(
        &mut outer,
        plain.legacy_version,
        random,
        (plain.legacy_session_id, plain.legacy_cookie),
        plain.cipher_suites.iter(),
        |out| {
            // In the order of a hello that only pretends (§6.2), so that the two are not told apart by it:
            // `grease::put_into`.
            let body = extension;
            let put_ech = |out: &mut Vec<u8>| {
                put_extension(out, ExtensionType::ENCRYPTED_CLIENT_HELLO, |out| {
                    out.extend_from_slice(body);
                });
            };
            let mut is_named = false;
            let mut is_encrypted = false;
            for (at, extension) in plain.extensions.iter().enumerate() {
                let typ = extension.extension_type;
                // What means nothing stands first and last; where no name is indicated, the public one still is.
                let is_grease = is_grease(typ.0);
                let stands_first = is_grease && at == 0;
                if !is_named && !stands_first {
                    ServerNameExtension::put(out, public_name);
                    is_named = true;
                }
                if is_grease && at > 0 {
                    put_ech(out);
                    is_encrypted = true;
                }
                if may_be_shared(typ)
                    || is_of_before_tls13(typ)
                    || typ == ExtensionType::SUPPORTED_VERSIONS
                {
                    extension.put(out);
                }
            }
            if !is_encrypted {
                put_ech(out);
            }
            out.extend_from_slice(&psk);
        },
    );
    Ok(outer)
}

/// §6.1.2: a pre_shared_key that means nothing, in the place of one that must not be seen.
fn pretended_psks(psks: &[(usize, u8)], cx: &mut Cx<'_>) -> Result<Vec<u8>, Abort> {
    let mut out = Vec::new();
    if psks.is_empty() {
        return Ok(out);
    }
    let mut identities = Vec::new();
    for (length, _) in psks {
        let mut identity = vec![0; length + 4];
        cx.fill_random(&mut identity)?;
        identities.push(identity);
    }
    let binders = psks.iter().map(|(_, binder)| *binder);
    OfferedPsks::put(
        &mut out,
        identities.iter().filter_map(|bytes| {
            let (age, identity) = bytes.split_first_chunk()?;
            Some(PskIdentity {
                identity,
                obfuscated_ticket_age: u32::from_be_bytes(*age),
            })
        }),
        binders.clone(),
    );
    let size = OfferedPsks::size_of_binders(binders.clone());
    out.truncate(out.len().saturating_sub(size));
    let mut values = Vec::new();
    for length in binders {
        let mut binder = vec![0; length.into()];
        cx.fill_random(&mut binder)?;
        values.push(binder);
    }
    OfferedPsks::put_binders(&mut out, values);
    Ok(out)
}
