//! Each row of both state tables of TLS 1.2: the messages and answers it takes, as scripts.

use std::collections::BTreeSet;

use super::super::super::{client as client_role, server as server_role};
use super::super::attack::ticket_keys;
use super::super::older::{older_client, older_server};
use super::super::scripts::{Scripts, run_distrusting, run_resuming};
use super::exchanges::{ANONYMOUS, ECDHE_PSK, PSK, ends};
use super::{both_authenticate, refusable_with_another_key, resumable, session_of};
use crate::config::{ClientConfigBuilder, ServerConfigBuilder};
use crate::testing::pki;

fn run(client: ClientConfigBuilder, server: ServerConfigBuilder) -> Scripts {
    run_resuming(client, server, Vec::new())
}

const PLAIN_CLIENT: &[&str] = &[
    "WaitServerHello -server_hello-> WaitCertificate",
    "WaitCertificate -certificate-> WaitServerKeyExchange",
    "WaitServerKeyExchange -server_key_exchange-> WaitCertificateRequest",
    "WaitCertificateRequest -server_hello_done-> WaitChangeCipherSpec",
    "WaitChangeCipherSpec -change_cipher_spec-> WaitFinished",
    "WaitFinished -finished-> Connected",
];

const PLAIN_SERVER: &[&str] = &[
    "WaitClientHello -client_hello-> WaitClientKeyExchange",
    "WaitClientKeyExchange -client_key_exchange-> WaitChangeCipherSpec",
    "WaitChangeCipherSpec -change_cipher_spec-> WaitFinished",
    "WaitFinished -finished-> Connected",
];

const ALL_CLIENT: &[&str] = &[
    "WaitServerHello -server_hello-> ReviewingServerHello",
    "ReviewingServerHello =ReviewServerHello=> WaitCertificate",
    "WaitCertificate -certificate-> WaitServerKeyExchange",
    "WaitServerKeyExchange -server_key_exchange-> WaitCertificateRequest",
    "WaitCertificateRequest -certificate_request-> WaitServerHelloDone",
    "WaitServerHelloDone -server_hello_done-> VerifyingChain",
    "VerifyingChain =VerifyChain=> ChoosingIdentity",
    "ChoosingIdentity =ChooseIdentity=> Signing",
    "Signing =Sign=> WaitNewSessionTicket",
    "WaitNewSessionTicket -new_session_ticket-> WaitChangeCipherSpec",
    "WaitChangeCipherSpec -change_cipher_spec-> WaitFinished",
    "WaitFinished -finished-> Connected",
];

const ALL_SERVER: &[&str] = &[
    "WaitClientHello -client_hello-> ChoosingConfiguration",
    "ChoosingConfiguration =ChooseConfiguration=> OpeningTickets",
    "OpeningTickets =OpenTickets=> ChoosingIdentity",
    "ChoosingIdentity =ChooseIdentity=> Signing",
    "Signing =Sign=> WaitCertificate",
    "WaitCertificate -certificate-> VerifyingChain",
    "VerifyingChain =VerifyChain=> WaitClientKeyExchange",
    "WaitClientKeyExchange -client_key_exchange-> WaitCertificateVerify",
    "WaitCertificateVerify -certificate_verify-> WaitChangeCipherSpec",
    "WaitChangeCipherSpec -change_cipher_spec-> WaitFinished",
    "WaitFinished -finished-> IssuingTickets",
    "IssuingTickets =IssueTickets=> Connected",
];

const RESUMED_CLIENT: &[&str] = &[
    "WaitServerHello -server_hello-> ReviewingServerHello",
    "ReviewingServerHello =ReviewServerHello=> ReverifyingChain",
    "ReverifyingChain =VerifyChain=> WaitChangeCipherSpec",
    "WaitChangeCipherSpec -change_cipher_spec-> WaitFinished",
    "WaitFinished -finished-> Connected",
];

const RESUMED_SERVER: &[&str] = &[
    "WaitClientHello -client_hello-> ChoosingConfiguration",
    "ChoosingConfiguration =ChooseConfiguration=> OpeningTickets",
    "OpeningTickets =OpenTickets=> ReverifyingChain",
    "ReverifyingChain =VerifyChain=> ChoosingIdentity",
    "ChoosingIdentity =ChooseIdentity=> WaitChangeCipherSpec",
    "WaitChangeCipherSpec -change_cipher_spec-> WaitFinished",
    "WaitFinished -finished-> Connected",
];

