//! What must hold once the handshake is over.

use portcullis_core::session::ClientSession;
use portcullis_core::x509::{RawPublicKey, Sct, SctSource};
use portcullis_core::{CertificateType, ConnectionInformation, ProtocolVersion, SignatureScheme};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::Stop;
use crate::ech;
use crate::handshake::Done;
use crate::options::{Options, of_tls};

/// Checks every `-expect-…` flag, and what must hold without one.
pub(crate) fn check(options: &Options, done: &Done, has_session: bool) -> Result<(), Stop> {
    let information = &done.information;
    let expect = &options.expect;
    let wrong = |what: &str| Err(Stop::failed(format!("not as expected: {what}")));

    if information.is_server() != options.server {
        return wrong("role");
    }
    if expect
        .version
        .is_some_and(|version| version != information.version())
    {
        return wrong("version");
    }
    check_older(options, done, has_session)?;
    ech::check(options, information)?;
    let is_missed = has_session && !information.is_resumed() && !expect.session_miss;
    let is_older = of_tls(information.version()) < ProtocolVersion::TLS_1_3;
    if is_missed && options.server && is_older && !done.offered_ticket {
        return Err(Stop::unimplemented("a server's sessions by id"));
    }
    if information.is_resumed() != (has_session && !expect.session_miss) {
        return wrong("resumption");
    }
    let alpn = match options.server {
        true => &options.select_alpn,
        false => &expect.alpn,
    };
    if information.alpn_protocol().unwrap_or_default() != alpn.as_slice() {
        return wrong("application protocol");
    }
    let next_protocol = information.next_protocol().unwrap_or_default();
    if (expect.no_next_proto || !expect.next_proto.is_empty()) && next_protocol != expect.next_proto
    {
        return wrong("protocol of NPN");
    }
    if let Some(name) = &expect.server_name
        && information.server_name() != Some(name.as_str())
    {
        return wrong("server name");
    }
    if expect.no_server_name && information.server_name().is_some() {
        return wrong("server name");
    }
    if expect
        .curve
        .is_some_and(|group| information.group() != Some(group))
    {
        return wrong("group");
    }
    if expect
        .cipher
        .iter()
        .any(|suite| *suite != information.cipher_suite())
    {
        return wrong("cipher suite");
    }
    if expect
        .hrr
        .is_some_and(|retried| retried != information.hello_retried())
    {
        return wrong("HelloRetryRequest");
    }
    // BoringSSL keeps the response with the session; here whoever wants it back does.
    let response = information.ocsp_response();
    if !options.server
        && !information.is_resumed()
        && !expect.ocsp_response.is_empty()
        && response != Some(&*expect.ocsp_response)
    {
        return wrong("OCSP response");
    }
    let expected = &expect.signed_cert_timestamps;
    if !options.server && !information.is_resumed() && !expected.is_empty() {
        let scts = information.scts();
        let sent = scts
            .iter()
            .filter(|sct| sct.source() == SctSource::TlsExtension);
        let mut list = Vec::new();
        for sct in sent.map(Sct::as_bytes) {
            list.extend(u16::try_from(sct.len()).unwrap_or_default().to_be_bytes());
            list.extend(sct);
        }
        let length = u16::try_from(list.len()).unwrap_or_default().to_be_bytes();
        if [&length[..], &list].concat() != *expected {
            return wrong("timestamps of logs");
        }
    }
    // Where nothing was to be verified, nothing is wrong.
    if expect.verify_result && done.verified.unwrap_or(true) == options.verify_fail {
        return wrong("verification result");
    }
    // BoringSSL names none where nothing on the wire does.
    let scheme = match of_tls(information.version()) < ProtocolVersion::TLS_1_2 {
        true => Some(SignatureScheme(0)),
        false => information.peer_signature_scheme(),
    };
    if expect.peer_signature_algorithm.is_some() && expect.peer_signature_algorithm != scheme {
        return wrong("peer's signature scheme");
    }
    check_peer_certificates(options, done)?;
    check_credential(options, done)
}

/// The same of a handshake that is not the first: it resumes nothing, and both ends are who they were.
pub(crate) fn check_again(options: &Options, done: &Done) -> Result<(), Stop> {
    let wrong = |what: &str| {
        Err(Stop::failed(format!(
            "not as expected: {what} after renegotiation"
        )))
    };
    let information = &done.information;
    if information.is_resumed() {
        return wrong("resumption");
    }
    let expect = &options.expect;
    if !options.server && information.alpn_protocol().unwrap_or_default() != expect.alpn {
        return wrong("application protocol");
    }
    if expect.verify_result && done.verified.unwrap_or(true) == options.verify_fail {
        return wrong("verification result");
    }
    check_peer_certificates(options, done)?;
    check_credential(options, done)
}

