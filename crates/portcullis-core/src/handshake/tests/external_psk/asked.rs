//! Keys that are looked up.

use super::super::attack::{client as trusting, server as certified};
use super::{Pair, client, imported, pair, psk, server};
use crate::config::PreSharedKey;
use crate::question::{Answer, ChoosePsk, Question};
use crate::suite::{CipherSuite, HashAlgorithm};
use crate::testing::answer;
use crate::wire::{ImportedIdentity, KdfIdentifier};
use crate::{
    AlertDescription, Connection, Direction, Error, ProtocolVersion, Refusal, Stage, Violation,
};

/// What the server answers; it is asked as often as `times` says.
fn run(
    pair: Pair,
    times: usize,
    mut choose: impl FnMut(ChoosePsk) -> Answer,
) -> (Result<Connection, Error>, Result<Connection, Error>) {
    let mut asked = 0;
    let ends = pair.run_answering(|is_server, question| match question {
        Question::ChoosePsk(question) => {
            assert!(is_server);
            asked += 1;
            Some(choose(*question))
        }
        other => Some(answer(other)),
    });
    assert_eq!(asked, times);
    ends
}

fn asking() -> Pair {
    pair(client().psk(psk()), server().ask_psk(true))
}

#[test]
fn a_server_is_asked_for_the_key_of_an_identity() {
    let (client, server) = run(asking(), 1, |question| {
        assert!(question.identities().eq([&b"meter-17"[..]]));
        assert_eq!((question.hint(), question.is_resumption()), (None, false));
        assert_eq!(question.server_name(), Some("localhost"));
        assert_eq!(question.version(), ProtocolVersion::TLS_1_3);
        assert!(!format!("{question:?}").contains("109, 101"));
        question.use_psk(psk())
    });
    for end in [client.unwrap(), server.unwrap()] {
        assert_eq!(end.information.psk_identity(), Some(&b"meter-17"[..]));
    }
}

#[test]
fn by_default_the_configured_key_is_taken() {
    let both = pair(client_of(psk()), server().psk(psk()).ask_psk(true));
    let (client, _) = run(both, 1, ChoosePsk::choose_configured);
    client.unwrap();
}

fn client_of(psk: PreSharedKey) -> crate::config::ClientConfigBuilder {
    client().psk(psk)
}

#[test]
fn answers_that_are_no_key() {
    let (_, server) = run(asking(), 1, ChoosePsk::none);
    let error = server.unwrap_err();
    assert_eq!(error.violation(), Some(Violation::UnknownPskIdentity));
    assert_eq!(error.stage(), Stage::ChoosingPsk);
    // A key for suites of another hash is none.
    let (_, server) = run(asking(), 1, |question| {
        question.use_psk(psk().for_hash(HashAlgorithm::Sha384))
    });
    let violation = server.unwrap_err().violation();
    assert_eq!(violation, Some(Violation::UnknownPskIdentity));
    for other in [PreSharedKey::new("meter-18", [7; 32]).unwrap(), imported()] {
        let (_, server) = run(asking(), 1, |question| question.use_psk(other.clone()));
        let said = server.unwrap_err().to_string();
        assert!(said.contains("of another identity"), "{said}");
    }
    let (client, _) = run(asking(), 1, |question| {
        question.refuse(Refusal::new(AlertDescription::ACCESS_DENIED, "not today"))
    });
    let alert = (Direction::Received, AlertDescription::ACCESS_DENIED);
    assert_eq!(client.unwrap_err().alert(), Some(alert));
}

/// Who has a certificate shows it where there is no key; who is not offered any is not asked.
#[test]
fn a_certificate_in_the_place_of_a_key() {
    let server = certified().ask_psk(true);
    let with_key = pair(trusting().psk(psk()), server.clone());
    let (client, _) = run(with_key, 1, ChoosePsk::none);
    let information = client.unwrap().information;
    assert_eq!(information.peer_certificates().len(), 1);
    let (client, _) = run(pair(trusting(), server), 0, ChoosePsk::none);
    client.unwrap();
}

/// Of many identities 16 are looked up, and none of which the binder says that it is for other suites.
#[test]
fn no_more_identities_than_a_server_looks_at() {
    let key = |at: u8| PreSharedKey::new([at], [7; 16]).unwrap();
    let many = (0..40).fold(client(), |client, at| client.psk(key(at)));
    let (client, _) = run(pair(many, server().ask_psk(true)), 1, |question| {
        assert!(question.identities().eq((0..16).map(|at| [at])));
        question.use_psk(key(15))
    });
    assert_eq!(client.unwrap().information.psk_identity(), Some(&[15][..]));
    let suites = [
        CipherSuite::TLS_AES_256_GCM_SHA384,
        CipherSuite::TLS_AES_128_GCM_SHA256,
    ];
    let mixed = client_of(key(1)).psk(key(2).for_hash(HashAlgorithm::Sha384));
    let mixed = mixed.cipher_suites(suites);
    let server = server().cipher_suites(suites).ask_psk(true);
    let (client, _) = run(pair(mixed, server), 1, |question| {
        assert!(question.identities().eq([[2]]));
        question.use_psk(key(2).for_hash(HashAlgorithm::Sha384))
    });
    client.unwrap();
}

/// RFC 9258: what the identity of an imported key says.
#[test]
fn an_imported_key_is_looked_up_by_what_it_was_imported_from() {
    let suites = [CipherSuite::TLS_AES_256_GCM_SHA384];
    let server = server().cipher_suites(suites).ask_psk(true);
    let ask = || pair(client_of(imported()), server.clone());
    let (client, _) = run(ask(), 1, |question| {
        let identity = question.identities().next().unwrap();
        let said = ImportedIdentity::decode(identity).unwrap();
        assert_eq!(said.external_identity, b"meter-17");
        assert_eq!(said.context, b"meter-17 to hub");
        assert_eq!(said.target_protocol, ProtocolVersion::TLS_1_3);
        assert_eq!(said.target_kdf, KdfIdentifier::HKDF_SHA384);
        assert_eq!(question.identities().count(), 1);
        question.use_psk(imported())
    });
    assert_eq!(
        client.unwrap().information.psk_identity(),
        Some(&b"meter-17"[..])
    );
    // Imported with another context it is not the client's.
    let (_, server) = run(ask(), 1, |question| {
        question.use_psk(psk().imported("meter-17 to nobody").unwrap())
    });
    let said = server.unwrap_err().to_string();
    assert!(said.contains("of another identity"), "{said}");
}

/// A question that is open when the peer goes away.
#[test]
fn a_client_that_does_not_wait() {
    let mut pair = asking();
    let hello = super::super::attack::transmitted(&mut pair.client);
    pair.server.receive(&hello, crate::testing::now());
    let Ok(crate::Step::Ask(question)) = pair.server.poll() else {
        panic!("no question");
    };
    assert_eq!(pair.server.stage(), Stage::ChoosingPsk);
    assert!(question.late_answer().is_none());
    pair.server.receive_eof();
    let answer = question.default_answer();
    let answered = pair.server.answer(answer, crate::testing::now());
    assert!(answered.is_err() || pair.server.poll().is_err());
}
