//! SRP before TLS 1.3: every suite, full and resumed, who is asked, wrong passwords and users who are not
//! there, and what either side may not send.

use std::sync::OnceLock;

use super::super::attack::{By, Case, alert_seen_by, refused, ticket_keys, transmitted};
use super::super::older::{talking, talking_in};
use super::super::parts::{body, client_hello};
use super::super::tamper::{Put, Tamper, first};
use super::rsa_identity;
use super::session_of;
use crate::config::{
    ClientAuthentication, ClientConfig, ClientConfigBuilder, ServerConfig, ServerConfigBuilder,
    SrpGroup, SrpUsers, SrpVerifier,
};
use crate::question::{Answer, LookUpUser, Question};
use crate::session::ClientSession;
use crate::suite::{Authentication, CipherSuite, KeyExchange};
use crate::testing::{Pair, answer, now, pki, resuming};
use crate::wire::codec::{put_vec8, put_vec16};
use crate::wire::tls12::{
    ServerKeyExchange, ServerKeyExchangeForm, ServerParams, ServerParamsForm,
};
use crate::wire::{ClientHello, ExtensionType as E, HandshakeMessage as _, HandshakeType as T};
use crate::x509::Roots;
use crate::{
    AlertDescription, Connection, Direction, Error, ProtocolVersion, Stage, Violation as V,
};

pub(in super::super) const SRP: CipherSuite = CipherSuite::TLS_SRP_SHA_WITH_AES_128_CBC_SHA;
pub(in super::super) const SRP_RSA: CipherSuite = CipherSuite::TLS_SRP_SHA_RSA_WITH_AES_128_CBC_SHA;

fn verifier(user: &str, password: &str) -> SrpVerifier {
    SrpVerifier::from_password(user, password, SrpGroup::Bits1024).unwrap()
}

/// The same for all tests: of another salt it would be another one.
fn alice() -> SrpVerifier {
    static ALICE: OnceLock<SrpVerifier> = OnceLock::new();
    let alice = ALICE.get_or_init(|| verifier("alice", "password123"));
    alice.clone()
}

pub(in super::super) fn users() -> SrpUsers {
    SrpUsers::new([alice(), verifier("bob", "another")]).unwrap()
}

pub(in super::super) fn client(suites: &[CipherSuite]) -> ClientConfigBuilder {
    let builder = match suites.contains(&SRP_RSA) {
        true => ClientConfig::dangerous_builder_without_verification(),
        false => ClientConfig::builder(Roots::empty()),
    };
    let builder = builder.cipher_suites(suites).alpn(["h2"]);
    // As short as that, tests take less time.
    builder.srp("alice", "password123").dh_minimum(1024)
}

/// With an identity where the suite needs one.
pub(in super::super) fn server(suites: &[CipherSuite]) -> ServerConfigBuilder {
    let builder = ServerConfig::builder()
        .cipher_suites(suites)
        .alpn(["h2"])
        .resumption(false)
        .srp_users(users());
    match suites.contains(&SRP_RSA) {
        true => builder.identity(rsa_identity().clone()),
        false => builder,
    }
}

fn pair(client: ClientConfigBuilder, server: ServerConfigBuilder) -> Pair {
    Pair::new(client.build().unwrap(), server.build().unwrap())
}

fn names_alice(connection: &Connection) {
    let information = &connection.information;
    assert_eq!(information.srp_user(), Some(&b"alice"[..]));
    assert_eq!(information.psk_identity(), None);
    assert_eq!(information.group(), None);
}

/// Each with its versions; before TLS 1.2 an RSA key signs with a feature. Those with a DSA key are in
/// `signatures/dsa.rs`.
fn suites_in_versions() -> impl Iterator<Item = (CipherSuite, ProtocolVersion)> {
    let suites = CipherSuite::SUPPORTED.iter().copied();
    let suites = suites.filter(|suite| {
        let info = suite.info().unwrap();
        info.key_exchange == KeyExchange::Srp && info.authentication != Authentication::Dss
    });
    suites.flat_map(|suite| {
        let is_signed = suite.info().unwrap().authentication == Authentication::Rsa;
        let older = [ProtocolVersion::TLS_1_1, ProtocolVersion::TLS_1_0];
        let older = older
            .into_iter()
            .filter(move |_| !is_signed || crate::crypto::HAS_RSA);
        let versions = [ProtocolVersion::TLS_1_2].into_iter().chain(older);
        versions.map(move |version| (suite, version))
    })
}

