//! Which messages the key exchange of a suite has before TLS 1.3: a row for each.
//!
//! RFC 5246 §7.3, §7.4.2 to §7.4.4, §7.4.7; RFC 8422 §2, RFC 4492 §2.1 and §2.3; RFC 4279 §2 to §4, RFC 5489
//! §2; RFC 5054 §2.2.

use crate::crypto::{HAS_DSA, HAS_RSA};

use super::{Authentication, CipherSuite, KeyExchange, SuiteInfo};
use crate::crypto::finite_field::HAS_FINITE_FIELD;
use crate::psk::Shared;

/// A row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    /// How both sides come by a secret; `None`: they have one.
    pub(crate) agreement: Option<Agreement>,
    /// Whether a pre-shared key is part of the secret: the server may give a hint, and the client
    /// says which.
    pub(crate) psk: bool,
    /// What the key in the server's certificate does; `None`: the server shows none.
    pub(crate) certificate: Option<KeyUse>,
    /// Whether the server may ask for the client's certificate (RFC 5246 §7.4.4).
    pub(crate) requests_certificate: bool,
}

/// How both sides come by a secret: together with [`Exchange::psk`] the `KeyExchangeAlgorithm` of RFC 5246
/// §7.4.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// The server's point is in ServerKeyExchange, the client's in ClientKeyExchange.
    Ecdhe,
    /// The same in the field of a prime, which stands beside the server's number.
    Dhe,
    /// The server has what the client's password gives, and both make the secret of it (RFC 5054 §2.2).
    Srp,
    /// The server's point is the key in its certificate, the client's in ClientKeyExchange (RFC 4492 §2.1).
    Ecdh,
    /// The client makes it, and encrypts it with the key in the server's certificate (RFC 5246
    /// §7.4.7.1).
    Rsa,
}

/// What the key in the server's certificate is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyUse {
    /// It signs the parameters in ServerKeyExchange.
    Sign,
    /// It decrypts what the client has made.
    Decrypt,
    /// It is one half of the secret.
    Agree,
}

/// Whether a message is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Always,
    /// Only if there is a hint to give (RFC 4279 §2).
    IfHinted,
    /// RFC 5246 §7.4.3: "It is not legal to send the server key exchange message". A key in it would be a
    /// weaker one than that of the certificate (FREAK, CVE-2015-0204).
    Never,
}

/// Proof that the suite has no server certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoCertificate(());

impl SuiteInfo {
    /// The row of a suite whose key exchange is built; `None` for TLS 1.3.
    pub(crate) const fn exchange(&self) -> Option<Exchange> {
        use {
            Agreement::{Dhe, Ecdh, Ecdhe, Rsa, Srp},
            Authentication as A, KeyExchange as K,
            KeyUse::{Agree, Decrypt, Sign},
        };
        //                                agreement    psk    certificate requests_certificate
        Some(match (self.key_exchange, self.authentication) {
            (K::Ecdhe, A::Rsa | A::Ecdsa) => row(Some(Ecdhe), false, Some(Sign), true),
            (K::Ecdhe, A::Anonymous) => row(Some(Ecdhe), false, None, false),
            (K::EcdhePsk, A::Psk) => row(Some(Ecdhe), true, None, false),
            (K::Psk, A::Psk) => row(None, true, None, false),
            (K::Dhe | K::DhePsk | K::Srp, _) if !HAS_FINITE_FIELD => return None,
            (K::Dhe, A::Rsa) => row(Some(Dhe), false, Some(Sign), true),
            (K::Dhe, A::Dss) if HAS_DSA => row(Some(Dhe), false, Some(Sign), true),
            (K::Dhe, A::Anonymous) => row(Some(Dhe), false, None, false),
            (K::DhePsk, A::Psk) => row(Some(Dhe), true, None, false),
            (K::Srp, A::Srp) => row(Some(Srp), false, None, false),
            (K::Srp, A::Rsa) => row(Some(Srp), false, Some(Sign), true),
            (K::Srp, A::Dss) if HAS_DSA => row(Some(Srp), false, Some(Sign), true),
            (K::Ecdh, A::Rsa | A::Ecdsa) => row(Some(Ecdh), false, Some(Agree), true),
            (K::Rsa, A::Rsa) if HAS_RSA => row(Some(Rsa), false, Some(Decrypt), true),
            (K::RsaPsk, A::Rsa) if HAS_RSA => row(Some(Rsa), true, Some(Decrypt), false),
            _ => return None,
        })
    }
}

const fn row(
    agreement: Option<Agreement>,
    psk: bool,
    certificate: Option<KeyUse>,
    requests_certificate: bool,
) -> Exchange {
    Exchange {
        agreement,
        psk,
        certificate,
        requests_certificate,
    }
}

impl Exchange {
    /// Whether there is a ServerKeyExchange.
    pub(crate) const fn server_key_exchange(self) -> Presence {
        match self.agreement {
            Some(Agreement::Ecdhe | Agreement::Dhe | Agreement::Srp) => Presence::Always,
            _ if self.psk => Presence::IfHinted,
            _ => Presence::Never,
        }
    }

    /// Whether the certificate's key signs what is in ServerKeyExchange.
    pub(crate) const fn is_signed(self) -> bool {
        matches!(self.certificate, Some(KeyUse::Sign))
    }

    /// Whether the certificate's key signs nothing: it decrypts, or is half of the secret.
    pub(crate) const fn is_unsigned(self) -> bool {
        matches!(self.certificate, Some(KeyUse::Decrypt | KeyUse::Agree))
    }

    /// Whether nothing proves who either side is.
    pub(crate) const fn is_anonymous(self) -> bool {
        self.certificate.is_none() && !self.psk && !self.has_user()
    }

    /// Whether a user logs in with a password.
    pub(crate) const fn has_user(self) -> bool {
        matches!(self.agreement, Some(Agreement::Srp))
    }

    /// What both ends know before they meet, if that proves who they are.
    pub(crate) const fn shared(self) -> Option<Shared> {
        match (self.psk, self.has_user()) {
            (true, _) => Some(Shared::Psk),
            (false, true) => Some(Shared::Password),
            (false, false) => None,
        }
    }

    /// Whether both sides have shares on a curve that they agree on.
    pub(crate) const fn has_curve(self) -> bool {
        matches!(self.agreement, Some(Agreement::Ecdhe))
    }

    /// Whether there are points in the handshake, even if only in a certificate.
    pub(crate) const fn has_points(self) -> bool {
        matches!(self.agreement, Some(Agreement::Ecdhe | Agreement::Ecdh))
    }

    /// Whether both sides have shares in a finite field.
    pub(crate) const fn has_field(self) -> bool {
        matches!(self.agreement, Some(Agreement::Dhe))
    }

    /// Proof that the suite has no server certificate; `None` if it has one.
    pub(crate) const fn without_certificate(self) -> Option<NoCertificate> {
        match self.certificate {
            None => Some(NoCertificate(())),
            Some(_) => None,
        }
    }
}

impl CipherSuite {
    /// The row of a suite whose key exchange is built; `None` for TLS 1.3.
    pub(crate) fn exchange(self) -> Option<Exchange> {
        self.info().and_then(SuiteInfo::exchange)
    }
}
