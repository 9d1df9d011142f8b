//! Authentication after the handshake (RFC 8446 §4.6.2): both roles, and what a peer gets that breaks its rules.

mod violations;

use super::attack::{
    By, connected_with, read_all, refused_after_with, resuming_client, ticket_keys, transmitted,
};
use super::parts::message;
use super::tamper::Put;
use crate::config::{
    ClientAuthentication, ClientConfig, ClientConfigBuilder, ServerConfig, ServerConfigBuilder,
};
use crate::connection::Connection;
use crate::question::{Answer, Question};
use crate::session::ClientSession;
use crate::testing::{Pair, now, pki, resuming, sessions_of};
use crate::wire::codec::{put_vec16, put_vec24};
use crate::wire::extension::{CertificateType, OidFilter, OidFilters, SignatureAlgorithms};
use crate::wire::{
    Certificate, CertificateRequest, CertificateVerify, ContentType, HandshakeType as T,
};
use crate::x509::{CertificateFilter, RawKeys};
use crate::{
    AuthenticationId, AuthenticationStep, Direction, NamedGroup, ProtocolVersion, SignatureScheme,
    Violation as V,
};

pub(super) fn client() -> ClientConfigBuilder {
    ClientConfig::builder(pki().roots.clone())
        .versions([ProtocolVersion::TLS_1_3])
        .groups([NamedGroup::X25519])
        .post_handshake_authentication(true)
}

fn alice() -> ClientConfigBuilder {
    client().identity(pki().client.clone())
}

pub(super) fn server_with(clients: ClientAuthentication) -> ServerConfigBuilder {
    ServerConfig::builder()
        .versions([ProtocolVersion::TLS_1_3])
        .groups([NamedGroup::X25519])
        .identity(pki().server.clone())
        .resumption(false)
        .client_authentication(clients)
        .post_handshake_authentication(true)
}

fn server() -> ServerConfigBuilder {
    server_with(ClientAuthentication::Optional(pki().roots.clone()))
}

pub(super) fn connect(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
) -> (Connection, Connection) {
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    let (client, server) = Pair::new(client, server).run();
    (client.unwrap(), server.unwrap())
}

/// What waits in the mailbox, as records.
fn mail(end: &mut Connection) -> Vec<u8> {
    let mut sent = Vec::new();
    while end.writer.mailbox().has_work() {
        let mut out = vec![0; end.writer.control_len()];
        let written = end.writer.drain_mailbox(&mut out).unwrap();
        sent.extend_from_slice(&out[..written]);
    }
    sent
}

/// Lets the other end read it; gives the data in it.
pub(super) fn deliver(from: &mut Connection, to: &mut Connection) -> Vec<u8> {
    let bytes = mail(from);
    read_all(&mut to.reader, bytes).unwrap()
}

pub(super) fn ask(server: &Connection) -> AuthenticationId {
    server.authentication.as_ref().unwrap().request().unwrap()
}

/// Deals with everything that has come, by default answers.
pub(super) fn settle(end: &Connection) -> Vec<(AuthenticationId, AuthenticationStep)> {
    settle_answering(end, Question::default_answer)
}

fn settle_answering(
    end: &Connection,
    mut answer: impl FnMut(Question) -> Answer,
) -> Vec<(AuthenticationId, AuthenticationStep)> {
    let authentication = end.authentication.as_ref().unwrap();
    let mut settled = Vec::new();
    while let Some(mut one) = authentication.take() {
        loop {
            match one.poll(now()).unwrap() {
                AuthenticationStep::Ask(question) => {
                    one.answer(answer(question), now()).unwrap();
                }
                step => {
                    settled.push((one.id(), step));
                    break;
                }
            }
        }
        one.poll(now()).unwrap_err();
    }
    settled
}

fn is_alice(step: &AuthenticationStep) -> bool {
    match step {
        AuthenticationStep::Presented(chain) => {
            chain.is_verified() && chain.chain().certificates() == pki().client.chain()
        }
        _ => false,
    }
}

fn update_keys(end: &mut Connection, to: &mut Connection) {
    let mut out = vec![0; end.writer.control_len()];
    let written = end.writer.key_update(false, &mut out).unwrap();
    read_all(&mut to.reader, out[..written].to_vec()).unwrap();
}

