//! The question `Decrypt`: a server whose RSA key is elsewhere (RFC 5246 §7.4.7.1). What is the same for every
//! question is in `questions`.

use rustls_pki_types::CertificateDer;

use super::super::attack::{self, By, pair, refused};
use super::super::older::{V1_2, talking_in};
use super::super::parts::message;
use super::super::tamper::{Put, first};
use super::rsa::{client, client_of, encrypted, rsa, server, server_of};
use crate::config::ServerConfigBuilder;
use crate::connection::Connection;
use crate::question::{Answer, Decrypt, Question};
use crate::suite::CipherSuite;
use crate::testing::{Pair, pki};
use crate::wire::HandshakeType as T;
use crate::x509::{Identity, IdentityKey};
use crate::{
    AlertDescription, Direction, Error, ProtocolVersion, SignatureScheme, Stage, Violation,
};

fn chain() -> Vec<CertificateDer<'static>> {
    rsa().both.chain().to_vec()
}

/// The key is elsewhere, and signs nothing.
pub(in super::super) fn elsewhere() -> Identity {
    Identity::with_external_key_that_decrypts(chain(), Vec::new()).unwrap()
}

/// What is elsewhere: the plain operation of RSA.
pub(in super::super) fn raw(ciphertext: &[u8]) -> Option<Vec<u8>> {
    let IdentityKey::Local(key) = rsa().both.key() else {
        panic!("it is here");
    };
    key.decrypt_raw(ciphertext).ok().map(|block| block.to_vec())
}

pub(in super::super) fn answer(question: Decrypt) -> Answer {
    assert_eq!(question.block_len(), 256);
    assert_eq!(question.identity().chain(), rsa().both.chain());
    match raw(question.ciphertext()) {
        Some(block) => question.decrypted(block),
        None => question.failed(),
    }
}

pub(super) fn run(
    mut pair: Pair,
    mut decrypt: impl FnMut(Decrypt) -> Answer,
) -> (Result<Connection, Error>, Result<Connection, Error>) {
    pair.turn(&mut |is_server, question| match question {
        Question::Decrypt(question) => {
            assert!(is_server);
            Some(decrypt(*question))
        }
        other => Some(other.default_answer()),
    });
    pair.run()
}

fn ends_with(server: ServerConfigBuilder) -> Pair {
    Pair::new(client().build().unwrap(), server.build().unwrap())
}

fn server_elsewhere() -> ServerConfigBuilder {
    server().clear_identities().identity(elsewhere())
}

#[test]
fn a_key_that_is_elsewhere_decrypts_in_every_version() {
    for version in [
        ProtocolVersion::TLS_1_2,
        ProtocolVersion::TLS_1_1,
        ProtocolVersion::TLS_1_0,
    ] {
        let server = server_of(version).clear_identities().identity(elsewhere());
        let (client, server) = (client_of(version).build(), server.build());
        let (client, server) = run(Pair::new(client.unwrap(), server.unwrap()), answer);
        let (client, server) = (client.unwrap(), server.unwrap());
        let shown = client.information.peer_certificates();
        assert_eq!(shown, rsa().both.chain());
        assert_eq!(server.information.version(), version);
    }
}

/// Neither how the answer looks, nor who could not give one, is seen by anybody.
#[test]
fn no_answer_is_told_from_another() {
    let wrong = [&[3, 3][..], &[9; 46]].concat();
    let block_of = |content: &[u8]| raw(&encrypted(content)).unwrap();
    let good = block_of(&wrong);
    let changed = |at: usize, byte: u8| {
        let mut block = good.clone();
        block[at] = byte;
        block
    };
    let answers: Vec<(&str, Option<Vec<u8>>)> = vec![
        ("another's secret", Some(good.clone())),
        ("of another version", Some(block_of(&[7; 48]))),
        ("not 00", Some(changed(0, 1))),
        ("not 02", Some(changed(1, 1))),
        ("a short padding", Some(changed(5, 0))),
        ("no end of the padding", Some(changed(207, 7))),
        ("a secret of 47", Some(block_of(&wrong[1..]))),
        (
            "a secret of 49",
            Some(block_of(&[&wrong[..], &[1]].concat())),
        ),
        ("without the zero in front", Some(good[1..].to_vec())),
        ("with one more", Some([&[0][..], &good].concat())),
        ("without the padding", Some(wrong.clone())),
        ("nothing", Some(Vec::new())),
        ("much", Some(vec![7; 70_000])),
        ("zeros", Some(vec![0; 256])),
        ("it failed", None),
    ];
    let mut said = Vec::new();
    for (name, answer) in &answers {
        let pair = ends_with(server_elsewhere());
        let (client, server) = run(pair, |question| match answer {
            Some(block) => question.decrypted(block.clone()),
            None => question.failed(),
        });
        let error = server.unwrap_err();
        assert_eq!(error.violation(), Some(Violation::BadRecordMac), "{name}");
        let seen = client.unwrap_err().alert();
        said.push((error.to_string(), error.alert(), error.stage(), seen));
    }
    assert!(said.iter().all(|one| *one == said[0]), "{said:#?}");
}

