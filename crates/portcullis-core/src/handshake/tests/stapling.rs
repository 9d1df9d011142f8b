//! OCSP responses that come with a certificate (RFC 6066 §8, RFC 8446 §4.4.2.1), in both versions.

use std::time::Duration;

use rcgen::KeyPair;
use rustls_pki_types::{PrivateKeyDer, UnixTime};

use super::attack::{By, client, refused, server};
use super::older::VERSIONS;
use super::parts::{certificate, certificate_request, server_hello};
use super::tamper::{Put, first};
use crate::config::{ClientAuthentication, ClientConfig, ClientConfigBuilder, ServerConfigBuilder};
use crate::connection::Connection;
use crate::question::Question;
use crate::session::ServerSession;
use crate::testing::{Pair, answer, now, resuming, sessions, sessions_of};
use crate::wire::{ExtensionType as E, HandshakeType as T};
use crate::x509::tests::Ca;
use crate::x509::tests::ocsp_responses::{Answer, Said, failed, features};
use crate::x509::{Identity, OcspPolicy, OcspStatus, Roots, SctSource, verify_ocsp_response};
use crate::{
    AlertDescription as A, AuthenticationStep, Direction, ProtocolVersion, Step, Violation as V,
};

/// A CA, and a server with a certificate of it: number 7.
struct Issued {
    ca: Ca,
    identity: Identity,
    roots: Roots,
}

fn issued(demanding: bool) -> Issued {
    let ca = Ca::root("CA");
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.serial_number = Some(rcgen::SerialNumber::from(vec![7]));
    if demanding {
        params.custom_extensions = vec![features(&[5], false)];
    }
    let key = KeyPair::generate().unwrap();
    let leaf = ca.leaf_with_key(params, &key);
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let identity = Identity::from_der(vec![leaf], &key).unwrap();
    let mut roots = Roots::empty();
    roots.add_der(ca.der()).unwrap();
    Issued {
        ca,
        identity,
        roots,
    }
}

/// Of the time of these tests.
fn current(said: Said) -> Answer {
    let mut answer = Answer::new(said.at("20260630000000Z", Some("20260702000000Z")));
    answer.produced_at = "20260630000000Z";
    answer
}

impl Issued {
    fn says(&self, said: Said) -> Vec<u8> {
        current(said).by(&self.ca)
    }

    fn stapled(self, said: Said) -> Self {
        let response = self.says(said);
        self.identity.set_ocsp_response(Some(response)).unwrap();
        self
    }

    fn client(&self, version: ProtocolVersion) -> ClientConfigBuilder {
        ClientConfig::builder(self.roots.clone()).versions([version])
    }

    fn server(&self, version: ProtocolVersion) -> ServerConfigBuilder {
        crate::config::ServerConfig::builder()
            .versions([version])
            .resumption(false)
            .identity(self.identity.clone())
    }

    fn pair(&self, version: ProtocolVersion, policy: OcspPolicy) -> Pair {
        let client = self.client(version).ocsp(policy).build().unwrap();
        Pair::new(client, self.server(version).build().unwrap())
    }

    fn connect(&self, version: ProtocolVersion, policy: OcspPolicy) -> Connection {
        let (client, server) = self.pair(version, policy).run();
        server.unwrap();
        client.unwrap()
    }

    /// The client refuses; what it says, having been seen by the server as this alert.
    fn refused(&self, version: ProtocolVersion, policy: OcspPolicy, alert: A) -> String {
        let error = refused(self.pair(version, policy), By::Server);
        assert_eq!(error.alert(), Some((Direction::Sent, alert)), "{error}");
        error.to_string()
    }
}