#[test]
fn several_requests_are_answered_in_any_order_while_data_flows_and_keys_change() {
    let (mut client, mut server) = connect(alice(), server().max_fragment_sent(64));
    let first = ask(&server);
    let second = ask(&server);
    // A request goes out with data, before it.
    let mut out = vec![0; server.writer.max_sealed_len(5) + 4_096];
    let sealed = server.writer.seal(b"hello", &mut out).unwrap();
    assert_eq!(sealed.consumed, 5);
    let data = read_all(&mut client.reader, out[..sealed.written].to_vec()).unwrap();
    assert_eq!(data, b"hello");
    deliver(&mut server, &mut client);

    // The later one is answered first, after the client's key has changed; the server's changes, too.
    let authentication = client.authentication.clone().unwrap();
    let (mut one, mut two) = (
        authentication.take().unwrap(),
        authentication.take().unwrap(),
    );
    assert!(authentication.take().is_none());
    update_keys(&mut client, &mut server);
    update_keys(&mut server, &mut client);
    let answered = |step| matches!(step, AuthenticationStep::Answered { shown: true });
    assert!(answered(two.poll(now()).unwrap()));
    deliver(&mut client, &mut server);
    update_keys(&mut client, &mut server);
    assert!(answered(one.poll(now()).unwrap()));
    deliver(&mut client, &mut server);

    let settled = settle(&server);
    let ids: Vec<_> = settled.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [second, first]);
    assert!(settled.iter().all(|(_, step)| is_alice(step)));
    // And again.
    let third = ask(&server);
    deliver(&mut server, &mut client);
    settle(&client);
    deliver(&mut client, &mut server);
    let settled = settle(&server);
    assert!(matches!(&settled[..], [(id, step)] if *id == third && is_alice(step)));
}

#[test]
fn a_client_without_a_certificate_declines() {
    let (mut client, mut server) = connect(client(), server());
    ask(&server);
    deliver(&mut server, &mut client);
    let settled = settle(&client);
    assert!(matches!(
        settled[0].1,
        AuthenticationStep::Answered { shown: false }
    ));
    deliver(&mut client, &mut server);
    assert!(matches!(settle(&server)[0].1, AuthenticationStep::Declined));

    let required = ClientAuthentication::Required(pki().roots.clone());
    let (mut client, mut server) = connect(self::client(), server_with(required));
    ask(&server);
    deliver(&mut server, &mut client);
    // Nobody answers for it.
    client
        .authentication
        .as_ref()
        .unwrap()
        .take()
        .unwrap()
        .give_up();
    deliver(&mut client, &mut server);
    let mut answered = server.authentication.as_ref().unwrap().take().unwrap();
    let error = answered.poll(now()).unwrap_err();
    assert_eq!(error.violation(), Some(V::NoClientCertificate));
    let mut out = vec![0; server.writer.control_len()];
    let written = server.writer.drain_mailbox(&mut out).unwrap();
    let error = read_all(&mut client.reader, out[..written].to_vec()).unwrap_err();
    let alert = V::NoClientCertificate.alert();
    assert_eq!(error.alert(), Some((Direction::Received, alert)));
}

#[test]
fn a_chain_that_is_not_trusted_ends_the_connection() {
    let stranger = super::attack::ed25519_identity().clone();
    let (mut client, mut server) =
        connect(client().identity(stranger).ask_identity(true), server());
    ask(&server);
    deliver(&mut server, &mut client);
    let stranger = super::attack::ed25519_identity();
    settle_answering(&client, |question| match question {
        Question::ChooseIdentity(question) => question.present(stranger.clone()),
        other => other.default_answer(),
    });
    deliver(&mut client, &mut server);
    let mut answered = server.authentication.as_ref().unwrap().take().unwrap();
    let error = answered.poll(now()).unwrap_err();
    assert!(
        matches!(error.reason(), crate::Reason::Certificate(_)),
        "{error}"
    );
    assert!(server.writer.mailbox().failure().is_some());
}