fn check_credential(options: &Options, done: &Done) -> Result<(), Stop> {
    let wrong = |what: &str| Err(Stop::failed(format!("not as expected: {what}")));
    let expect = &options.expect;
    if expect
        .selected_credential
        .is_some_and(|number| number != done.credential.unwrap_or(-1))
    {
        return wrong("credential");
    }
    Ok(())
}

/// What TLS 1.3 has or has not in any case (RFC 8446 D, §4.1.2), and what is older may have.
fn check_older(options: &Options, done: &Done, is_resumption: bool) -> Result<(), Stop> {
    let information = &done.information;
    let expect = &options.expect;
    let is_kept = done.kept_by_id;
    if !is_resumption && ((expect.no_session_id && is_kept) || (expect.session_id && !is_kept)) {
        return Err(Stop::failed("not as expected: a session by its id"));
    }
    if expect.extended_master_secret && !information.extended_master_secret() {
        return Err(Stop::failed("not as expected: extended master secret"));
    }
    let is_secure = information.secure_renegotiation();
    if (expect.secure_renegotiation && !is_secure) || (expect.no_secure_renegotiation && is_secure)
    {
        return Err(Stop::failed("not as expected: secure renegotiation"));
    }
    Ok(())
}

/// A client gets a session unless a flag says otherwise; before TLS 1.3, where it resumes none.
pub(crate) fn check_session(
    options: &Options,
    information: &ConnectionInformation,
    session: Option<&ClientSession>,
) -> Result<(), Stop> {
    let received = session.is_some();
    let allows = session.map(|session| session.max_early_data() > 0);
    let expected = options.expect.ticket_supports_early_data;
    let is_tls13 = of_tls(information.version()) == ProtocolVersion::TLS_1_3;
    if !options.server && is_tls13 && allows.is_some_and(|allows| allows != expected) {
        return Err(Stop::failed("not as expected: early data with the session"));
    }
    // Who shuts down at once may get one or not.
    let any = options.server || (is_tls13 && options.body.shim_shuts_down);
    let renewed = is_tls13 || !information.is_resumed() || options.expect.ticket_renewal;
    let due = renewed && !options.expect.no_session;
    match any || received == due {
        true => Ok(()),
        false => Err(Stop::failed("not as expected: a session from the server")),
    }
}

fn check_raw_key(options: &Options, spki: &[u8]) -> Result<(), Stop> {
    let expect = &options.expect;
    let is_other_type = expect
        .peer_certificate_type
        .is_some_and(|typ| typ != CertificateType::RAW_PUBLIC_KEY);
    if is_other_type || expect.no_peer_cert || expect.peer_cert_file.is_some() {
        return Err(Stop::failed("the peer showed a raw key"));
    }
    let key = RawPublicKey::new(spki).map_err(|error| Stop::failed(error.to_string()))?;
    if !expect.peer_rpk_sha256.is_empty() && key.sha256()[..] != expect.peer_rpk_sha256[..] {
        return Err(Stop::failed("the peer showed another raw key"));
    }
    Ok(())
}

fn check_peer_certificates(options: &Options, done: &Done) -> Result<(), Stop> {
    let information = &done.information;
    if let Some(key) = information.peer_raw_public_key() {
        return check_raw_key(options, key);
    }
    let shown = information.peer_certificates();
    let expected = options.expect.peer_certificate_type;
    if expected.is_some_and(|typ| typ != CertificateType::X509) {
        return Err(Stop::failed("the peer showed no raw key"));
    }
    let due = (!options.server || options.require_any_client_certificate)
        && options.psk.is_empty()
        && information.psk_identity().is_none();
    if options.expect.no_peer_cert && !shown.is_empty() {
        return Err(Stop::failed("the peer showed a certificate"));
    }
    if !options.expect.no_peer_cert && due && shown.is_empty() {
        return Err(Stop::failed("the peer showed no certificate"));
    }
    if let Some(file) = &options.expect.peer_cert_file {
        let expected = CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| Stop::failed(format!("{}: {error}", file.display())))?;
        if expected != shown {
            return Err(Stop::failed("the peer showed another chain"));
        }
    }
    Ok(())
}