const KEEPING_SERVER: &[&str] = &[
    "WaitClientHello -client_hello-> FindingSession",
    "FindingSession =FindSession=> WaitClientKeyExchange",
    "WaitClientKeyExchange -client_key_exchange-> WaitChangeCipherSpec",
    "WaitChangeCipherSpec -change_cipher_spec-> WaitFinished",
    "WaitFinished -finished-> KeepingSession",
    "KeepingSession =KeepSession=> Connected",
];

/// RFC 4279 §2: without a hint there is no ServerKeyExchange.
const SHARED_KEY_CLIENT: &[&str] = &[
    "WaitServerHello -server_hello-> WaitServerKeyExchange",
    "WaitServerKeyExchange -server_hello_done-> ChoosingPsk",
    "ChoosingPsk =ChoosePsk=> WaitChangeCipherSpec",
    "WaitChangeCipherSpec -change_cipher_spec-> WaitFinished",
    "WaitFinished -finished-> Connected",
];

const SHARED_KEY_SERVER: &[&str] = &[
    "WaitClientHello -client_hello-> WaitClientKeyExchange",
    "WaitClientKeyExchange -client_key_exchange-> ChoosingPsk",
    "ChoosingPsk =ChoosePsk=> WaitChangeCipherSpec",
    "WaitChangeCipherSpec -change_cipher_spec-> WaitFinished",
    "WaitFinished -finished-> Connected",
];

/// See `transitions.rs` for both ways on.
const DECRYPTING_SERVER: &[&str] = &[
    "WaitClientHello -client_hello-> WaitClientKeyExchange",
    "WaitClientKeyExchange -client_key_exchange-> Decrypting",
    "Decrypting =Decrypt=> WaitChangeCipherSpec",
    "WaitChangeCipherSpec -change_cipher_spec-> WaitFinished",
    "WaitFinished -finished-> Connected",
];

const HINTED_CLIENT: &[&str] = &[
    "WaitServerHello -server_hello-> WaitServerKeyExchange",
    "WaitServerKeyExchange -server_key_exchange-> WaitServerHelloDone",
    "WaitServerHelloDone -server_hello_done-> WaitChangeCipherSpec",
    "WaitChangeCipherSpec -change_cipher_spec-> WaitFinished",
    "WaitFinished -finished-> Connected",
];

const RESUMED_WITH_KEY_SERVER: &[&str] = &[
    "WaitClientHello -client_hello-> OpeningTickets",
    "OpeningTickets =OpenTickets=> ReverifyingPsk",
    "ReverifyingPsk =ChoosePsk=> WaitChangeCipherSpec",
    "WaitChangeCipherSpec -change_cipher_spec-> WaitFinished",
    "WaitFinished -finished-> Connected",
];

/// RFC 5054 §2.2: see `transitions.rs` for all ways.
#[cfg(feature = "finite-field")]
const USER_SERVER: &[&str] = &[
    "WaitClientHello -client_hello-> LookingUpUser",
    "LookingUpUser =LookUpUser=> WaitClientKeyExchange",
    "WaitClientKeyExchange -client_key_exchange-> WaitChangeCipherSpec",
    "WaitChangeCipherSpec -change_cipher_spec-> WaitFinished",
    "WaitFinished -finished-> Connected",
];

#[cfg(feature = "finite-field")]
const RESUMED_USER_SERVER: &[&str] = &[
    "WaitClientHello -client_hello-> ReverifyingUser",
    "ReverifyingUser =LookUpUser=> WaitChangeCipherSpec",
    "WaitChangeCipherSpec -change_cipher_spec-> WaitFinished",
    "WaitFinished -finished-> Connected",
];

/// Without the feature nobody logs in.
#[cfg(not(feature = "finite-field"))]
const USER_SERVER: &[&str] = &["LookingUpUser"];
#[cfg(not(feature = "finite-field"))]
const RESUMED_USER_SERVER: &[&str] = &["ReverifyingUser"];

/// RFC 6066 §8: see `transitions.rs` for the server that promises a status.
const STAPLED_CLIENT: &[&str] = &["WaitCertificateStatus"];