fn ends(
    suite: CipherSuite,
    version: ProtocolVersion,
) -> (ClientConfigBuilder, ServerConfigBuilder) {
    let of = match suite.info().unwrap().authentication {
        Authentication::Rsa => SRP_RSA,
        _ => SRP,
    };
    let (client, server) = (client(&[of]), server(&[of]));
    let client = client.cipher_suites([suite]).versions([version]);
    (client, server.cipher_suites([suite]).versions([version]))
}

#[test]
fn every_suite_in_every_version() {
    let mut count = 0;
    for (suite, version) in suites_in_versions() {
        assert!(!CipherSuite::DEFAULT.contains(&suite));
        let (client, server) = ends(suite, version);
        let (client, server) = talking_in(version, pair(client, server));
        for connection in [&client, &server] {
            names_alice(connection);
            assert_eq!(connection.information.cipher_suite(), suite);
        }
        let is_signed = suite.info().unwrap().authentication == Authentication::Rsa;
        let shown = client.information.peer_certificates();
        assert_eq!(shown.is_empty(), !is_signed);
        count += 1;
    }
    let of_a_kind = 2 + usize::from(cfg!(feature = "legacy-ciphers"));
    let versions = if crate::crypto::HAS_RSA { 3 } else { 1 };
    assert_eq!(count, of_a_kind * (3 + versions));
}

/// By a ticket, and by an id.
#[test]
fn every_suite_resumes() {
    for (suite, version) in suites_in_versions() {
        let (client, server) = ends(suite, version);
        let client = client.session_tickets(true);
        let by_ticket = server.clone().ticket_keys(ticket_keys());
        for server in [by_ticket, server.ask_sessions(true)] {
            let session = session_of(&client, &server);
            let session = ClientSession::from_bytes(&session.to_bytes()).unwrap();
            assert_eq!(session.srp_user(), Some(&b"alice"[..]));
            assert_eq!(session.psk_identity(), None);
            assert!(session.is_authenticated());
            let (client, server) = run_resuming(&client, &server, &session);
            for connection in [client.unwrap(), server.unwrap()] {
                names_alice(&connection);
                assert!(connection.information.is_resumed(), "{suite} in {version}");
            }
        }
    }
}

type Ends = (Result<Connection, Error>, Result<Connection, Error>);

fn run_resuming(
    client: &ClientConfigBuilder,
    server: &ServerConfigBuilder,
    session: &ClientSession,
) -> Ends {
    let (client, server) = (client.clone().build(), server.clone().build());
    let pair = resuming(client.unwrap(), server.unwrap(), vec![session.clone()]);
    pair.run_answering(|_, question| Some(answer(question)))
}

/// The password alone does not do where the server wants to see a certificate too, and both resume.
#[test]
fn a_user_with_a_certificate() {
    let client = client(&[SRP_RSA]).identity(rsa_identity().clone());
    let client = client.session_tickets(true);
    let server = server(&[SRP_RSA]).ticket_keys(ticket_keys());
    let server = server.client_authentication(ClientAuthentication::DangerouslyUnverified);
    let (_, seen) = talking(pair(client.clone(), server.clone()));
    names_alice(&seen);
    assert_eq!(seen.information.peer_certificates(), rsa_identity().chain());
    let session = session_of(&client, &server);
    let (_, seen) = run_resuming(&client, &server, &session);
    let seen = seen.unwrap();
    assert!(seen.information.is_resumed());
    names_alice(&seen);
    assert_eq!(seen.information.peer_certificates(), rsa_identity().chain());
}

