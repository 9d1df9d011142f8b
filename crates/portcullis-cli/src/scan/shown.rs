//! The certificates that a server has, of each kind, whether it has their keys, and how it signs with them in TLS 1.3.

use portcullis::suite::CipherSuite;
use portcullis::x509::{OcspError, OcspStatus, OcspVerdict, PresentedChain};
use portcullis::{CertificateDer, ProtocolVersion, SignatureScheme};

use super::checks::{Accepted, Seen, declines};
use super::hello::TLS_1_3;
use super::library::{Found, Refused, Wish, connect, connecting};
use super::prober::Prober;
use super::suites::Suite;
use crate::connecting::{Connecting, Trust};
use crate::failure::Failure;

/// A chain that a server shows.
#[derive(Debug)]
pub(super) struct Shown {
    /// There is one certificate at least.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// Who trusts it, or why it is not trusted.
    pub(super) verdict: Result<String, String>,
    /// Whether the server has signed with its key, or a handshake with it has come to its end. Anybody can send a chain.
    pub(super) is_proved: bool,
    pub(super) staple: Staple,
}

/// What the OCSP response says that comes with a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Staple {
    /// No handshake has come so far, in which one would have come.
    NotSeen,
    None,
    Good,
    Revoked,
    /// The responder does not know the certificate.
    NotKnown,
    /// It does not count, for this reason.
    Unusable(String),
    /// Nobody can tell, for this reason.
    NotJudged(String),
}

impl Staple {
    fn of(came: Option<Result<OcspVerdict, OcspError>>) -> Self {
        match came {
            None => Self::None,
            Some(Err(error @ OcspError::NoIssuer)) => Self::NotJudged(error.to_string()),
            Some(Err(error)) => Self::Unusable(error.to_string()),
            Some(Ok(verdict)) => match verdict.status() {
                OcspStatus::Good => Self::Good,
                OcspStatus::Revoked { .. } => Self::Revoked,
                OcspStatus::Unknown => Self::NotKnown,
                _ => Self::NotJudged("a status that is not known here".to_owned()),
            },
        }
    }

    /// Nothing where there is none.
    pub(super) fn word(&self) -> Option<&'static str> {
        match self {
            Self::NotSeen | Self::None => None,
            Self::Good => Some("good"),
            Self::Revoked => Some("revoked"),
            Self::NotKnown => Some("not known to the responder"),
            Self::Unusable(_) => Some("does not count"),
            Self::NotJudged(_) => Some("unknown"),
        }
    }

    /// Why it is not known what it says, or that there is none.
    pub(super) fn why(&self) -> Option<&str> {
        match self {
            Self::NotSeen => Some("no handshake in which one would come has come so far"),
            Self::NotJudged(why) => Some(why),
            _ => None,
        }
    }
}

impl Found {
    /// Notes a chain, each certificate once.
    pub(super) fn show(&mut self, shown: Shown) {
        let Some(leaf) = shown.chain.first() else {
            return;
        };
        let mut known = self.shown.iter_mut();
        match known.find(|known| known.chain.first() == Some(leaf)) {
            Some(known) => {
                known.is_proved |= shown.is_proved;
                if matches!(known.staple, Staple::NotSeen | Staple::None) {
                    known.staple = shown.staple;
                }
            }
            None => self.shown.push(shown),
        }
    }

    fn has_proved(&self, leaf: Option<&CertificateDer<'static>>) -> bool {
        let mut shown = self.shown.iter();
        shown.any(|shown| shown.is_proved && shown.chain.first() == leaf)
    }
}

/// What was shown on a connection.
pub(super) fn on(connecting: &Connecting, trust: &Trust, is_proved: bool) -> Option<Shown> {
    Some(Shown {
        chain: connecting.chain(),
        verdict: connecting.judged_by(trust)?,
        is_proved,
        staple: Staple::of(connecting.status(trust)),
    })
}