#[test]
fn a_client_has_the_response_and_what_it_says() {
    for version in VERSIONS {
        let issued = issued(true).stapled(Said::good(7));
        for policy in [OcspPolicy::Accept, OcspPolicy::Require] {
            let information = issued.connect(version, policy).information;
            let response = information.ocsp_response().unwrap();
            assert_eq!(
                Some(response),
                issued.identity.ocsp_response(now()).as_deref()
            );
            let verdict = information.ocsp_verdict().unwrap().as_ref().unwrap();
            assert_eq!(verdict.status(), OcspStatus::Good);
            assert_eq!(verdict.responder(), "CN=CA");
        }
        // It is there also if nobody looks at it.
        let information = issued.connect(version, OcspPolicy::Off).information;
        assert!(information.ocsp_response().is_some());
        assert!(information.ocsp_verdict().is_none());
    }
}

#[test]
fn nothing_comes_unasked() {
    for version in VERSIONS {
        // A certificate that comes with a response does so where one is asked for.
        let issued = issued(true).stapled(Said::revoked(7, None));
        let client = issued.client(version).build().unwrap();
        let pair = Pair::new(client, issued.server(version).build().unwrap());
        let (client, server) = pair.run();
        server.unwrap();
        assert_eq!(client.unwrap().information.ocsp_response(), None);
    }
}

#[test]
fn a_server_is_refused_for_what_its_response_says() {
    for version in VERSIONS {
        let revoked = issued(false).stapled(Said::revoked(7, Some(1)));
        let why = revoked.refused(version, OcspPolicy::Accept, A::CERTIFICATE_REVOKED);
        assert!(why.contains("keyCompromise"), "{why}");
        let unknown = issued(false).stapled(Said::unknown(7));
        let alert = A::BAD_CERTIFICATE_STATUS_RESPONSE;
        unknown.refused(version, OcspPolicy::Accept, alert);
        // Signed by another CA of the same name.
        let forged = issued(false);
        let response = current(Said::good(7)).by_responder(
            &forged.ca,
            &forged.ca.der(),
            &KeyPair::generate().unwrap(),
        );
        forged.identity.set_ocsp_response(Some(response)).unwrap();
        let why = forged.refused(version, OcspPolicy::Accept, alert);
        assert!(
            why.contains("does not verify with the key of CN=CA"),
            "{why}"
        );
        // Nobody looks.
        for issued in [revoked, unknown, forged] {
            issued.connect(version, OcspPolicy::Off);
        }
    }
}

#[test]
fn one_that_is_demanded_and_missing_refuses() {
    for version in VERSIONS {
        let alert = A::BAD_CERTIFICATE_STATUS_RESPONSE;
        let why = issued(true).refused(version, OcspPolicy::Accept, alert);
        assert!(why.contains("TLS feature extension"), "{why}");
        let why = issued(false).refused(version, OcspPolicy::Require, alert);
        assert!(why.contains("`OcspPolicy::Require`"), "{why}");
        let information = issued(false)
            .connect(version, OcspPolicy::Accept)
            .information;
        assert!(information.ocsp_verdict().is_none());
    }
}

#[test]
fn a_response_is_replaced_while_its_configuration_is_in_use() {
    for version in VERSIONS {
        let issued = issued(false);
        let client = issued
            .client(version)
            .ocsp(OcspPolicy::Accept)
            .build()
            .unwrap();
        let server = issued.server(version).build().unwrap();
        let shown = || {
            let (client, server) = Pair::new(client.clone(), server.clone()).run();
            server.unwrap();
            let information = client.unwrap().information;
            information.ocsp_response().map(<[u8]>::to_vec)
        };
        assert_eq!(shown(), None);
        let first = issued.says(Said::good(7));
        issued
            .identity
            .set_ocsp_response(Some(first.clone()))
            .unwrap();
        assert_eq!(shown(), Some(first));
        let second = issued.says(Said::good(7));
        issued
            .identity
            .set_ocsp_response(Some(second.clone()))
            .unwrap();
        assert_eq!(shown(), Some(second));
        issued.identity.set_ocsp_response(None).unwrap();
        assert_eq!(shown(), None);
        // What is over is not shown any more.
        let over = Said::good(7).at("20260629000000Z", Some("20260630000000Z"));
        let over = Answer::new(over).by(&issued.ca);
        issued.identity.set_ocsp_response(Some(over)).unwrap();
        assert_eq!(shown(), None);
        assert_eq!(issued.identity.ocsp_response(now()), None);
        assert!(
            issued
                .identity
                .ocsp_response(UnixTime::since_unix_epoch(Duration::ZERO))
                .is_some()
        );
    }
}

