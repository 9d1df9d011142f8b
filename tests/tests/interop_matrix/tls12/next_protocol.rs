//! NPN: OpenSSL names and chooses.

use portcullis_tests::peers::{Message, Peer};
use portcullis_tests::pki::pki;

use super::{client, server, their_client, their_server};
use crate::ours;

const HELLO: Message<'static> = Message {
    line: "hello under a protocol",
    count: 1,
};

#[tokio::test]
async fn our_client_chooses() {
    let settings = their_server(&pki().ecdsa_p256).extra(&["-nextprotoneg", "one,two"]);
    let server = Peer::Openssl.server(&settings).await;
    for (ours, honors, expected) in [
        (&["two", "one"][..], false, "two"),
        (&["two", "one"], true, "one"),
        (&["three"], false, "three"),
    ] {
        let config = client()
            .next_protocols(ours)
            .honor_next_protocol_order(honors);
        let mut stream = ours::connect(server.address, config).await.unwrap();
        let information = stream.shared_information();
        assert_eq!(information.next_protocol(), Some(expected.as_bytes()));
        let answer = server.answer_to_message(&HELLO);
        ours::exchange(&mut stream, HELLO, &answer, expected).await;
    }
}

#[tokio::test]
async fn our_server_hears() {
    let config = server(&pki().ecdsa_p256).next_protocols(["one", "two"]);
    let mut server = ours::Server::echo(config).await;
    for (theirs, expected) in [("two,three", "two"), ("three", "three")] {
        let settings = their_client().extra(&["-nextprotoneg", theirs]);
        let exchange = Peer::Openssl
            .transfer(server.address, &settings, HELLO)
            .await;
        assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{theirs}");
        let served = server.served().await;
        let information = served.information(theirs);
        assert_eq!(information.next_protocol(), Some(expected.as_bytes()));
    }
}