/// Asks for the certificate of each kind, where there are several and they are sent in clear; and for the only one if nobody
/// has proved anything with it yet.
pub(super) async fn of_older(
    prober: &mut Prober,
    seen: &Seen,
    trust: &Trust,
    found: &mut Found,
) -> Result<(), Failure> {
    let Some(version) = seen.newest_older() else {
        return Ok(());
    };
    let all = seen.suites_of(version);
    let kinds = [Suite::has_curve_certificate, Suite::has_rsa_certificate].map(|is| {
        let suites = all.iter().copied();
        let suites = suites.filter(|code| Suite::of(*code).is_some_and(is));
        suites.collect::<Vec<_>>()
    });
    if !kinds.iter().any(Vec::is_empty) {
        for suites in kinds {
            if let Err(why) = look(prober, seen, trust, found, (version, &suites)).await? {
                found.shown_unknown = Some(why);
            }
        }
    } else if !found.shown.iter().any(|shown| shown.is_proved) {
        // Where there is none, there is nothing to be said.
        let _ = look(prober, seen, trust, found, (version, all)).await?;
    }
    Ok(())
}

/// Looks at what is shown to a client that offers these suites. An error within says why it is not known.
async fn look(
    prober: &mut Prober,
    seen: &Seen,
    trust: &Trust,
    found: &mut Found,
    with: (u16, &[u16]),
) -> Result<Result<(), String>, Failure> {
    let (version, suites) = with;
    let chain = match prober.chain(version, suites).await {
        Ok(chain) => chain,
        Err(why) => return Ok(Err(why)),
    };
    if found.has_proved(chain.first()) {
        return Ok(Ok(()));
    }
    let any = connecting(prober, seen, Wish::default())?;
    let presented = PresentedChain::new(chain.clone()).map_err(|error| error.to_string());
    let verdict = presented.and_then(|presented| any.judge(&presented, trust));
    let proof = proves(prober, seen, trust, with, chain.first()).await?;
    let (is_proved, staple) = proof.map_or((false, Staple::NotSeen), |staple| (true, staple));
    found.show(Shown {
        chain,
        verdict,
        is_proved,
        staple,
    });
    Ok(Ok(()))
}

/// Whether the server shows in a handshake that it has the key of this certificate, as it can with suites that are spoken
/// here. Gives what came with the certificate, then.
async fn proves(
    prober: &mut Prober,
    seen: &Seen,
    trust: &Trust,
    (version, suites): (u16, &[u16]),
    leaf: Option<&CertificateDer<'static>>,
) -> Result<Option<Staple>, Failure> {
    let version = ProtocolVersion(version);
    let is_signed = |suite: &CipherSuite| Suite::of(suite.0).is_some_and(Suite::is_signed);
    let suites = suites.iter().map(|code| CipherSuite(*code));
    let suites: Vec<_> = suites
        .filter(|suite| CipherSuite::SUPPORTED.contains(suite))
        .collect();
    // With these a signature comes before anything is asked of the client.
    let signed: Vec<_> = suites.iter().copied().filter(is_signed).collect();
    let (suites, are_signed) = match signed.is_empty() {
        true => (suites, false),
        false => (signed, true),
    };
    if suites.is_empty() || !ProtocolVersion::SUPPORTED.contains(&version) {
        return Ok(None);
    }
    let wish = Wish {
        version: Some(version),
        suites: Some(suites),
        ..Wish::default()
    };
    let mut connecting = connecting(prober, seen, wish)?;
    let is_proved = match connect(prober, &mut connecting).await {
        Ok(connection) => {
            let _ = connection.close().await;
            true
        }
        Err(refused) => are_signed && refused.came_after_signature,
    };
    let is_proved = is_proved && connecting.chain().first() == leaf;
    Ok(is_proved.then(|| Staple::of(connecting.status(trust))))
}

/// Those that a handshake of TLS 1.3 may be signed with (RFC 8446 §4.2.3), of all that is verified here.
fn of_1_3() -> Vec<SignatureScheme> {
    let is_new = |scheme: &SignatureScheme| {
        matches!(scheme.0, 0x0403 | 0x0503 | 0x0603) || (0x0800..0xff00).contains(&scheme.0)
    };
    let supported = SignatureScheme::SUPPORTED.iter().copied();
    supported.filter(is_new).collect()
}