#[test]
fn what_contradicts_itself_is_refused_with_what_to_do() {
    let suites = [SRP];
    let without = ClientConfig::builder(Roots::empty()).cipher_suites(suites);
    let error = without.build().unwrap_err().to_string();
    assert_eq!(
        error,
        "cipher_suites: TLS_SRP_SHA_WITH_AES_128_CBC_SHA needs a user and a password: give them with `srp`, \
         or leave the suite out"
    );
    let useless = ClientConfig::builder(pki().roots.clone()).srp("alice", "secret");
    let error = useless.build().unwrap_err().to_string();
    assert!(error.starts_with("srp: with no cipher suite"), "{error}");
    assert!(!error.contains("secret"));
    for user in ["", &"u".repeat(256)] {
        let error = client(&suites).srp(user, "secret").build().unwrap_err();
        assert!(error.to_string().contains("1 to 255 bytes"), "{error}");
    }
    client(&suites).srp("u".repeat(255), "").build().unwrap();
    let without = ServerConfig::builder().cipher_suites(suites);
    let error = without.clone().build().unwrap_err().to_string();
    assert!(
        error.contains("needs users: give them with `srp_users`"),
        "{error}"
    );
    without.clone().ask_user(true).build().unwrap();
    for (seed, good) in [(0, false), (15, false), (16, true)] {
        let users = SrpUsers::new([]).unwrap().seed(vec![5; seed]);
        let built = without.clone().ask_user(true).srp_users(users).build();
        let error = built.err().map(|error| error.to_string());
        let is_refused = error.is_some_and(|error| error.contains("at least 16 random bytes"));
        assert_eq!(!is_refused, good, "{seed}");
    }
    let useless = ServerConfig::builder().identity(pki().server.clone());
    let error = useless.srp_users(users()).build().unwrap_err().to_string();
    assert!(
        error.starts_with("srp_users: with no cipher suite"),
        "{error}"
    );
    let required = ClientAuthentication::Required(pki().roots.clone());
    let error = server(&suites).client_authentication(required).build();
    assert!(
        error
            .unwrap_err()
            .to_string()
            .starts_with("client_authentication: with TLS_SRP")
    );
    let shown = format!("{:?}", client(&suites).build().unwrap());
    assert!(!shown.contains("password123") && !shown.contains("112, 97, 115"));
}

/// The alert does not say it, and this side knows better: what to look at, at both ends.
#[test]
fn a_wrong_password_is_called_so() {
    for (user, password) in [("alice", "guessed"), ("eve", "password123")] {
        let client = client(&[SRP]).srp(user, password);
        let (client, server) = pair(client, server(&[SRP])).run();
        for error in [client.err().unwrap(), server.err().unwrap()] {
            let said = error.to_string();
            assert!(said.contains("a wrong password, or of a user"), "{said}");
        }
    }
    // The only thing that a default client and this server do not share is named first.
    let default = ServerConfig::builder().srp_users(users()).build();
    let error = default.unwrap_err().to_string();
    assert!(
        error.starts_with("srp_users: with no cipher suite"),
        "{error}"
    );
}

fn failed(client: ClientConfigBuilder, server: ServerConfigBuilder) -> (V, Stage, Seen) {
    let error = refused(pair(client, server), By::Client);
    (error.violation().unwrap(), error.stage(), error.alert())
}

type Seen = Option<(Direction, AlertDescription)>;

/// RFC 5054 §2.5.1.3: nobody can try which users there are.
#[test]
fn an_unknown_user_ends_as_a_wrong_password() {
    for suite in [SRP, SRP_RSA] {
        let seen = |user, password| failed(client(&[suite]).srp(user, password), server(&[suite]));
        let wrong = seen("alice", "password124");
        let alert = Some((Direction::Sent, AlertDescription::BAD_RECORD_MAC));
        assert_eq!(wrong, (V::BadRecordMac, Stage::WaitFinished, alert));
        assert_eq!(seen("eve", "password123"), wrong);
        assert_eq!(seen("alice ", "password123"), wrong);
    }
}

/// The salt that a server sends whoever gives this name.
fn salt_for(server: &ServerConfigBuilder, user: &str) -> Vec<u8> {
    let mut pair = pair(client(&[SRP]).srp(user, "x"), server.clone());
    let hello = transmitted(&mut pair.client);
    pair.server.receive(&hello, now());
    let flight = transmitted(&mut pair.server);
    // All messages are in one record, in the clear.
    let mut messages = &flight[5..];
    loop {
        let length = u32::from_be_bytes([0, messages[1], messages[2], messages[3]]) as usize;
        let (message, rest) = messages.split_at(4 + length);
        if message[0] == T::SERVER_KEY_EXCHANGE.0 {
            let form = ServerKeyExchangeForm {
                hint: false,
                params: Some(ServerParamsForm::Srp),
                signature: None,
            };
            let message = ServerKeyExchange::decode(&message[4..], form).unwrap();
            let Some(ServerParams::Srp(params)) = message.params else {
                panic!("{message:?}");
            };
            return params.salt.to_vec();
        }
        messages = rest;
    }
}

