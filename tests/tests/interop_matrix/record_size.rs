//! Small records on demand: max_fragment_length and record_size_limit, asked for by either side.

use portcullis::TlsStream;
use portcullis::config::MaxFragmentLength;
use portcullis_tests::peers::{Message, Peer, Settings, gnutls};
use portcullis_tests::pki::pki;
use tokio::net::TcpStream;

use crate::ours;

/// Several records even without a limit below 16 KiB.
fn message() -> Message<'static> {
    Message {
        line: "a line that is repeated until it fills records",
        count: 1_000,
    }
}

/// Sends all, receives all, and gives the size of the largest record received.
async fn largest_record(
    stream: TlsStream<TcpStream>,
    message: Message<'_>,
    answer: &str,
    context: &str,
) -> usize {
    let data = message.data();
    let (mut read, mut write) = stream.into_split();
    let send = async { write.send(&[data.as_bytes()]).await };
    let receive = async {
        let mut received = Vec::new();
        let mut largest = 0;
        while received.len() < answer.len() {
            let record = read.recv(0).await?;
            largest = largest.max(record.len());
            received.extend_from_slice(&record);
        }
        assert!(received == answer.as_bytes(), "{context}: another answer");
        Ok(largest)
    };
    let done = ours::soon(async { tokio::try_join!(send, receive) }).await;
    done.unwrap_or_else(|error| panic!("{context}: {error}")).1
}

/// What s_server sends in one record is one line; that it accepts ours shows that they are small.
#[tokio::test]
async fn our_client_asks_openssl_and_erlang_for_small_fragments() {
    for peer in [Peer::Openssl, Peer::Erlang] {
        let context = format!("our client to {peer:?}");
        let server = peer.server(&Settings::server(&pki().ecdsa_p256)).await;
        let config = ours::client().max_fragment_length(MaxFragmentLength::Bytes512);
        let stream = ours::connect(server.address, config)
            .await
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        let message = message();
        let answer = server.answer_to_message(&message);
        let largest = largest_record(stream, message, &answer, &context).await;
        assert!(largest <= 512, "{context}: {largest}");
    }
}

#[tokio::test]
async fn openssl_and_erlang_ask_our_server_for_small_fragments() {
    let message = message();
    let bytes = message.data().len();
    let mut server = ours::Server::echo_after(bytes, ours::server(&pki().ecdsa_p256)).await;
    for (peer, option) in [
        (Peer::Openssl, &["-maxfraglen", "512"][..]),
        (Peer::Erlang, &["{max_fragment_length, 512}"]),
    ] {
        let context = format!("{peer:?} to our server");
        let settings = Settings::client().extra(option);
        let exchange = peer.transfer(server.address, &settings, message).await;
        assert_eq!(exchange.reply.as_deref(), Ok(message.line), "{context}");
        let served = server.served().await;
        assert!(served.end.is_ok(), "{context}: {served:?}");
    }
}

#[tokio::test]
async fn our_client_and_gnutls_limit_each_others_records() {
    let settings = Settings::server(&pki().ecdsa_p256).extra(&["--recordsize=600"]);
    let server = Peer::Gnutls.server(&settings).await;
    let stream = ours::connect(server.address, ours::client().record_size_limit(513))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let message = message();
    let answer = server.answer_to_message(&message);
    let largest = largest_record(stream, message, &answer, "our client to GnuTLS").await;
    // The content type is counted (RFC 8449 §4).
    assert_eq!(largest, 512);
}

/// gnutls-cli sends one record of what it reads and forgets the rest, so it gets more than it sends.
#[tokio::test]
async fn gnutls_and_our_server_limit_each_others_records() {
    let config = ours::server(&pki().ecdsa_p256).record_size_limit(513);
    let mut server = ours::Server::run(ours::acceptor(config), |mut stream| async move {
        let question = stream.recv(512).await?;
        assert_eq!(question, [b'?'; 512][..]);
        stream.send(&[message().data().as_bytes()]).await?;
        let end = stream.recv(0).await.expect_err("the end");
        assert!(end.is_closed(), "{end}");
        stream.close(ours::LIMIT).await
    })
    .await;
    let settings = Settings::client().extra(&["--recordsize=600"]);
    let mut client = gnutls::client(server.address, &settings);
    client.send(&[b'?'; 512]).await;
    let answer = message().data();
    let found = client.wait_until(|output| output.stdout.contains(answer.trim_end()));
    assert!(found.await.is_ok(), "{}", client.output());
    client.finish().await;
    let served = server.served().await;
    assert!(served.end.is_ok(), "{served:?}");
}