#[test]
fn everything_is_asked_that_a_handshake_asks() {
    let client = alice().ask_identity(true).ask_signature(true);
    let server = server()
        .ask_verification(true)
        .ticket_keys(ticket_keys())
        .ask_tickets(true)
        .ticket_count(1);
    let (mut client, mut server) = connect(client.session_tickets(true), server);
    read_all(&mut client.reader, core::mem::take(&mut client.unread)).unwrap();
    ask(&server);
    deliver(&mut server, &mut client);
    let mut asked = Vec::new();
    let mut note = |question: Question| {
        asked.push(
            format!("{question:?}")
                .split('(')
                .next()
                .unwrap()
                .to_owned(),
        );
        question.default_answer()
    };
    settle_answering(&client, &mut note);
    deliver(&mut client, &mut server);
    let settled = settle_answering(&server, &mut note);
    assert!(is_alice(&settled[0].1));
    assert_eq!(
        asked,
        ["ChooseIdentity", "Sign", "VerifyChain", "IssueTickets"]
    );
}

/// The sessions of the tickets that have come.
fn sessions(client: &mut Connection) -> Vec<ClientSession> {
    core::iter::from_fn(|| client.reader.take_ticket())
        .map(|ticket| ticket.into_session(now()))
        .collect()
}

#[test]
fn a_ticket_that_comes_afterwards_is_that_of_the_authenticated_client() {
    let client = resuming_client()
        .alpn(Vec::<&str>::new())
        .identity(pki().client.clone())
        .post_handshake_authentication(true);
    let server = server().ticket_keys(ticket_keys()).ticket_count(1);
    let (client_config, server_config) = (client.build().unwrap(), server.build().unwrap());
    let (client, server) = Pair::new(client_config.clone(), server_config.clone()).run();
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    read_all(&mut client.reader, core::mem::take(&mut client.unread)).unwrap();
    let before = sessions(&mut client);
    assert!(!before[0].is_authenticated());

    ask(&server);
    deliver(&mut server, &mut client);
    settle(&client);
    deliver(&mut client, &mut server);
    assert!(is_alice(&settle(&server)[0].1));
    deliver(&mut server, &mut client);
    let after = sessions(&mut client);
    assert_eq!(after.len(), 1);
    assert!(after[0].is_authenticated());

    for (sessions, shown) in [(before, 0), (after, 1)] {
        let pair = resuming(client_config.clone(), server_config.clone(), sessions);
        let (_, resumed) = pair.run();
        let information = resumed.unwrap().information;
        assert!(information.is_resumed());
        assert_eq!(information.peer_certificates().len(), shown);
    }
}

#[test]
fn nobody_is_asked_in_the_handshake_or_where_it_is_not_possible() {
    // The client has not offered it; the server does not want it; before TLS 1.3.
    let plain = || ClientConfig::builder(pki().roots.clone()).identity(pki().client.clone());
    let handshaking = ServerConfig::builder()
        .identity(pki().server.clone())
        .resumption(false);
    let older = server().versions([ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2]);
    for (client, server) in [
        (plain(), server()),
        (alice(), handshaking),
        (plain().versions([ProtocolVersion::TLS_1_2]), older),
    ] {
        let (_, server) = connect(client, server);
        assert!(server.authentication.is_none());
        assert!(server.information.peer_certificates().is_empty());
    }
    let (client, server) = connect(alice(), server());
    assert!(server.information.peer_certificates().is_empty());
    let misuse = client.authentication.unwrap().request().unwrap_err();
    assert!(misuse.to_string().contains("the server asks"));
    // Four at a time.
    let authentication = server.authentication.unwrap();
    for _ in 0..4 {
        authentication.request().unwrap();
    }
    let misuse = authentication.request().unwrap_err();
    assert!(
        misuse.to_string().contains("has not answered 4"),
        "{misuse}"
    );
}

/// RFC 9113 §9.2.3.
#[test]
fn over_http2_nobody_may_be_asked() {
    let (client, server) = connect(alice().alpn(["h2"]), server().alpn(["h2"]));
    assert!(client.authentication.is_none());
    let misuse = server.authentication.unwrap().request().unwrap_err();
    assert!(misuse.to_string().contains("HTTP/2"), "{misuse}");
    let asked = request(&[7], |_| {});
    let error = refused_after_with(
        By::Server,
        alice().alpn(["h2"]),
        self::server().alpn(["h2"]),
        &asked,
    );
    assert_eq!(error.violation(), Some(V::AuthenticationNotOffered));
}

fn request(context: &[u8], more: impl FnOnce(&mut Vec<u8>)) -> Vec<Put> {
    let mut message = Vec::new();
    CertificateRequest::put(&mut message, context, |out| {
        SignatureAlgorithms::put(out, SignatureScheme::DEFAULT);
        more(out);
    });
    vec![Put::Unhashed(message)]
}

