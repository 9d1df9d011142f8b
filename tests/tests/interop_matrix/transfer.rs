//! A megabyte in each direction.

use portcullis_tests::peers::{Message, Peer, Settings};
use portcullis_tests::pki::pki;

use crate::ours;

/// 1 MiB and a little, in lines that every program can hold.
pub(crate) fn message() -> (String, usize) {
    let line = "a line of the large transfer ".repeat(34);
    let count = (1 << 20) / (line.len() + 9) + 1;
    (line, count)
}

#[tokio::test]
async fn a_megabyte_to_every_server_and_back() {
    let (line, count) = message();
    let message = Message { line: &line, count };
    for peer in Peer::ALL {
        let context = format!("our client to {peer:?}");
        let server = peer.server(&Settings::server(&pki().ecdsa_p256)).await;
        let mut stream = ours::connect(server.address, ours::client())
            .await
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        let answer = server.answer_to_message(&message);
        assert!(answer.len() > 1 << 20);
        ours::exchange(&mut stream, message, &answer, &context).await;
    }
}

#[tokio::test]
async fn a_megabyte_from_every_client_and_back() {
    let (line, count) = message();
    let message = Message { line: &line, count };
    let bytes = message.data().len();
    let mut server = ours::Server::echo_after(bytes, ours::server(&pki().ecdsa_p256)).await;
    for peer in Peer::ALL {
        let context = format!("{peer:?} to our server");
        let exchange = peer
            .transfer(server.address, &Settings::client(), message)
            .await;
        assert_eq!(exchange.reply.as_deref(), Ok(&*line), "{context}");
        let served = server.served().await;
        assert!(served.end.is_ok(), "{context}: {served:?}");
    }
}
