//! Suites with CBC, which both sides have to name: every peer that has them, both directions, the
//! MAC made before the encryption and after it (RFC 7366), and sessions resumed.

use std::sync::Arc;
use std::time::Duration;

use portcullis::{MemorySessionStore, ProtocolVersion};
use portcullis_tests::peers::{Message, Peer, Suite, openssl};
use portcullis_tests::pki::{self, pki};
use portcullis_tests::scratch;

use super::{client, server, their_client, their_server};
use crate::{ours, transfer};

const PEERS: [Peer; 3] = [Peer::Openssl, Peer::Gnutls, Peer::Erlang];

const HELLO: Message<'static> = Message {
    line: "hello in blocks of sixteen",
    count: 1,
};

fn keys() -> [(&'static pki::Identity, [Suite; 4]); 2] {
    [
        (&pki().ecdsa_p256, Suite::CBC_ECDSA),
        (&pki().rsa_2048, Suite::CBC_RSA),
    ]
}

/// Erlang does not know RFC 7366.
fn encrypts_first(peer: Peer, we_do: bool) -> bool {
    we_do && peer != Peer::Erlang
}

async fn our_client(peer: Peer) {
    for (identity, suites) in keys() {
        for suite in suites {
            let settings = their_server(identity).suite(suite);
            let server = peer.server(&settings).await;
            for (number, we_encrypt_first) in [true, false].into_iter().enumerate() {
                let context = format!("our client to {peer:?}, {suite:?}, {we_encrypt_first}");
                let config = client().cipher_suites([ours::suite(suite)]);
                let config = config.encrypt_then_mac(we_encrypt_first);
                let mut stream = ours::connect(server.address, config)
                    .await
                    .unwrap_or_else(|error| panic!("{context}: {error}"));
                let information = stream.shared_information();
                assert_eq!(information.version(), ProtocolVersion::TLS_1_2, "{context}");
                assert_eq!(information.cipher_suite(), ours::suite(suite), "{context}");
                let expected = encrypts_first(peer, we_encrypt_first);
                assert_eq!(information.encrypt_then_mac(), expected, "{context}");
                let answer = server.answer_to_message(&HELLO);
                ours::exchange(&mut stream, HELLO, &answer, &context).await;
                ours::compare(&information, &server.report(number).await, &context);
            }
        }
    }
}

async fn our_server(peer: Peer) {
    for (identity, suites) in keys() {
        for we_encrypt_first in [true, false] {
            let config = server(identity).cipher_suites(suites.map(ours::suite));
            let config = config.encrypt_then_mac(we_encrypt_first);
            let mut server = ours::Server::echo(config).await;
            for suite in suites {
                let context = format!("{peer:?} to our server, {suite:?}, {we_encrypt_first}");
                let settings = their_client().suite(suite);
                let exchange = peer.transfer(server.address, &settings, HELLO).await;
                assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
                let served = server.served().await;
                let information = served.information(&context);
                assert_eq!(information.cipher_suite(), ours::suite(suite), "{context}");
                let expected = encrypts_first(peer, we_encrypt_first);
                assert_eq!(information.encrypt_then_mac(), expected, "{context}");
                assert!(served.end.is_ok(), "{context}: {served:?}");
                ours::compare(information, &exchange.report, &context);
            }
        }
    }
}

of_each_peer! {
    our_client_and_openssl: our_client(Openssl);
    our_client_and_gnutls: our_client(Gnutls);
    our_client_and_erlang: our_client(Erlang);
    openssl_and_our_server: our_server(Openssl);
    gnutls_and_our_server: our_server(Gnutls);
    erlang_and_our_server: our_server(Erlang);
}

/// More than a megabyte to every server and back: full records, and all paddings on the way.
#[tokio::test]
async fn a_megabyte() {
    let (line, count) = transfer::message();
    let message = Message { line: &line, count };
    let suite = Suite::EcdheEcdsaAes256CbcSha384;
    for peer in PEERS {
        let server = peer
            .server(&their_server(&pki().ecdsa_p256).suite(suite))
            .await;
        for we_encrypt_first in [true, false] {
            let context = format!("our client to {peer:?}, {we_encrypt_first}");
            let config = client().cipher_suites([ours::suite(suite)]);
            let config = config.encrypt_then_mac(we_encrypt_first);
            let mut stream = ours::connect(server.address, config)
                .await
                .unwrap_or_else(|error| panic!("{context}: {error}"));
            let answer = server.answer_to_message(&message);
            assert!(answer.len() > 1 << 20);
            ours::exchange(&mut stream, message, &answer, &context).await;
        }
    }
}

#[tokio::test]
async fn our_client_resumes() {
    let suite = Suite::EcdheEcdsaAes128CbcSha;
    for peer in PEERS {
        for we_encrypt_first in [true, false] {
            let settings = their_server(&pki().ecdsa_p256).suite(suite);
            let server = peer.server(&settings).await;
            let config = client().cipher_suites([ours::suite(suite)]);
            let connector = ours::connector(config.encrypt_then_mac(we_encrypt_first))
                .session_store(Arc::<MemorySessionStore>::default());
            for resumed in [false, true, true] {
                let context = format!("our client to {peer:?}, {we_encrypt_first}, {resumed}");
                let connected = connector
                    .connect(server.address, ours::name("localhost"))
                    .await;
                let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
                let information = stream.shared_information();
                assert_eq!(information.is_resumed(), resumed, "{context}");
                let expected = encrypts_first(peer, we_encrypt_first);
                assert_eq!(information.encrypt_then_mac(), expected, "{context}");
                let answer = server.answer_to_message(&HELLO);
                ours::exchange(&mut stream, HELLO, &answer, &context).await;
                let _ = ours::close(stream, &context).await;
            }
        }
    }
}

#[tokio::test]
async fn openssl_resumes_with_our_server() {
    let suite = Suite::EcdheEcdsaAes256CbcSha;
    for we_encrypt_first in [true, false] {
        let keys = portcullis::session::TicketKeys::rotating(Duration::from_secs(7_200))
            .expect("a period");
        let config = server(&pki().ecdsa_p256).cipher_suites([ours::suite(suite)]);
        let config = config.encrypt_then_mac(we_encrypt_first).ticket_keys(keys);
        let mut server = ours::Server::echo(config).await;
        let file = scratch::file("session-cbc.pem", "").display().to_string();
        for (resumed, option) in [(false, "-sess_out"), (true, "-sess_in")] {
            let context = format!("s_client {option}, {we_encrypt_first}");
            let settings = their_client().suite(suite).extra(&[option, &file]);
            let mut client = openssl::client(server.address, &settings);
            client.send(HELLO.data().as_bytes()).await;
            client.wait_for_line(HELLO.line).await;
            client.finish().await;
            let served = server.served().await;
            let information = served.information(&context);
            assert_eq!(information.is_resumed(), resumed, "{context}");
            assert_eq!(
                information.encrypt_then_mac(),
                we_encrypt_first,
                "{context}"
            );
        }
    }
}