#[test]
fn an_identity_takes_no_response_of_another_certificate() {
    let issued = issued(false);
    let refused = |response: Vec<u8>| {
        let error = issued.identity.clone().with_ocsp_response(response);
        error.err().unwrap().to_string()
    };
    assert!(refused(issued.says(Said::good(8))).contains("is about 1 other certificates"));
    assert!(refused(failed(3)).contains("tryLater (3)"));
    assert!(refused(vec![7; 9]).contains("is malformed"));
    let key = crate::x509::PrivateKey::from_der(
        &PrivateKeyDer::try_from(KeyPair::generate().unwrap().serialize_der()).unwrap(),
    )
    .unwrap();
    let raw = Identity::raw_public_key(key).unwrap();
    let error = raw
        .set_ocsp_response(Some(issued.says(Said::good(7))))
        .unwrap_err();
    assert!(error.to_string().contains("raw public key"), "{error}");
    assert_eq!(issued.identity.ocsp_response(now()), None);
}

/// A staple belongs to the handshake that it came with: none comes when a session is resumed, and none is missed.
#[test]
fn a_session_is_resumed_without_one() {
    for (version, asks) in VERSIONS
        .iter()
        .flat_map(|version| [(*version, false), (*version, true)])
    {
        let issued = issued(true).stapled(Said::good(7));
        let client = issued.client(version).ocsp(OcspPolicy::Require);
        let client = client.session_tickets(true).ask_verification(asks);
        let client = client.build().unwrap();
        let server = issued.server(version).resumption(true).build().unwrap();
        let sessions = sessions_of(client.clone(), server.clone());
        // It is not looked at again either, if it has become another one.
        issued
            .identity
            .set_ocsp_response(Some(issued.says(Said::revoked(7, None))))
            .unwrap();
        let (client, server) = resuming(client, server, sessions).run();
        server.unwrap();
        let information = client.unwrap().information;
        assert!(information.is_resumed());
        assert_eq!(information.ocsp_response(), None);
        assert!(information.ocsp_verdict().is_none());
    }
}

/// A session has no response, so one of a configuration that has not looked at any brings nobody past one that does
/// (RFC 7633 §4.2.2).
#[test]
fn a_session_of_another_configuration_is_not_resumed() {
    for version in VERSIONS {
        let issued = issued(true);
        let server = issued.server(version).resumption(true).build().unwrap();
        let client = issued.client(version).session_tickets(true);
        let sessions = sessions_of(client.clone().build().unwrap(), server.clone());
        for (policy, resumes) in [
            (OcspPolicy::Off, true),
            (OcspPolicy::Accept, false),
            (OcspPolicy::Require, false),
        ] {
            let client = client.clone().ocsp(policy).build().unwrap();
            let (client, _) = resuming(client, server.clone(), sessions.clone()).run();
            match resumes {
                true => assert!(client.unwrap().information.is_resumed()),
                // The certificate demands a response, and there is none.
                false => drop(client.unwrap_err()),
            }
        }
    }
}

#[test]
fn who_is_asked_about_the_chain_sees_the_response() {
    for version in VERSIONS {
        let issued = issued(false).stapled(Said::good(7));
        let client = issued
            .client(version)
            .ocsp(OcspPolicy::Require)
            .ask_verification(true);
        let pair = Pair::new(
            client.build().unwrap(),
            issued.server(version).build().unwrap(),
        );
        let mut asked = 0;
        let (client, server) = pair.run_answering(|_, question| {
            if let Question::VerifyChain(question) = &question {
                asked += 1;
                let response = question.chain().ocsp_response(0).unwrap();
                let leaf = question.chain().end_entity();
                let policy = crate::x509::ChainPolicy::new(issued.roots.clone());
                let ca = issued.ca.der();
                let verdict = verify_ocsp_response(response, leaf, &ca, question.now(), &policy);
                let proof = question.check().unwrap();
                assert_eq!(proof.ocsp_verdict(), Some(&verdict));
            }
            Some(answer(question))
        });
        server.unwrap();
        assert!(client.unwrap().information.ocsp_verdict().is_some());
        assert_eq!(asked, 1);
    }
}

