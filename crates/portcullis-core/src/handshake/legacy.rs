//! Signatures in messages before TLS 1.3, by the rules of the version: said how they are made, or not.
//!
//! RFC 5246 §7.4.3, §7.4.4, §7.4.8, RFC 4346 the same.

use super::expect;
use crate::error::Abort;
use crate::record::HandshakeBytes;
use crate::rules::{Rules, Signatures};
use crate::wire::extension::DistinguishedName;
use crate::wire::list::List;
use crate::wire::tls12::{self, ClientCertificateType, ServerEcdhParams};
use crate::wire::{CertificateVerify, tls10};
use crate::{SignatureScheme, Violation};

/// A signature as it came.
#[derive(Clone, Copy)]
pub(super) struct Signed<'a> {
    /// How it was made, if that was said.
    pub(super) scheme: Option<SignatureScheme>,
    pub(super) signature: &'a [u8],
}

impl Signed<'_> {
    /// The scheme, if one was said, has to be one that was offered (RFC 5246 §7.4.1.4.1).
    pub(super) fn check_scheme(
        &self,
        offered: &[SignatureScheme],
    ) -> Result<Option<SignatureScheme>, Violation> {
        match self.scheme {
            Some(scheme) => super::offer::check_scheme_before_tls13(offered, scheme).map(Some),
            None => Ok(None),
        }
    }
}

/// What a server wants of a client.
pub(super) struct Requested<'a> {
    pub(super) types: List<'a, ClientCertificateType>,
    /// None where nothing is said of them.
    pub(super) schemes: Option<List<'a, SignatureScheme>>,
    pub(super) authorities: List<'a, DistinguishedName<'a>>,
}

impl Rules {
    pub(super) fn server_key_exchange(
        self,
        message: &HandshakeBytes,
    ) -> Result<(ServerEcdhParams<'_>, Signed<'_>), Abort> {
        let (params, scheme, signature) = match self.signatures {
            Signatures::Said => {
                let exchange: tls12::ServerKeyExchange<'_> = expect(message)?;
                (
                    exchange.params,
                    Some(exchange.algorithm),
                    exchange.signature,
                )
            }
            Signatures::OfKey => {
                let exchange: tls10::ServerKeyExchange<'_> = expect(message)?;
                (exchange.params, None, exchange.signature)
            }
        };
        Ok((params, Signed { scheme, signature }))
    }

    pub(super) fn put_server_key_exchange(
        self,
        out: &mut Vec<u8>,
        params: ServerEcdhParams<'_>,
        scheme: SignatureScheme,
        signature: &[u8],
    ) {
        match self.signatures {
            Signatures::Said => tls12::ServerKeyExchange::put(out, params, scheme, signature),
            Signatures::OfKey => tls10::ServerKeyExchange::put(out, params, signature),
        }
    }

    pub(super) fn certificate_request(
        self,
        message: &HandshakeBytes,
    ) -> Result<Requested<'_>, Abort> {
        match self.signatures {
            Signatures::Said => {
                let request: tls12::CertificateRequest<'_> = expect(message)?;
                Ok(Requested {
                    types: request.certificate_types,
                    schemes: Some(request.supported_signature_algorithms),
                    authorities: request.certificate_authorities,
                })
            }
            Signatures::OfKey => {
                let request: tls10::CertificateRequest<'_> = expect(message)?;
                Ok(Requested {
                    types: request.certificate_types,
                    schemes: None,
                    authorities: request.certificate_authorities,
                })
            }
        }
    }

    pub(super) fn put_certificate_request(
        self,
        out: &mut Vec<u8>,
        types: impl IntoIterator<Item = ClientCertificateType>,
        schemes: impl Iterator<Item = SignatureScheme>,
        authorities: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) {
        match self.signatures {
            Signatures::Said => tls12::CertificateRequest::put(out, types, schemes, authorities),
            Signatures::OfKey => tls10::CertificateRequest::put(out, types, authorities),
        }
    }

    pub(super) fn certificate_verify(self, message: &HandshakeBytes) -> Result<Signed<'_>, Abort> {
        let (scheme, signature) = match self.signatures {
            Signatures::Said => {
                let verify: CertificateVerify<'_> = expect(message)?;
                (Some(verify.algorithm), verify.signature)
            }
            Signatures::OfKey => {
                let verify: tls10::CertificateVerify<'_> = expect(message)?;
                (None, verify.signature)
            }
        };
        Ok(Signed { scheme, signature })
    }

    pub(super) fn put_certificate_verify(
        self,
        out: &mut Vec<u8>,
        scheme: SignatureScheme,
        signature: &[u8],
    ) {
        match self.signatures {
            Signatures::Said => CertificateVerify::put(out, scheme, signature),
            Signatures::OfKey => tls10::CertificateVerify::put(out, signature),
        }
    }
}