/// What an attacker could see before that.
#[test]
fn an_unknown_user_has_the_same_salt_each_time() {
    let server = server(&[SRP]);
    assert_eq!(salt_for(&server, "alice"), alice().salt());
    let eve = salt_for(&server, "eve");
    assert_eq!(eve.len(), alice().salt().len());
    assert_eq!(salt_for(&server, "eve"), eve);
    assert_ne!(salt_for(&server, "mallory"), eve);
    // Other users, as after a reload: another salt, unless the one replaces the other or both have a seed.
    let other = server.clone().srp_users(users());
    assert_ne!(salt_for(&other, "eve"), eve);
    let (before, after) = (server.build().unwrap(), other.build().unwrap());
    assert_eq!(salt_for(&after.replacing(&before).to_builder(), "eve"), eve);
    let seeded = || self::server(&[SRP]).srp_users(users().seed([5; 32]));
    assert_eq!(salt_for(&seeded(), "eve"), salt_for(&seeded(), "eve"));
    assert_ne!(salt_for(&seeded(), "eve"), eve);
}

fn run_asking(
    pair: Pair,
    mut answer_user: impl FnMut(LookUpUser) -> Answer,
) -> (
    Result<Connection, Error>,
    Result<Connection, Error>,
    Vec<bool>,
) {
    let mut asked = Vec::new();
    let (client, server) = pair.run_answering(|is_server, question| match question {
        Question::LookUpUser(question) => {
            assert!(is_server);
            asked.push(question.is_resumption());
            Some(answer_user(*question))
        }
        other => Some(answer(other)),
    });
    (client, server, asked)
}

#[test]
fn a_server_is_asked_for_the_user() {
    let asking = || {
        let server = ServerConfig::builder().cipher_suites([SRP]).ask_user(true);
        pair(client(&[SRP]), server.resumption(false).alpn(["h2"]))
    };
    let (client, server, asked) = run_asking(asking(), |question| {
        assert_eq!(question.user(), b"alice");
        assert_eq!(question.server_name(), Some("localhost"));
        assert_eq!(question.version(), ProtocolVersion::TLS_1_2);
        assert!(!format!("{question:?}").contains("alice"));
        question.use_verifier(alice())
    });
    names_alice(&client.unwrap());
    names_alice(&server.unwrap());
    assert_eq!(asked, [false]);
    for unknown in [LookUpUser::unknown, LookUpUser::choose_configured] {
        let (_, server, _) = run_asking(asking(), unknown);
        assert_eq!(server.unwrap_err().violation(), Some(V::BadRecordMac));
    }
    let (_, server, _) = run_asking(asking(), |question| {
        question.use_verifier(verifier("bob", "password123"))
    });
    let said = server.unwrap_err().to_string();
    assert!(said.contains("of another user"), "{said}");
    // Of the configuration, if there is one.
    let server = self::server(&[SRP]).ask_user(true);
    let (client, ..) = run_asking(
        pair(self::client(&[SRP]), server),
        LookUpUser::choose_configured,
    );
    names_alice(&client.unwrap());
}