/// A server may ask a client, too (RFC 8446 §4.4.2.1). One that has not asked takes no answer.
#[test]
fn a_client_shows_its_response_to_a_server_that_asks() {
    let issued = issued(false).stapled(Said::good(7));
    let client = client().identity(issued.identity.clone()).build().unwrap();
    let roots = issued.roots.clone();
    let server = || server().client_authentication(ClientAuthentication::Required(roots.clone()));
    let run = |asks: bool| {
        let mut pair = Pair::new(client.clone(), server().build().unwrap());
        pair.server
            .tamper(first(T::CERTIFICATE_REQUEST, move |raw| {
                let raw = certificate_request(raw, |request| {
                    if asks {
                        request.extensions.add(E::STATUS_REQUEST, []);
                    }
                });
                vec![Put::Message(raw)]
            }));
        pair
    };
    let error = refused(run(true), By::Client);
    assert_eq!(error.violation(), Some(V::ExtensionNotOffered));
    // Nobody asked.
    let (client, server) = run(false).run();
    client.unwrap();
    assert_eq!(server.unwrap().information.ocsp_response(), None);
}

/// Where nobody says what becomes of the responses that are asked for.
#[test]
fn who_asks_for_responses_looks_at_them() {
    let alert = Some((Direction::Sent, A::CERTIFICATE_REVOKED));
    for version in VERSIONS {
        let revoked = issued(false).stapled(Said::revoked(7, None));
        let client = revoked.client(version).request_ocsp_response(true);
        let server = revoked.server(version).build().unwrap();
        let error = refused(Pair::new(client.build().unwrap(), server), By::Server);
        assert_eq!(error.alert(), alert, "{error}");
    }
    let revoked = issued(false).stapled(Said::revoked(7, None));
    let (client, server) = asking(&revoked, ProtocolVersion::TLS_1_3, None);
    let server = server.request_ocsp_response(true).build().unwrap();
    let error = refused(Pair::new(client.build().unwrap(), server), By::Client);
    assert_eq!(error.alert(), alert, "{error}");
}

/// A client of `clients`, and a server of somebody else's that asks for responses.
fn asking(
    clients: &Issued,
    version: ProtocolVersion,
    policy: impl Into<Option<OcspPolicy>>,
) -> (ClientConfigBuilder, ServerConfigBuilder) {
    let ours = issued(false);
    let client = ours.client(version).identity(clients.identity.clone());
    let roots = ClientAuthentication::Required(clients.roots.clone());
    let server = ours.server(version).client_authentication(roots);
    let server = match version {
        ProtocolVersion::TLS_1_3 => server,
        // Others come, too.
        version => server.versions([version, ProtocolVersion::TLS_1_3]),
    };
    match policy.into() {
        Some(policy) => (client, server.ocsp(policy)),
        None => (client, server),
    }
}

fn asked(clients: &Issued, version: ProtocolVersion, policy: OcspPolicy) -> Pair {
    let (client, server) = asking(clients, version, policy);
    Pair::new(client.build().unwrap(), server.build().unwrap())
}