#[test]
fn the_shortest_way() {
    let scripts = run(older_client(), older_server());
    assert_eq!(scripts.client, PLAIN_CLIENT);
    assert_eq!(scripts.server, PLAIN_SERVER);
}

fn all_asking(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
) -> (ClientConfigBuilder, ServerConfigBuilder) {
    let client = client
        .pause_at_hello(true)
        .ask_identity(true)
        .ask_signature(true)
        .ask_verification(true);
    let server = server
        .ask_tickets(true)
        .pause_at_hello(true)
        .ask_identity(true)
        .ask_signature(true)
        .ask_verification(true);
    (client, server)
}

#[test]
fn the_longest_way() {
    let (client, server, session) = resumable();
    let (client, server) = all_asking(client, server.ticket_keys(ticket_keys()));
    let scripts = run_resuming(client, server, vec![session]);
    assert_eq!(scripts.client, ALL_CLIENT);
    assert_eq!(scripts.server, ALL_SERVER);
}

#[test]
fn the_resumed_way() {
    let (client, server, session) = resumable();
    let scripts = run_resuming(client.clone(), server.clone(), vec![session.clone()]);
    assert_eq!(
        scripts.client,
        [
            "WaitServerHello -server_hello-> WaitChangeCipherSpec",
            "WaitChangeCipherSpec -change_cipher_spec-> WaitFinished",
            "WaitFinished -finished-> Connected",
        ]
    );
    assert_eq!(
        scripts.server,
        [
            "WaitClientHello -client_hello-> WaitChangeCipherSpec",
            "WaitChangeCipherSpec -change_cipher_spec-> WaitFinished",
            "WaitFinished -finished-> Connected",
        ]
    );
    let (client, server) = all_asking(client, server);
    let scripts = run_resuming(client, server, vec![session]);
    assert_eq!(scripts.client, RESUMED_CLIENT);
    assert_eq!(scripts.server, RESUMED_SERVER);
}

/// Whoever is refused with a session is as one that has none: here its key counts, and nobody asks for a certificate.
#[test]
fn the_way_of_one_that_is_refused_and_has_a_key() {
    let (client, server, session) = refusable_with_another_key();
    let scripts = run_distrusting(client.clone(), server.clone(), vec![session]);
    assert_eq!(
        scripts.server,
        [
            "WaitClientHello -client_hello-> ReverifyingChain",
            "ReverifyingChain =VerifyChain=> WaitClientKeyExchange",
            "WaitClientKeyExchange -client_key_exchange-> WaitChangeCipherSpec",
            "WaitChangeCipherSpec -change_cipher_spec-> WaitFinished",
            "WaitFinished -finished-> Connected",
        ]
    );
    assert_eq!(run(client, server).server[1..], scripts.server[2..]);
}

/// By an id that is unknown, and by one that is not.
#[test]
fn the_way_of_an_id() {
    let server = older_server().ask_sessions(true);
    let client = older_client().session_tickets(true);
    let session = session_of(&client, &server);
    // Kept where nobody looks.
    let elsewhere = std::thread::scope(|scope| {
        let session = scope.spawn(|| session_of(&client, &server));
        session.join().unwrap()
    });
    let scripts = run_resuming(client.clone(), server.clone(), vec![elsewhere]);
    assert_eq!(scripts.server, KEEPING_SERVER);
    let scripts = run_resuming(client, server, vec![session]);
    assert_eq!(
        scripts.server,
        [
            "WaitClientHello -client_hello-> FindingSession",
            "FindingSession =FindSession=> WaitChangeCipherSpec",
            "WaitChangeCipherSpec -change_cipher_spec-> WaitFinished",
            "WaitFinished -finished-> Connected",
        ]
    );
}

const NEXT_PROTOCOL_SERVER: &[&str] = &[
    "WaitClientHello -client_hello-> WaitClientKeyExchange",
    "WaitClientKeyExchange -client_key_exchange-> WaitChangeCipherSpec",
    "WaitChangeCipherSpec -change_cipher_spec-> WaitNextProtocol",
    "WaitNextProtocol -next_protocol-> WaitFinished",
    "WaitFinished -finished-> Connected",
];

#[test]
fn a_client_that_chooses_by_npn() {
    let client = older_client().alpn([""; 0]).next_protocols(["a"]);
    let server = older_server().alpn([""; 0]).next_protocols(["a"]);
    assert_eq!(run(client, server).server, NEXT_PROTOCOL_SERVER);
}

