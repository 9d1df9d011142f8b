//! Early data that is for another server: a client may come with a ticket of one behind the same name,
//! and send as much as that one had allowed, by default 16,384 bytes (RFC 8446 §4.2.10, §4.6.1).
//! Ours takes none, skips it, and the handshake is a full one.

use portcullis_tests::peers::{Group, Message, Settings, gnutls, openssl};
use portcullis_tests::pki::pki;
use portcullis_tests::scratch;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::ours;
use crate::resumption::served;

const ALLOWED: usize = 16_384;

const HELLO: Message<'static> = Message {
    line: "what I said before was for another one",
    count: 1,
};

/// A file with as much early data as was allowed.
fn early_data() -> String {
    let file = scratch::file("early-data", [b'x'; ALLOWED]);
    file.display().to_string()
}

/// Our server, which asks for another share or not.
async fn our_server(retries: bool) -> ours::Server {
    let mut config = ours::server(&pki().ecdsa_p256);
    if retries {
        config = config.groups([ours::group(Group::Secp384r1)]);
    }
    ours::Server::echo(config).await
}

#[tokio::test]
async fn openssl_sends_early_data_that_is_for_another_server() {
    let settings = Settings::server(&pki().ecdsa_p256).extra(&["-max_early_data", "16384"]);
    let other = openssl::server(openssl::Mode::Reverse, &settings).await;
    let file = scratch::file("session.pem", "").display().to_string();
    let mut client = openssl::client(
        other.address,
        &Settings::client().extra(&["-sess_out", &file]),
    );
    // Its tickets come behind the first answer, and before the second.
    for line in ["tell me who you are", "and once more"] {
        client.send(format!("{line}\n").as_bytes()).await;
        client.wait_for_line(&other.answer_to(line)).await;
    }
    let (_, output) = client.finish().await;
    let allowed = output.line("Max Early Data: 16384");
    assert!(allowed.is_some(), "{output}");

    let early_data = early_data();
    for retried in [false, true] {
        let mut server = our_server(retried).await;
        let words = ["-sess_in", &file, "-early_data", &early_data];
        let mut client = openssl::client(server.address, &Settings::client().extra(&words));
        client.send(HELLO.data().as_bytes()).await;
        client.wait_for_line(HELLO.line).await;
        let (_, output) = client.finish().await;
        let rejected = output.line("Early data was rejected");
        assert!(rejected.is_some(), "retried: {retried}\n{output}");
        served(&mut server, false, retried, "s_client -early_data").await;
    }
}

/// It resumes only within one process and at one address, so something at that address takes its
/// first connection to `gnutls-serv` and its second to ours. Ours asks for no other share: GnuTLS 3.7
/// sends the second hello under the keys of its early data, which no server can read.
#[tokio::test]
async fn gnutls_sends_early_data_that_is_for_another_server() {
    let allowed = format!("--maxearlydata={ALLOWED}");
    let settings = Settings::server(&pki().ecdsa_p256).extra(&["--earlydata", &allowed]);
    let other = gnutls::server(gnutls::Mode::Echo, &settings).await;
    let mut server = our_server(false).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (first, second) = (other.address, server.address);
    let relay = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await?;
        // It may reset what it has done with.
        let _ = copy_bidirectional(&mut client, &mut TcpStream::connect(first).await?).await;
        let (mut client, _) = listener.accept().await?;
        copy_bidirectional(&mut client, &mut TcpStream::connect(second).await?).await
    });

    let option = format!("--earlydata={}", early_data());
    let words = ["--resume", "--waitresumption", &option];
    let mut client = gnutls::client(address, &Settings::client().extra(&words));
    client.wait_for_line("- Connecting again").await;
    client.send(HELLO.data().as_bytes()).await;
    client.wait_for_line(HELLO.line).await;
    let (status, output) = client.finish().await;
    assert!(status.success(), "{output}");
    served(&mut server, false, false, "gnutls-cli --earlydata").await;
    // It has sent them all, and they were skipped.
    let copied = ours::soon(relay).await.expect("a relay");
    let (sent, _) = copied.expect("both directions");
    assert!(sent > ALLOWED as u64, "{sent}");
}