#[test]
fn a_server_has_the_response_of_its_client_and_what_it_says() {
    let version = ProtocolVersion::TLS_1_3;
    let good = issued(true).stapled(Said::good(7));
    for policy in [OcspPolicy::Accept, OcspPolicy::Require, OcspPolicy::Off] {
        let (client, server) = asked(&good, version, policy).run();
        client.unwrap();
        let information = server.unwrap().information;
        assert!(information.ocsp_response().is_some());
        let verdict = information.ocsp_verdict();
        match policy {
            OcspPolicy::Off => assert!(verdict.is_none()),
            _ => assert_eq!(
                verdict.unwrap().as_ref().unwrap().status(),
                OcspStatus::Good
            ),
        }
    }
    // Who has none is not refused for it.
    let (client, server) = asked(&issued(false), version, OcspPolicy::Accept).run();
    client.unwrap();
    assert_eq!(server.unwrap().information.ocsp_response(), None);
    // What was asked for is all that may come.
    let mut pair = asked(&good, version, OcspPolicy::Accept);
    pair.client.tamper(first(T::CERTIFICATE, |raw| {
        vec![Put::Message(certificate(raw, |certificate| {
            let list = [0, 4, 0, 2, 1, 2];
            certificate.entries[0]
                .1
                .add(E::SIGNED_CERTIFICATE_TIMESTAMP, list);
        }))]
    }));
    let error = refused(pair, By::Client);
    assert_eq!(error.violation(), Some(V::ExtensionNotOffered));
}

#[test]
fn a_client_is_refused_for_its_response_or_for_none() {
    let version = ProtocolVersion::TLS_1_3;
    let (revoked, bad) = (A::CERTIFICATE_REVOKED, A::BAD_CERTIFICATE_STATUS_RESPONSE);
    for (clients, policy, alert, why) in [
        (
            issued(false).stapled(Said::revoked(7, Some(1))),
            OcspPolicy::Accept,
            revoked,
            "keyCompromise",
        ),
        (
            issued(false).stapled(Said::unknown(7)),
            OcspPolicy::Accept,
            bad,
            "is unknown",
        ),
        (
            issued(true),
            OcspPolicy::Accept,
            bad,
            "TLS feature extension",
        ),
        (
            issued(false),
            OcspPolicy::Require,
            bad,
            "switch stapling on at its end",
        ),
    ] {
        let error = refused(asked(&clients, version, policy), By::Client);
        assert_eq!(error.alert(), Some((Direction::Sent, alert)), "{error}");
        assert!(error.to_string().contains(why), "{error}");
        asked(&clients, version, OcspPolicy::Off).run().1.unwrap();
    }
}

/// No response comes with a session, and before TLS 1.3 none comes from a client at all: there none is missed, and
/// sessions are resumed as ever.
#[test]
fn a_client_that_was_asked_shows_its_response_each_time() {
    for version in VERSIONS {
        let clients = issued(true).stapled(Said::good(7));
        let (client, server) = asking(&clients, version, OcspPolicy::Accept);
        let client = client.session_tickets(true).build().unwrap();
        let server = server.resumption(true).build().unwrap();
        let sessions = sessions_of(client.clone(), server.clone());
        let (_, server) = resuming(client, server, sessions).run();
        let information = server.unwrap().information;
        let is_new = version == ProtocolVersion::TLS_1_3;
        assert_eq!(information.is_resumed(), !is_new);
        assert_eq!(information.ocsp_response().is_some(), is_new);
        assert_eq!(information.peer_certificates().len(), 1);
    }
}

