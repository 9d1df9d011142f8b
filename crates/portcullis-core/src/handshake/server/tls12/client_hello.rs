//! ClientHello before TLS 1.3: what the connection may have.
//!
//! RFC 5246 §7.4.1.2; RFC 5746 §3.6, RFC 7366 §2, RFC 7627 §5.2, RFC 8422 §5.1 for the extensions.

use std::sync::Arc;

use super::super::super::renegotiation::{Previous, first_client_hello, later_client_hello};
use super::super::super::{Cx, expect, find};
use super::super::Next;
use super::Negotiated;
use super::groups::{Groups, none_fits};
use super::resumption::resume_or_authenticate;
use crate::Violation;
use crate::config::{ExtendedMasterSecret, ServerOptions};
use crate::error::Abort;
use crate::record::HandshakeBytes;
use crate::version::Version;
use crate::wire::extension::{self, EcPointFormat, EcPointFormats, SupportedGroups};
use crate::wire::{ClientHello, CompressionMethod, ExtensionType};

/// Goes on with `version`, which the client has offered.
pub(in super::super) fn on_hello(
    config: Arc<ServerOptions>,
    version: Version,
    message: HandshakeBytes,
    previous: Option<Arc<Previous>>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let hello: ClientHello<'_> = expect(&message)?;
    let code = cx.dialect.code(version);
    cx.incoming.decided_before_tls13(code)?;
    cx.outgoing.decided_before_tls13(code);
    // The client waits now, so nothing may follow.
    cx.incoming.end_of_flight()?;
    cx.outgoing
        .set_max_fragment(config.policy.max_fragment_sent);
    check_hello(&hello)?;
    let extended = extended_master_secret(&config, &hello)?;
    let encrypt_then_mac = find::<extension::EncryptThenMac>(&hello.extensions)?.is_some()
        && config.policy.encrypt_then_mac;
    let secure_renegotiation = match &previous {
        None => first_client_hello(&config.policy, &hello)?,
        Some(previous) => later_client_hello(previous, &hello).map(|()| true)?,
    };
    let listed = find::<SupportedGroups<'_>>(&hello.extensions)?;
    let groups = Groups::choose(&config, listed.map(|listed| listed.groups.iter()));
    if groups.curve.is_none() && !groups.fit_any(&config, hello.cipher_suites.iter()) {
        return Err(none_fits(&config, code, &hello));
    }
    let wants_ticket = config.gives_tickets_before_tls13()
        && hello.extensions.contains(ExtensionType::SESSION_TICKET);
    // RFC 5077 §3.4: one or the other.
    let wants_id = config.policy.asked.sessions && !wants_ticket && previous.is_none();
    let negotiated = Negotiated {
        config,
        version,
        hello: message,
        groups,
        extended,
        encrypt_then_mac,
        secure_renegotiation,
        previous,
        wants_ticket,
        wants_id,
    };
    resume_or_authenticate(negotiated, cx)
}

/// What every hello must have.
fn check_hello(hello: &ClientHello<'_>) -> Result<(), Violation> {
    // §7.4.1.2: null must be there, whatever else is.
    if !hello
        .legacy_compression_methods
        .contains(CompressionMethod::NULL)
    {
        return Err(Violation::NullCompressionMissing);
    }
    // RFC 8422 §5.1.2.
    if find::<EcPointFormats<'_>>(&hello.extensions)?
        .is_some_and(|list| !list.formats.contains(EcPointFormat::UNCOMPRESSED))
    {
        return Err(Violation::UncompressedPointsMissing);
    }
    Ok(())
}

/// RFC 7627 §5.2.
fn extended_master_secret(
    config: &ServerOptions,
    hello: &ClientHello<'_>,
) -> Result<bool, Violation> {
    let offered = find::<extension::ExtendedMasterSecret>(&hello.extensions)?.is_some();
    match config.policy.extended_master_secret {
        ExtendedMasterSecret::Required if !offered => Err(Violation::ExtendedMasterSecretMissing),
        ExtendedMasterSecret::Off => Ok(false),
        _ => Ok(offered),
    }
}
