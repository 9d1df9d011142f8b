//! A megabyte in each direction, with each cipher.

use portcullis_tests::peers::{Message, Peer, Suite};
use portcullis_tests::pki::pki;

use super::{client, server, their_client, their_server};
use crate::{ours, transfer};

#[tokio::test]
async fn a_megabyte_to_every_server_and_back() {
    let (line, count) = transfer::message();
    let message = Message { line: &line, count };
    for peer in Peer::ALL {
        let server = peer.server(&their_server(&pki().ecdsa_p256)).await;
        for suite in Suite::ECDHE_ECDSA {
            let context = format!("our client to {peer:?} with {suite:?}");
            let config = client().cipher_suites([ours::suite(suite)]);
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
async fn a_megabyte_from_every_client_and_back() {
    let (line, count) = transfer::message();
    let message = Message { line: &line, count };
    let bytes = message.data().len();
    let mut server = ours::Server::echo_after(bytes, server(&pki().ecdsa_p256)).await;
    for peer in Peer::ALL {
        for suite in Suite::ECDHE_ECDSA {
            let context = format!("{peer:?} to our server with {suite:?}");
            let settings = their_client().suite(suite);
            let exchange = peer.transfer(server.address, &settings, message).await;
            assert_eq!(exchange.reply.as_deref(), Ok(&*line), "{context}");
            let served = server.served().await;
            assert!(served.end.is_ok(), "{context}: {served:?}");
        }
    }
}