/// A store that keeps a session as it is keeps the response with it, which is judged anew: until it is over the client is
/// resumed, and then shows another one. What was written down has none.
#[test]
fn a_session_that_was_kept_has_its_response_until_that_is_over() {
    use super::attack::transmitted;
    use super::early_data::{by_store, kept, session_in_store};
    let version = ProtocolVersion::TLS_1_3;
    for (policy, minutes, is_written, is_resumed) in [
        (OcspPolicy::Require, 20, false, true),
        (OcspPolicy::Accept, 20, false, true),
        (OcspPolicy::Require, 60, false, false),
        (OcspPolicy::Accept, 60, false, false),
        (OcspPolicy::Require, 20, true, false),
    ] {
        let clients = issued(false);
        let mut said = current(Said::good(7));
        said.said[0].next_update = Some("20260701003000Z");
        let response = said.by(&clients.ca);
        clients.identity.set_ocsp_response(Some(response)).unwrap();
        let (client, server) = asking(&clients, version, policy);
        let client = client.session_tickets(true);
        let server = server.ask_tickets(true).build().unwrap();
        let session = session_in_store(client.clone(), server.clone());
        let mut pair = resuming(client.build().unwrap(), server, vec![session]);
        let hello = transmitted(&mut pair.client);
        let at = UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() + minutes * 60));
        pair.server.receive(&hello, at);
        let Ok(Step::Ask(Question::OpenTickets(question))) = pair.server.poll() else {
            panic!("the ticket is a name");
        };
        let session = kept(question.tickets().next().unwrap()).unwrap();
        let session = match is_written {
            true => ServerSession::from_bytes(&session.to_bytes()).unwrap(),
            false => session,
        };
        pair.server.answer(question.resume(0, session), at).unwrap();
        let (client, _) = pair.run_answering(|_, question| Some(by_store(question)));
        let resumed = client.unwrap().information.is_resumed();
        assert_eq!(resumed, is_resumed, "{policy:?} {minutes} {is_written}");
    }
}

/// Stores are bounded in bytes, and keep with a session what came with its chain, which is not written down.
#[test]
fn a_session_is_as_long_as_what_came_with_its_chain() {
    const LIST: &[u8] = &{
        let mut list = [7; 304];
        (list[0], list[1], list[2], list[3]) = (1, 46, 1, 44);
        list
    };
    for version in VERSIONS {
        let issued = issued(false).stapled(Said::good(7));
        let response = issued.identity.ocsp_response(now()).unwrap();
        let client = issued.client(version).ocsp(OcspPolicy::Require);
        let client = client.session_tickets(true).request_scts(true);
        let server = issued.server(version).resumption(true);
        let mut pair = Pair::new(client.build().unwrap(), server.build().unwrap());
        add_timestamps(&mut pair, version, LIST);
        let mut client = pair.run().0.unwrap();
        let session = sessions(&mut client).remove(0);
        let least = session.to_bytes().len() + response.len() + LIST.len();
        assert!(session.size() >= least, "{}, {least}", session.size());
    }
}

/// After the handshake as in it.
#[test]
fn a_client_that_is_asked_later_shows_its_response_then() {
    use super::post_handshake_auth::{ask, client, connect, deliver, server_with, settle};
    let clients = issued(false).stapled(Said::good(7));
    for asks in [true, false] {
        let server = server_with(ClientAuthentication::Required(clients.roots.clone()));
        let server = match asks {
            true => server.ocsp(OcspPolicy::Require),
            false => server,
        };
        let client = client().identity(clients.identity.clone());
        let (mut client, mut server) = connect(client, server);
        ask(&server);
        deliver(&mut server, &mut client);
        settle(&client);
        deliver(&mut client, &mut server);
        let settled = settle(&server);
        let [(_, AuthenticationStep::Presented(chain))] = settled.as_slice() else {
            panic!("{settled:?}");
        };
        assert_eq!(chain.chain().ocsp_response(0).is_some(), asks);
        assert_eq!(chain.ocsp_verdict().is_some_and(Result::is_ok), asks);
    }
}

#[test]
fn a_message_with_a_response_is_compressed_as_well() {
    use super::super::compressed::put_certificate;
    use crate::compression::CertificateCompression;
    use crate::compression::tests::Shrinking;
    let shrinking = CertificateCompression::custom(Shrinking);
    let version = ProtocolVersion::TLS_1_3;
    // Set before the configuration is made, and after it.
    for before in [true, false] {
        let issued = issued(false);
        let set = || {
            let response = issued.says(Said::good(7));
            issued.identity.set_ocsp_response(Some(response)).unwrap();
        };
        if before {
            set();
        }
        let server = issued
            .server(version)
            .certificate_compression([shrinking.clone()]);
        let server = server.build().unwrap();
        if !before {
            set();
        }
        let staple = issued.identity.staple(now()).unwrap();
        let mut out = Vec::new();
        put_certificate(
            &mut out,
            &issued.identity,
            Some(&staple),
            Some(shrinking.algorithm()),
        );
        assert_eq!(out[0], T::COMPRESSED_CERTIFICATE.0);
        let client = issued
            .client(version)
            .certificate_compression([shrinking.clone()])
            .ocsp(OcspPolicy::Require);
        let (client, server) = Pair::new(client.build().unwrap(), server).run();
        server.unwrap();
        assert!(client.unwrap().information.ocsp_response().is_some());
    }
}