/// Nothing is had by resuming that a full handshake would refuse.
#[test]
fn a_session_goes_with_its_user() {
    let client = client(&[SRP]).session_tickets(true);
    let server = server(&[SRP]).ticket_keys(ticket_keys());
    let session = session_of(&client, &server);
    let is_resumed = |client: &ClientConfigBuilder, server: &ServerConfigBuilder| {
        let (client, server) = run_resuming(client, server, &session);
        let resumed = server.map(|server| server.information.is_resumed());
        assert_eq!(client.is_ok(), resumed.is_ok());
        resumed.map_err(|error| error.violation())
    };
    assert_eq!(is_resumed(&client, &server), Ok(true));
    // A client of another name offers none.
    let bob = client.clone().srp("bob", "another");
    assert_eq!(is_resumed(&bob, &server), Ok(false));
    // Nor does one who does not know the password, and would be alice by resuming.
    let stranger = client.clone().srp("alice", "guessed");
    assert_eq!(is_resumed(&stranger, &server), Err(Some(V::BadRecordMac)));
    // Of what is written down nobody can say; and no password can be tried on it.
    let bytes = session.to_bytes();
    let again = ClientSession::from_bytes(&bytes).unwrap();
    assert_eq!(again.to_bytes(), bytes);
    assert!(!again.established.shared_key.unwrap().has_digest());
    // The user has another password by now, or the same with another salt, or is gone.
    let changed = |verifier| server.clone().srp_users(SrpUsers::new([verifier]).unwrap());
    let failed = Err(Some(V::BadRecordMac));
    assert_eq!(
        is_resumed(&client, &changed(verifier("alice", "new"))),
        failed
    );
    assert_eq!(
        is_resumed(&client, &changed(verifier("alice", "password123"))),
        Ok(false)
    );
    assert_eq!(
        is_resumed(&client, &changed(verifier("bob", "password123"))),
        failed
    );
    // Asked, the same.
    let asking = server.clone().ask_user(true);
    let run = |first: Option<SrpVerifier>| {
        let (client, server) = (client.clone().build(), asking.clone().build());
        let pair = resuming(client.unwrap(), server.unwrap(), vec![session.clone()]);
        let (client, _, asked) = run_asking(pair, |question| match &first {
            Some(first) if question.is_resumption() => question.use_verifier(first.clone()),
            None if question.is_resumption() => question.unknown(),
            _ => question.choose_configured(),
        });
        (client.unwrap().information.is_resumed(), asked)
    };
    assert_eq!(run(Some(alice())), (true, vec![true]));
    assert_eq!(run(None), (false, vec![true, false]));
    assert_eq!(
        run(Some(verifier("alice", "new"))),
        (false, vec![true, false])
    );
}

/// §2.2: who resumes names a user all the same, and it does not count.
#[test]
fn the_name_in_a_hello_that_resumes_does_not_count() {
    let client = client(&[SRP]).session_tickets(true);
    let server = server(&[SRP]).ticket_keys(ticket_keys());
    let session = session_of(&client, &server);
    let mut pair = resuming(
        client.build().unwrap(),
        server.build().unwrap(),
        vec![session],
    );
    let sent = transmitted(&mut pair.client);
    let hello = ClientHello::decode(&sent[5 + 4..]).unwrap();
    assert!(hello.extensions.contains(E::SRP));
}

/// The server has something else, or only this.
#[test]
fn a_client_that_names_no_user() {
    let nameless = |suites: &[CipherSuite]| {
        let tamper = first(T::CLIENT_HELLO, |raw| {
            vec![Put::Message(client_hello(raw, |hello| {
                hello.extensions.remove(E::SRP)
            }))]
        });
        let client = client(suites).build().unwrap();
        super::super::attack::pair(client, server(&[SRP]).build().unwrap(), By::Client, tamper)
    };
    let error = refused(nameless(&[SRP]), By::Client);
    assert_eq!(error.violation(), Some(V::SrpUserMissing));
    let alert = (Direction::Sent, AlertDescription::UNKNOWN_PSK_IDENTITY);
    assert_eq!(error.alert(), Some(alert));
    // One that never heard of it is told the usual.
    let other = ClientConfig::builder(pki().roots.clone()).build().unwrap();
    let mut pair = Pair::new(other, server(&[SRP]).build().unwrap());
    super::super::attack::talk(&mut pair);
    assert!(alert_seen_by(pair.client).is_some());
}

#[test]
fn user_names_that_are_none() {
    for bytes in [&[][..], &[0], &[2, b'a'], &[1, b'a', b'b'], &[255]] {
        let bytes = bytes.to_vec();
        let tamper = first(T::CLIENT_HELLO, move |raw| {
            vec![Put::Message(client_hello(raw, |hello| {
                hello.extensions.set(E::SRP, bytes.clone());
            }))]
        });
        Case::new(
            V::MalformedExtension,
            By::Client,
            Stage::WaitClientHello,
            tamper,
        )
        .client(client(&[SRP]))
        .server(server(&[SRP]))
        .check();
    }
}

