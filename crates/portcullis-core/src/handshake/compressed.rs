//! A certificate that comes or goes compressed.
//!
//! RFC 8879 §4.

use super::{expect, find, unexpected};
use crate::Violation;
use crate::config::Policy;
use crate::error::Abort;
use crate::record::HandshakeBytes;
use crate::wire::extension::{
    CertificateCompressionAlgorithm as Algorithm, CompressCertificate, Extensions,
};
use crate::wire::{Certificate, CompressedCertificate, HandshakeMessage as _, HandshakeType};
use crate::x509::{Form, Identity, Staple};

/// The Certificate in a message, which `policy` has said may be compressed; in `room`, if it is.
pub(super) fn uncompressed<'a>(
    message: &'a HandshakeBytes,
    policy: &Policy,
    room: &'a mut Vec<u8>,
) -> Result<Certificate<'a>, Abort> {
    if message.typ() != HandshakeType::COMPRESSED_CERTIFICATE {
        return expect(message);
    }
    if policy.compression.is_empty() {
        return Err(unexpected("certificate", message));
    }
    let CompressedCertificate {
        algorithm,
        uncompressed_length,
        compressed,
    } = expect(message)?;
    let mut offered = policy.compression.iter();
    let compression = offered.find(|one| one.algorithm() == algorithm);
    let compression = compression.ok_or(Violation::CertificateCompressionNotOffered)?;
    // Before there is anything of that size.
    let length = usize::try_from(uncompressed_length).unwrap_or(usize::MAX);
    if !(1..=policy.max_handshake_size).contains(&length) {
        return Err(Violation::CompressedCertificateTooLong.into());
    }
    room.resize(length, 0);
    if !compression.decompress(compressed, room) {
        return Err(Violation::BadCompressedCertificate.into());
    }
    Ok(Certificate::decode(room)?)
}

/// The best algorithm that a peer has said it takes.
pub(super) fn chosen(policy: &Policy, said: &Extensions<'_>) -> Result<Option<Algorithm>, Abort> {
    if policy.compression.is_empty() {
        return Ok(None);
    }
    let list = find::<CompressCertificate<'_>>(said)?;
    Ok(list.and_then(|list| policy.compression_for(|one| list.algorithms.contains(one))))
}

/// Writes the Certificate of this side, or the compressed one, with an OCSP response if the peer has asked for one.
pub(super) fn put_certificate(
    out: &mut Vec<u8>,
    identity: &Identity,
    staple: Option<&Staple>,
    by: Option<Algorithm>,
) {
    if let Some(staple) = staple {
        match by.and_then(|algorithm| staple.compressed(algorithm)) {
            Some(message) => out.extend_from_slice(&message),
            None => out.extend_from_slice(staple.message()),
        }
        return;
    }
    match by.and_then(|algorithm| identity.compressed_message(algorithm)) {
        Some(message) => out.extend_from_slice(&message),
        None => out.extend_from_slice(identity.certificate_message(Form::Tls13)),
    }
}

/// §3: a list has each algorithm once. That is looked at wherever it stands, also where nothing is compressed.
pub(super) fn check_list(said: &Extensions<'_>) -> Result<(), Violation> {
    let Some(list) = find::<CompressCertificate<'_>>(said)? else {
        return Ok(());
    };
    // There are at most 127.
    let mut before = Vec::new();
    for algorithm in list.algorithms {
        if before.contains(&algorithm) {
            return Err(Violation::DuplicateCompression);
        }
        before.push(algorithm);
    }
    Ok(())
}