/// The schemes that a server signs with in TLS 1.3, by elimination: each takes a handshake, since signatures are encrypted
/// there. So every certificate is seen, of whatever kind.
pub(super) async fn schemes(
    prober: &mut Prober,
    seen: &Seen,
    trust: &Trust,
    found: &mut Found,
) -> Result<Accepted, Failure> {
    let mut accepted = Accepted::default();
    let mut left = of_1_3();
    while !left.is_empty() {
        let wish = Wish {
            version: Some(ProtocolVersion(TLS_1_3)),
            schemes: Some(left.clone()),
            ..Wish::default()
        };
        let mut connecting = connecting(prober, seen, wish)?;
        let scheme = match connect(prober, &mut connecting).await {
            Ok(connection) => {
                let scheme = connection.information().peer_signature_scheme();
                let _ = connection.close().await;
                scheme
            }
            Err(Refused {
                alert: Some(alert), ..
            }) if declines(alert.0) && !accepted.codes.is_empty() => break,
            // Also whoever declines all: it may have others, or want something else.
            Err(refused) => {
                accepted.unknown = Some(refused.why);
                break;
            }
        };
        if let Some(shown) = on(&connecting, trust, true) {
            found.show(shown);
        }
        let place = left.iter().position(|left| Some(*left) == scheme);
        let Some(place) = place else {
            accepted.unknown = Some("the server has signed nothing".to_owned());
            break;
        };
        accepted.codes.push(left.remove(place).0);
    }
    Ok(accepted)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::connect::Route;

    #[tokio::test]
    async fn who_declines_every_scheme_is_not_known_to_have_none() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            loop {
                let (mut io, _) = listener.accept().await.unwrap();
                let _ = io.read(&mut [0; 5_000]).await;
                // handshake_failure
                io.write_all(&[21, 3, 3, 0, 2, 2, 40]).await.unwrap();
                let _ = io.shutdown().await;
            }
        });
        let route = Route {
            starttls: None,
            name: None,
            resolve: Vec::new(),
            ipv4: false,
            ipv6: false,
            bind: None,
            proxy: None,
            unix: None,
            timeout: Some(30),
        };
        let destination = route.to(&address.to_string()).unwrap();
        let mut prober = Prober::new(destination, 300, 1_000, Duration::from_secs(60));
        let (trust, mut found) = (Trust::none(), Found::default());
        let seen = Seen::default();
        let accepted = schemes(&mut prober, &seen, &trust, &mut found).await;
        let accepted = accepted.unwrap();
        server.abort();
        assert!(accepted.codes.is_empty(), "{accepted:?}");
        let why = accepted.unknown.unwrap();
        assert!(why.contains("handshake_failure"), "{why}");
    }

    #[test]
    fn what_signs_a_handshake_of_the_newest_version_is_asked_about() {
        let schemes = of_1_3();
        for scheme in SignatureScheme::SUPPORTED {
            let name = scheme.to_string();
            let is_old = ["rsa_pkcs1_", "dsa_sha", "ecdsa_sha"];
            let is_old = is_old.iter().any(|old| name.starts_with(old));
            assert_eq!(schemes.contains(scheme), !is_old, "{name}");
        }
    }

    #[test]
    fn a_certificate_is_shown_once_and_proved_by_any_handshake() {
        let shown = |byte: u8, is_proved| Shown {
            chain: vec![vec![byte].into(), vec![9].into()],
            verdict: Ok("somebody".to_owned()),
            is_proved,
            staple: Staple::None,
        };
        let mut found = Found::default();
        for (byte, is_proved) in [(1, false), (2, false), (1, true), (1, false)] {
            found.show(shown(byte, is_proved));
        }
        found.show(Shown {
            chain: Vec::new(),
            ..shown(3, true)
        });
        let all: Vec<_> = found
            .shown
            .iter()
            .map(|shown| (shown.chain[0].as_ref(), shown.is_proved))
            .collect();
        assert_eq!(all, [(&[1][..], true), (&[2], false)]);
        assert!(found.has_proved(Some(&vec![1].into())));
        assert!(!found.has_proved(Some(&vec![2].into())) && !found.has_proved(None));
    }
}