#[test]
fn what_contradicts_itself_is_refused_when_it_is_built() {
    let error = |builder: ClientConfigBuilder| builder.build().unwrap_err().to_string();
    let unasked = client()
        .ocsp(OcspPolicy::Require)
        .request_ocsp_response(false);
    assert_eq!(
        error(unasked),
        "ocsp: the server is not asked for a response; leave out `request_ocsp_response(false)`"
    );
    let unverified = ClientConfig::dangerous_builder_without_verification();
    assert_eq!(
        error(unverified.ocsp(OcspPolicy::Require)),
        "ocsp: this configuration does not verify servers; leave it out, or start with `builder`"
    );
}

/// A server that sends this list of timestamps, as ours does not (RFC 6962 §3.3.1).
fn logged(version: ProtocolVersion, asks: bool, list: &'static [u8]) -> Pair {
    let client = client().versions([version]).request_scts(asks);
    let server = server().versions([version]);
    let mut pair = Pair::new(client.build().unwrap(), server.build().unwrap());
    add_timestamps(&mut pair, version, list);
    pair
}

fn add_timestamps(pair: &mut Pair, version: ProtocolVersion, list: &'static [u8]) {
    let typ = match version {
        ProtocolVersion::TLS_1_3 => T::CERTIFICATE,
        _ => T::SERVER_HELLO,
    };
    pair.server.tamper(first(typ, move |raw| {
        let raw = match typ {
            T::CERTIFICATE => certificate(raw, |certificate| {
                certificate.entries[0]
                    .1
                    .add(E::SIGNED_CERTIFICATE_TIMESTAMP, list);
            }),
            _ => server_hello(raw, |hello| {
                hello.extensions.add(E::SIGNED_CERTIFICATE_TIMESTAMP, list);
            }),
        };
        vec![Put::Message(raw)]
    }));
}

#[test]
fn timestamps_of_logs_come_where_they_were_asked_for() {
    const LIST: &[u8] = &[0, 8, 0, 2, 1, 2, 0, 2, 3, 4];
    for version in VERSIONS {
        let (client, server) = logged(version, true, LIST).run();
        server.unwrap();
        let scts = client.unwrap().information.scts();
        let seen: Vec<_> = scts.iter().map(crate::x509::Sct::as_bytes).collect();
        assert_eq!(seen, [[1, 2], [3, 4]]);
        assert!(
            scts.iter()
                .all(|sct| sct.source() == SctSource::TlsExtension)
        );
        let error = refused(logged(version, false, LIST), By::Server);
        assert_eq!(error.violation(), Some(V::ExtensionNotOffered));
        // RFC 6962 §3.3: neither the list nor what is in it is empty.
        for damaged in [
            &[][..],
            &[0, 0],
            &[0, 2, 0, 0],
            &[0, 3, 0, 1],
            &[0, 3, 0, 1, 7, 7],
        ] {
            let error = refused(logged(version, true, damaged), By::Server);
            assert_eq!(
                error.violation(),
                Some(V::MalformedExtension),
                "{damaged:?}"
            );
        }
    }
    // Ours sends none.
    let client = client().request_scts(true).build().unwrap();
    let (client, server) = Pair::new(client, server().build().unwrap()).run();
    server.unwrap();
    assert!(client.unwrap().information.scts().is_empty());
}