/// Whatever a client sends is asked about, and in the same way.
#[test]
fn every_ciphertext_is_asked_about() {
    for ciphertext in [Vec::new(), vec![0; 256], vec![0xff; 256], vec![7; 65_533]] {
        let body = u16::try_from(ciphertext.len()).unwrap().to_be_bytes();
        let body = [&body[..], &ciphertext].concat();
        let tamper = first(T::CLIENT_KEY_EXCHANGE, move |_| {
            vec![Put::Message(message(T::CLIENT_KEY_EXCHANGE, &body))]
        });
        let server = server_elsewhere().build().unwrap();
        let mut pair = pair(client().build().unwrap(), server, By::Client, tamper);
        let mut asked = Vec::new();
        pair.turn(&mut |_, question| match question {
            Question::Decrypt(question) => {
                asked.push(question.ciphertext().to_vec());
                Some(answer(*question))
            }
            other => Some(other.default_answer()),
        });
        assert_eq!(asked, [ciphertext]);
        let error = refused(pair, By::Client);
        assert_eq!(error.violation(), Some(Violation::BadRecordMac));
    }
}

/// The client's own secret, in a block with right padding that is not as long as the key.
#[test]
fn a_block_of_another_length_has_no_secret() {
    for is_longer in [false, true] {
        let (_, server) = run(ends_with(server_elsewhere()), |question| {
            let mut block = raw(question.ciphertext()).unwrap();
            match is_longer {
                true => block.insert(2, 1),
                false => drop(block.remove(2)),
            }
            question.decrypted(block)
        });
        let violation = server.unwrap_err().violation();
        assert_eq!(violation, Some(Violation::BadRecordMac));
    }
}

/// Nobody answers for a key that is not here.
#[test]
fn nobody_has_the_key() {
    let (client, server) = run(ends_with(server_elsewhere()), |question| {
        question.decrypt_with_local_key()
    });
    let error = server.unwrap_err();
    assert_eq!(error.stage(), Stage::Decrypting);
    assert!(
        error.to_string().contains("nobody answers `Decrypt`"),
        "{error}"
    );
    let alert = AlertDescription::INTERNAL_ERROR;
    assert_eq!(
        client.unwrap_err().alert(),
        Some((Direction::Received, alert))
    );
}

#[test]
fn what_is_no_key_that_decrypts() {
    let pss = vec![SignatureScheme::RSA_PSS_RSAE_SHA256];
    let with = Identity::with_external_key_that_decrypts;
    with(rsa().decrypting.chain().to_vec(), pss.clone()).unwrap();
    for (chain, schemes, expected) in [
        (rsa().signing.chain(), pss.clone(), "keyEncipherment"),
        (pki().server.chain(), Vec::new(), "RSA key of 1,024"),
        (pki().server.chain(), pss, "does not fit the key"),
    ] {
        let error = with(chain.to_vec(), schemes).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let error = with(Vec::new(), Vec::new()).unwrap_err().to_string();
    assert!(error.contains("the certificate chain is empty"), "{error}");
    let error = Identity::with_external_key(chain(), Vec::new());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("at least one signature scheme"), "{error}");
}

/// A key that only signs, elsewhere, is of no use to these suites, and the sentences say why.
#[test]
fn a_key_that_only_signs() {
    let schemes = vec![SignatureScheme::RSA_PSS_RSAE_SHA256];
    let signing = Identity::with_external_key(chain(), schemes).unwrap();
    let alone = server().clear_identities().identity(signing.clone());
    let refused_at_once = alone.build().unwrap_err().to_string();
    let why = "an RSA key that is here does not decrypt: the key usage of its certificate has no \
               keyEncipherment, or it is elsewhere and was not given as one that decrypts";
    assert!(refused_at_once.contains(why), "{refused_at_once}");
    // Beside suites that it could have.
    let suites = [
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        CipherSuite::TLS_RSA_WITH_AES_128_GCM_SHA256,
    ];
    let server = server().clear_identities().identity(signing);
    let server = server.cipher_suites(suites).build().unwrap();
    let mut pair = Pair::new(client().build().unwrap(), server);
    attack::talk(&mut pair);
    let error = refused(pair, By::Client);
    assert_eq!(error.violation(), Some(Violation::NoSharedCipherSuite));
    let expected = "only suites for RSA certificates; the identities here have RSA keys; ";
    let error = error.to_string();
    assert!(error.contains(expected) && error.contains(why), "{error}");
}

/// One that does both is asked for what the suite has.
#[test]
fn one_that_does_both() {
    let schemes = vec![SignatureScheme::RSA_PSS_RSAE_SHA256];
    let both = Identity::with_external_key_that_decrypts(chain(), schemes).unwrap();
    for (suite, decrypts) in [
        (CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, false),
        (CipherSuite::TLS_RSA_WITH_AES_128_GCM_SHA256, true),
    ] {
        let (client, server) = (
            client().cipher_suites([suite]),
            server().cipher_suites([suite]),
        );
        let server = server.clear_identities().identity(both.clone());
        let mut pair = Pair::new(client.build().unwrap(), server.build().unwrap());
        let mut asked = Vec::new();
        pair.turn(&mut |_, question| {
            asked.push(super::super::scripts::kind(&question));
            Some(match question {
                Question::Decrypt(question) => answer(*question),
                Question::Sign(question) => {
                    let signature = rsa().both.sign(question.scheme(), question.content());
                    question.signature(signature.unwrap())
                }
                other => other.default_answer(),
            })
        });
        assert_eq!(asked, [if decrypts { "Decrypt" } else { "Sign" }]);
        let (client, _) = talking_in(V1_2[0], pair);
        assert_eq!(client.information.cipher_suite(), suite);
    }
}