#[test]
fn what_cannot_work_is_not_built() {
    let roots = || pki().roots.clone();
    let none = ServerConfig::builder()
        .identity(pki().server.clone())
        .post_handshake_authentication(true);
    let older = server().versions([ProtocolVersion::TLS_1_2]);
    let twice = CertificateFilter::new(&[6, 1, 1], &[]).unwrap();
    let filters = server().oid_filters([twice.clone(), twice.clone()]);
    let unasked = ServerConfig::builder()
        .identity(pki().server.clone())
        .oid_filters([twice]);
    // Nobody can compare these values; without values the extension has to be there.
    let policies = |values| CertificateFilter::new(&[6, 3, 0x55, 0x1d, 0x20], values).unwrap();
    let unknown = server().oid_filters([policies(&[0x30, 0])]);
    server().oid_filters([policies(&[])]).build().unwrap();
    // A raw public key has no extensions.
    let key = rcgen::KeyPair::generate().unwrap();
    let spki = rcgen::PublicKeyData::subject_public_key_info(&key);
    let raw = |server: ServerConfigBuilder| {
        let types = [CertificateType::X509, CertificateType::RAW_PUBLIC_KEY];
        let keys = RawKeys::from_spki([&spki]).unwrap();
        server.client_certificate_types(types).raw_keys(keys)
    };
    raw(server()).build().unwrap();
    let raw = raw(server().oid_filters([policies(&[])]));
    for server in [none, older, filters, unasked, unknown, raw] {
        server.build().unwrap_err();
    }
    let older = ClientConfig::builder(roots())
        .versions([ProtocolVersion::TLS_1_2])
        .post_handshake_authentication(true);
    older.build().unwrap_err();
}

/// What a full handshake would refuse is not had by resuming.
#[test]
fn a_session_of_a_certificate_without_it_is_not_resumed() {
    let filter = |last| CertificateFilter::new(&[6, 3, 0x55, 0x1d, last], &[]).unwrap();
    let keys = ticket_keys();
    let server = |filters: Vec<CertificateFilter>| {
        let server = server().post_handshake_authentication(false);
        let server = server.ticket_keys(keys.clone()).oid_filters(filters);
        server.build().unwrap()
    };
    let client = resuming_client()
        .alpn(Vec::<&str>::new())
        .identity(pki().client.clone());
    let client = client.build().unwrap();
    for (filters, is_resumed) in [
        (vec![], true),
        (vec![filter(0x11)], true),
        (vec![filter(0x11), filter(0x20)], false),
    ] {
        let sessions = sessions_of(client.clone(), server(Vec::new()));
        assert!(sessions[0].is_authenticated());
        let (_, served) = resuming(client.clone(), server(filters), sessions).run();
        match served {
            Ok(served) => assert_eq!(served.information.is_resumed(), is_resumed),
            // The full handshake refuses the certificate.
            Err(error) => {
                assert!(!is_resumed);
                assert_eq!(error.violation(), Some(V::OidFiltersNotMet));
            }
        }
    }
}

#[test]
fn who_shows_nothing_may_be_asked_for_ever() {
    let (mut client, mut server) = connect(client(), server());
    for _ in 0..100 {
        ask(&server);
        let mut out = vec![0; server.writer.max_sealed_len(1) + 4_096];
        let sealed = server.writer.seal(b"x", &mut out).unwrap();
        read_all(&mut client.reader, out[..sealed.written].to_vec()).unwrap();
        deliver(&mut server, &mut client);
        settle(&client);
        deliver(&mut client, &mut server);
        settle(&server);
    }
}

/// Each question may be a dialog.
#[test]
fn nobody_has_to_choose_for_ever() {
    let (mut client, mut server) = connect(client().ask_identity(true), server());
    for _ in 0..64 {
        ask(&server);
        let mut out = vec![0; server.writer.max_sealed_len(1) + 4_096];
        let sealed = server.writer.seal(b"x", &mut out).unwrap();
        read_all(&mut client.reader, out[..sealed.written].to_vec()).unwrap();
        deliver(&mut server, &mut client);
        settle_answering(&client, Question::default_answer);
        deliver(&mut client, &mut server);
        settle(&server);
    }
    ask(&server);
    let bytes = mail(&mut server);
    let error = read_all(&mut client.reader, bytes).unwrap_err();
    assert_eq!(error.violation(), Some(V::TooManySignaturesAsked));
}