/// §7.4.6: a client without a certificate sends an empty list and no CertificateVerify.
#[test]
fn a_client_without_a_certificate() {
    let (_, server) = both_authenticate();
    let optional = crate::config::ClientAuthentication::Optional(pki().roots.clone());
    let scripts = run(older_client(), server.client_authentication(optional));
    assert_eq!(
        scripts.server[1..3],
        [
            "WaitCertificate -certificate-> WaitClientKeyExchange",
            "WaitClientKeyExchange -client_key_exchange-> WaitChangeCipherSpec",
        ]
    );
}

#[test]
fn the_ways_of_a_shared_key() {
    let (client, server) = ends(PSK);
    let scripts = run(client.clone().ask_psk(true), server.clone().ask_psk(true));
    assert_eq!(scripts.client, SHARED_KEY_CLIENT);
    assert_eq!(scripts.server, SHARED_KEY_SERVER);
    let scripts = run(client.clone(), server.clone().psk_identity_hint("hint"));
    assert_eq!(scripts.client, HINTED_CLIENT);
    for suite in [ECDHE_PSK, ANONYMOUS] {
        let (client, server) = ends(suite);
        assert_eq!(run(client, server).client, HINTED_CLIENT);
    }
    let server = server.ticket_keys(ticket_keys());
    let client = client.session_tickets(true);
    let session = session_of(&client, &server);
    let server = server.ask_psk(true).ask_tickets(true);
    let scripts = run_resuming(client, server, vec![session]);
    assert_eq!(scripts.server, RESUMED_WITH_KEY_SERVER);
}

#[cfg(feature = "finite-field")]
#[test]
fn the_ways_of_a_user() {
    use super::user::{SRP, client, server};
    let client = client(&[SRP]).session_tickets(true);
    let server = server(&[SRP]);
    let asking = server.clone().ask_user(true);
    let scripts = run(client.clone(), asking);
    assert_eq!(scripts.client, HINTED_CLIENT);
    assert_eq!(scripts.server, USER_SERVER);
    let server = server.ticket_keys(ticket_keys());
    let session = session_of(&client, &server);
    let scripts = run_resuming(client, server.ask_user(true), vec![session]);
    assert_eq!(scripts.server, RESUMED_USER_SERVER);
}

#[cfg(feature = "ffi")]
#[test]
fn with_a_key_that_decrypts() {
    let server = super::rsa::server().ask_signature(true);
    let scripts = run(super::rsa::client(), server);
    assert_eq!(scripts.server, DECRYPTING_SERVER);
}

#[test]
fn every_row_is_in_a_script() {
    let starts = |scripts: &[&[&str]]| -> BTreeSet<String> {
        let lines = scripts.iter().flat_map(|script| script.iter());
        let first = |line: &&str| line.split(' ').next().unwrap().to_owned();
        let all: BTreeSet<String> = lines.map(first).collect();
        // Those are of the table before there is a version.
        let common = [
            "WaitServerHello",
            "WaitClientHello",
            "ChoosingConfiguration",
        ];
        let is_common = |stage: &String| common.contains(&&stage[..]);
        all.into_iter().filter(|stage| !is_common(stage)).collect()
    };
    for (scripts, rows) in [
        (
            starts(&[
                PLAIN_CLIENT,
                ALL_CLIENT,
                RESUMED_CLIENT,
                STAPLED_CLIENT,
                SHARED_KEY_CLIENT,
            ]),
            client_role::State::rows(),
        ),
        (
            starts(&[
                PLAIN_SERVER,
                ALL_SERVER,
                RESUMED_SERVER,
                KEEPING_SERVER,
                SHARED_KEY_SERVER,
                DECRYPTING_SERVER,
                RESUMED_WITH_KEY_SERVER,
                USER_SERVER,
                RESUMED_USER_SERVER,
                NEXT_PROTOCOL_SERVER,
            ]),
            server_role::State::rows(),
        ),
    ] {
        let rows = rows.iter().filter(|row| row.version == "Tls12");
        let rows: BTreeSet<_> = rows.map(|row| format!("{:?}", row.stage)).collect();
        assert_eq!(scripts, rows);
    }
}