/// ServerKeyExchange with these, which nobody signs.
fn params(prime: &[u8], generator: &[u8], salt: &[u8], public: &[u8]) -> Tamper {
    let mut params = Vec::new();
    put_vec16(&mut params, |out| out.extend_from_slice(prime));
    put_vec16(&mut params, |out| out.extend_from_slice(generator));
    put_vec8(&mut params, |out| out.extend_from_slice(salt));
    put_vec16(&mut params, |out| out.extend_from_slice(public));
    first(T::SERVER_KEY_EXCHANGE, move |raw| {
        vec![Put::Message(body(raw, |body| body.clone_from(&params)))]
    })
}

fn prime(group: SrpGroup) -> Vec<u8> {
    let mut random = crate::crypto::random::Random::seeded(1);
    let half = crate::crypto::finite_field::srp::ServerHalf::generate(group, &[9], &mut random);
    half.unwrap().prime().to_vec()
}

#[test]
fn groups_and_values_of_a_server() {
    let good = prime(SrpGroup::Bits1024);
    let check = |violation, tamper| {
        Case::new(violation, By::Server, Stage::WaitServerKeyExchange, tamper)
            .client(client(&[SRP]))
            .server(server(&[SRP]))
            .check();
    };
    let mut other = good.clone();
    other[5] ^= 1;
    for (prime, generator) in [
        (&other[..], &[2][..]),
        (&good, &[5]),
        (&good[1..], &[2]),
        (&[23], &[5]),
        (&[0], &[0]),
        (&[0xff; 30_000], &[2]),
    ] {
        check(V::BadSrpGroup, params(prime, generator, b"salt", &[7]));
    }
    // What the RFC has, and is shorter than this client wants: Logjam, with a password to try.
    for (least, group) in [
        (1025, SrpGroup::Bits1024),
        (2048, SrpGroup::Bits1024),
        (2048, SrpGroup::Bits1536),
        (8192, SrpGroup::Bits6144),
    ] {
        let tamper = params(&prime(group), &[group.generator()], b"salt", &[7]);
        let client = client(&[SRP]).dh_minimum(least);
        Case::new(
            V::BadSrpGroup,
            By::Server,
            Stage::WaitServerKeyExchange,
            tamper,
        )
        .client(client)
        .server(server(&[SRP]))
        .check();
    }
    for public in [&[0][..], &[0; 128], &good, &[0xff; 128], &[0xff; 30_000]] {
        check(V::BadSrpValue, params(&good, &[2], b"salt", public));
    }
    for tamper in [
        params(&[], &[2], b"salt", &[7]),
        params(&good, &[], b"salt", &[7]),
        params(&good, &[2], b"", &[7]),
        params(&good, &[2], b"salt", &[]),
    ] {
        check(V::MalformedMessage, tamper);
    }
}

/// A = 0 and N: with these anybody would know the secret.
#[test]
fn values_of_a_client() {
    let prime = prime(SrpGroup::Bits1024);
    for suite in [SRP, SRP_RSA] {
        for (violation, value) in [
            (V::BadSrpValue, vec![0]),
            (V::BadSrpValue, vec![0; 128]),
            (V::BadSrpValue, prime.clone()),
            (V::BadSrpValue, vec![0xff; 128]),
            (V::BadSrpValue, vec![0xff; 60_000]),
            (V::MalformedMessage, vec![]),
        ] {
            let tamper = first(T::CLIENT_KEY_EXCHANGE, move |raw| {
                vec![Put::Message(body(raw, |body| {
                    body.clear();
                    put_vec16(body, |out| out.extend_from_slice(&value));
                }))]
            });
            Case::new(violation, By::Client, Stage::WaitClientKeyExchange, tamper)
                .client(client(&[suite]))
                .server(server(&[suite]))
                .check();
        }
    }
}

/// Of SRP_RSA the certificate's key signs what the server has sent.
#[test]
fn values_that_the_certificate_has_not_signed() {
    let tamper = first(T::SERVER_KEY_EXCHANGE, |raw| {
        // The last byte of B.
        vec![Put::Message(body(raw, |body| {
            let at = 2 + 128 + 2 + 1 + 1 + 16 + 2 + 128 - 1;
            body[at] ^= 1;
        }))]
    });
    Case::new(
        V::BadSignature,
        By::Server,
        Stage::WaitCertificateRequest,
        tamper,
    )
    .client(client(&[SRP_RSA]))
    .server(server(&[SRP_RSA]))
    .check();
}
