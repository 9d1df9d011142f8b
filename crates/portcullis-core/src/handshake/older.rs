//! Messages before TLS 1.3 that do not say what they consist of: the rules of the version do, and the
//! row of the key exchange.
//!
//! RFC 5246 §7.4.3, §7.4.4, §7.4.7, §7.4.8, RFC 4346 the same.

use super::{expect, unexpected};
use crate::error::Abort;
use crate::record::HandshakeBytes;
use crate::rules::{Rules, Signatures};
use crate::suite::{Agreement, Exchange};
use crate::wire::extension::DistinguishedName;
use crate::wire::list::List;
use crate::wire::tls12::{
    self, ClientCertificateType, ClientKeyExchange, ClientKeyExchangeForm, ClientShareForm,
    ServerKeyExchange, ServerKeyExchangeForm, ServerParamsForm, ServerSignature, SignatureForm,
};
use crate::wire::{CertificateVerify, HandshakeType, tls10};
use crate::{SignatureScheme, Violation};

/// A signature as it came.
#[derive(Clone, Copy)]
pub(super) struct Signed<'a> {
    /// How it was made, if that was said.
    pub(super) scheme: Option<SignatureScheme>,
    pub(super) signature: &'a [u8],
}

impl<'a> From<ServerSignature<'a>> for Signed<'a> {
    fn from(ServerSignature { scheme, signature }: ServerSignature<'a>) -> Self {
        Self { scheme, signature }
    }
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

/// Reads ClientKeyExchange.
pub(super) fn client_key_exchange(
    exchange: Exchange,
    message: &HandshakeBytes,
) -> Result<ClientKeyExchange<'_>, Abort> {
    let form = ClientKeyExchangeForm {
        psk: exchange.psk,
        share: exchange.agreement.map(|agreement| match agreement {
            Agreement::Ecdhe | Agreement::Ecdh => ClientShareForm::Point,
            Agreement::Rsa => ClientShareForm::Encrypted,
            Agreement::Dhe | Agreement::Srp => ClientShareForm::Number,
        }),
    };
    let body = body_of(HandshakeType::CLIENT_KEY_EXCHANGE, message)?;
    // RFC 4492 §5.7: "implicit" is for a client whose certificate has the other half.
    if exchange.agreement == Some(Agreement::Ecdh) && matches!(body, [] | [0]) {
        let why = "it has no point, as if that were in a certificate of fixed ECDH, and none was asked for";
        return Err(Violation::MalformedMessage.explained(why.to_owned()));
    }
    Ok(ClientKeyExchange::decode(body, form)?)
}

/// The body of a message of the type that is due.
fn body_of(due: HandshakeType, message: &HandshakeBytes) -> Result<&[u8], Abort> {
    if message.typ() != due {
        return Err(unexpected(due.name().unwrap_or_default(), message));
    }
    Ok(message.body())
}

impl Rules {
    /// How a signature stands in a message.
    fn signature_form(self) -> SignatureForm {
        match self.signatures {
            Signatures::Explicit => SignatureForm::Said,
            Signatures::ByKeyType => SignatureForm::Bare,
        }
    }

    /// Reads ServerKeyExchange.
    pub(super) fn server_key_exchange(
        self,
        exchange: Exchange,
        message: &HandshakeBytes,
    ) -> Result<ServerKeyExchange<'_>, Abort> {
        let form = ServerKeyExchangeForm {
            hint: exchange.psk,
            params: exchange.agreement.and_then(|agreement| match agreement {
                Agreement::Ecdhe => Some(ServerParamsForm::Ecdh),
                Agreement::Dhe => Some(ServerParamsForm::Dh),
                Agreement::Srp => Some(ServerParamsForm::Srp),
                Agreement::Rsa | Agreement::Ecdh => None,
            }),
            signature: exchange.is_signed().then(|| self.signature_form()),
        };
        let body = body_of(HandshakeType::SERVER_KEY_EXCHANGE, message)?;
        Ok(ServerKeyExchange::decode(body, form)?)
    }

    /// A signature as it stands in ServerKeyExchange.
    pub(super) fn signature(
        self,
        scheme: SignatureScheme,
        signature: &[u8],
    ) -> ServerSignature<'_> {
        let scheme = match self.signatures {
            Signatures::Explicit => Some(scheme),
            Signatures::ByKeyType => None,
        };
        ServerSignature { scheme, signature }
    }

    pub(super) fn certificate_request(
        self,
        message: &HandshakeBytes,
    ) -> Result<Requested<'_>, Abort> {
        match self.signatures {
            Signatures::Explicit => {
                let request: tls12::CertificateRequest<'_> = expect(message)?;
                Ok(Requested {
                    types: request.certificate_types,
                    schemes: Some(request.supported_signature_algorithms),
                    authorities: request.certificate_authorities,
                })
            }
            Signatures::ByKeyType => {
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
            Signatures::Explicit => {
                tls12::CertificateRequest::put(out, types, schemes, authorities)
            }
            Signatures::ByKeyType => tls10::CertificateRequest::put(out, types, authorities),
        }
    }

    pub(super) fn certificate_verify(self, message: &HandshakeBytes) -> Result<Signed<'_>, Abort> {
        let (scheme, signature) = match self.signatures {
            Signatures::Explicit => {
                let verify: CertificateVerify<'_> = expect(message)?;
                (Some(verify.algorithm), verify.signature)
            }
            Signatures::ByKeyType => {
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
            Signatures::Explicit => CertificateVerify::put(out, scheme, signature),
            Signatures::ByKeyType => tls10::CertificateVerify::put(out, signature),
        }
    }
}
