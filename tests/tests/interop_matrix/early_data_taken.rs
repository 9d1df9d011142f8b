//! Early data that is accepted, with every peer that has it, in both roles.
//!
//! Erlang's client gets no tickets from a server that follows RFC 8446 §4.2.9 (see `resumption.rs`), so it
//! sends no early data to ours; curl, Python, Go, Java and wolfSSL as they are packaged have none over TCP.

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use portcullis::config::ServerConfigBuilder;
use portcullis::packet::{Packet, Piece};
use portcullis::pki_types::UnixTime;
use portcullis::session::{AntiReplay, BloomFilters, TicketKeys};
use portcullis::{
    Active, EarlyDataOutcome, EarlyDataStatus, MemorySessionStore, Message, NamedGroup,
    SignatureScheme, TlsConnector, TlsListener,
};
use portcullis_tests::peers::{self, Peer, Settings, erlang, gnutls, nss, openssl, rustls};
use portcullis_tests::pki::pki;
use portcullis_tests::scratch;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::ours;

const EARLY: &str = "what I said before you answered\n";

const HELLO: peers::Message<'static> = peers::Message {
    line: "and what I say now",
    count: 1,
};

fn early_file() -> String {
    scratch::file("early-data", EARLY).display().to_string()
}

/// A server with ticket keys of its own, which has accepted nothing yet.
fn accepting() -> ServerConfigBuilder {
    let since = UnixTime::since_unix_epoch(Duration::ZERO);
    let anti_replay = AntiReplay::local(BloomFilters::SMALL, since).expect("filters");
    ours::server(&pki().ecdsa_p256)
        .ticket_keys(TicketKeys::rotating(Duration::from_secs(7_200)).expect("a period"))
        .early_data(anti_replay)
}

/// What one connection of [`our_server`] had for early data, and what became of it.
type Taken = (Vec<u8>, EarlyDataStatus);

/// Our server, which sends back early data before the handshake is over, and other data after it.
async fn our_server(config: ServerConfigBuilder) -> (SocketAddr, mpsc::UnboundedReceiver<Taken>) {
    let listener = TlsListener::bind("127.0.0.1:0", ours::acceptor(config)).await;
    let listener = listener.expect("a listener");
    let address = listener.local_addr().expect("an address");
    let (sender, taken) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok(incoming) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut early = incoming.handshake_with_early_data().await?;
                let mut data = Vec::new();
                early.reader().read_to_end(&mut data).await?;
                if let Some(mut writer) = early.writer() {
                    writer.write_all(&data).await?;
                    writer.flush().await?;
                }
                let stream = early.handshake().await?;
                let status = stream.information().early_data();
                let _ = sender.send((data, status));
                ours::echo(stream, 0).await?;
                std::io::Result::Ok(())
            });
        }
    });
    (address, taken)
}

async fn next(taken: &mut mpsc::UnboundedReceiver<Taken>) -> Taken {
    ours::soon(taken.recv()).await.expect("a connection")
}

#[tokio::test]
async fn openssl_sends_early_data_to_our_server() {
    let (address, mut taken) = our_server(accepting()).await;
    let file = scratch::file("session.pem", "").display().to_string();
    let early = early_file();
    let first = ["-sess_out", &file];
    let second = ["-sess_in", &file, "-early_data", &early];
    // The same ticket again, in another hello: that is no replay.
    for (words, is_accepted) in [(&first[..], false), (&second, true), (&second, true)] {
        let mut client = openssl::client(address, &Settings::client().extra(words));
        client.send(HELLO.data().as_bytes()).await;
        if is_accepted {
            client.wait_for_line(EARLY.trim()).await;
        }
        client.wait_for_line(HELLO.line).await;
        let (_, output) = client.finish().await;
        let says = output.line("Early data was accepted").is_some();
        assert_eq!(says, is_accepted, "{output}");
        let (data, status) = next(&mut taken).await;
        assert_eq!(data, if is_accepted { EARLY } else { "" }.as_bytes());
        assert_eq!(
            status == EarlyDataStatus::Accepted,
            is_accepted,
            "{status:?}"
        );
    }
}

/// A line that came early, one that began early, and one of later: each is answered with what it is.
#[tokio::test]
async fn openssl_sends_lines_across_the_border() {
    let listener = TlsListener::bind("127.0.0.1:0", ours::acceptor(accepting())).await;
    let listener = listener.expect("a listener");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok(incoming) = listener.accept().await {
            let early = incoming.handshake_with_early_data().await?;
            let mut lines = early.into_packets(Packet::Line).into_active(Active::True);
            while let Some(message) = lines.next().await {
                let (kind, line) = match message {
                    Message::EarlyData(Piece::Data(line)) => ("early", line),
                    Message::Data(line) => ("later", line),
                    _ => continue,
                };
                let is_over = lines.get_ref().get_ref().stream().is_some();
                let when = if is_over { "after" } else { "before" };
                let head = format!("{kind}, {when}: ");
                lines.get_mut().send(&[head.as_bytes(), &line]).await?;
            }
        }
        Ok::<(), portcullis::Error>(())
    });
    let session = scratch::file("session.pem", "").display().to_string();
    let early = scratch::file("early-lines", "look\nand p");
    let early = early.display().to_string();
    let mut client = openssl::client(address, &Settings::client().extra(&["-sess_out", &session]));
    client.send(b"hello\n").await;
    client.wait_for_line("later, after: hello").await;
    client.finish().await;
    let words = ["-sess_in", &session, "-early_data", &early];
    let mut client = openssl::client(address, &Settings::client().extra(&words));
    client.wait_for_line("early, before: look").await;
    client.send(b"ay\nfor it\n").await;
    client.wait_for_line("early, after: and pay").await;
    client.wait_for_line("later, after: for it").await;
    let (_, output) = client.finish().await;
    assert!(output.line("Early data was accepted").is_some(), "{output}");
}

/// It resumes by itself at once, and prints what comes back.
#[tokio::test]
async fn gnutls_sends_early_data_to_our_server() {
    let (address, mut taken) = our_server(accepting()).await;
    let option = format!("--earlydata={}", early_file());
    let words = ["--resume", "--waitresumption", &option];
    let mut client = gnutls::client(address, &Settings::client().extra(&words));
    client.wait_for_line("*** This is a resumed session").await;
    client.send(HELLO.data().as_bytes()).await;
    client.wait_for_line(HELLO.line).await;
    let (_, output) = client.finish().await;
    assert_eq!(
        next(&mut taken).await,
        (Vec::new(), EarlyDataStatus::NotOffered),
        "{output}"
    );
    let accepted = (EARLY.as_bytes().to_vec(), EarlyDataStatus::Accepted);
    assert_eq!(next(&mut taken).await, accepted, "{output}");
}

#[tokio::test]
async fn rustls_sends_early_data_to_our_server() {
    let (address, mut taken) = our_server(accepting()).await;
    let mut config = (*rustls::client_config(&Settings::client())).clone();
    config.enable_early_data = true;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config)).early_data(true);
    for is_second in [false, true] {
        let io = TcpStream::connect(address).await.expect("TCP");
        let name = ours::name("localhost");
        let mut stream = connector.connect(name, io).await.expect("a connection");
        stream.write_all(EARLY.as_bytes()).await.expect("sent");
        stream.flush().await.expect("sent");
        let mut reply = vec![0; EARLY.len()];
        let read = ours::soon(stream.read_exact(&mut reply)).await;
        read.expect("a reply");
        assert_eq!(reply, EARLY.as_bytes());
        assert_eq!(stream.get_ref().1.is_early_data_accepted(), is_second);
        stream.shutdown().await.expect("closed");
        let (data, status) = next(&mut taken).await;
        assert_eq!(status == EarlyDataStatus::Accepted, is_second, "{status:?}");
        assert_eq!(data.is_empty(), !is_second);
    }
}

/// It sends the same over both connections, over the second early if it can, and waits for the end of each.
#[tokio::test]
async fn nss_sends_early_data_to_our_server() {
    let listener = TlsListener::bind("127.0.0.1:0", ours::acceptor(accepting())).await;
    let listener = listener.expect("a listener");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(async move {
        let mut early_data = Vec::new();
        for _ in 0..2 {
            let incoming = ours::soon(listener.accept()).await.expect("a connection");
            let mut early = incoming.handshake_with_early_data().await.expect("one");
            let mut data = Vec::new();
            early
                .reader()
                .read_to_end(&mut data)
                .await
                .expect("a hello");
            let mut stream = early.handshake().await.expect("a connection");
            if data.is_empty() {
                data = stream.recv(EARLY.len()).await.expect("the same").to_vec();
            }
            stream.send(&[&data]).await.expect("sent");
            early_data.push(stream.information().early_data());
            stream.close(ours::LIMIT).await.expect("closed");
        }
        early_data
    });
    let settings = Settings::client().extra(&["-Z"]);
    let output = nss::fetch(address, &settings, EARLY, 2).await;
    assert_eq!(output.stdout.matches(EARLY).count(), 2, "{output}");
    let early_data = server.await.expect("both connections");
    assert_eq!(
        early_data,
        [EarlyDataStatus::NotOffered, EarlyDataStatus::Accepted],
        "{output}"
    );
}

/// Its server accepts none until it has been there for as long as its window is, 10 seconds: as long as it
/// does not, ours is told so.
#[tokio::test]
async fn our_client_sends_early_data_to_nss() {
    let settings = Settings::server(&pki().ecdsa_p256).extra(&["-Z"]);
    let (_program, address) = nss::server(&settings).await;
    let connector =
        ours::connector(ours::client()).session_store(Arc::<MemorySessionStore>::default());
    let began = std::time::Instant::now();
    let mut accepted = false;
    while !accepted {
        assert!(began.elapsed() < ours::LIMIT, "none is accepted");
        let request = "GET / HTTP/1.0\r\n\r\n";
        let name = ours::name("localhost");
        let connected = connector
            .connect_with_early_data(address, name, request)
            .await;
        let (mut stream, outcome) = connected.unwrap_or_else(|error| panic!("{error}"));
        accepted = match outcome {
            EarlyDataOutcome::Accepted => true,
            EarlyDataOutcome::Rejected(data) | EarlyDataOutcome::NotOffered(data) => {
                stream.send(&[&data]).await.expect("sent");
                false
            }
        };
        let mut page = Vec::new();
        let read = ours::soon(stream.read_to_end(&mut page)).await;
        // It closes when it has answered, also what it has not read of ours: EndOfEarlyData and Finished.
        assert!(read.is_ok() || accepted, "{read:?}");
        assert!(page.starts_with(b"HTTP/1.0 200 OK\r\n"), "{accepted}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(began.elapsed() > Duration::from_secs(5));
}

/// Our client, which keeps sessions; Erlang's server fails over schemes that it does not know.
fn our_client(peer: Peer) -> TlsConnector {
    let config = match peer {
        Peer::Erlang => ours::client()
            .groups([NamedGroup::X25519, NamedGroup::SECP384R1])
            .signature_schemes([
                SignatureScheme::ECDSA_SECP256R1_SHA256,
                SignatureScheme::RSA_PSS_RSAE_SHA256,
            ]),
        _ => ours::client(),
    };
    ours::connector(config).session_store(Arc::<MemorySessionStore>::default())
}

/// One connection whose early data is `EARLY`; gives what became of it, having exchanged `HELLO`
/// with a server that answers in this way.
async fn connect(
    connector: &TlsConnector,
    address: SocketAddr,
    answers: impl FnOnce(bool) -> String,
    context: &str,
) -> EarlyDataOutcome {
    let connecting = connector.connect_with_early_data(address, ours::name("localhost"), EARLY);
    let (mut stream, outcome) = ours::soon(connecting)
        .await
        .unwrap_or_else(|error| panic!("{context}: {error}"));
    let is_accepted = outcome == EarlyDataOutcome::Accepted;
    ours::exchange(&mut stream, HELLO, &answers(is_accepted), context).await;
    let _ = ours::close(stream, context).await;
    outcome
}

/// With tickets that it gives once, and with those that it can open again.
#[tokio::test]
async fn our_client_sends_early_data_to_openssl() {
    for anti_replay in [&[][..], &["-no_anti_replay"]] {
        let words = [&["-early_data", "-max_early_data", "16384"], anti_replay].concat();
        let settings = Settings::server(&pki().ecdsa_p256).extra(&words);
        let mut server = openssl::server(openssl::Mode::Terminal, &settings).await;
        let address = server.address;
        let program = server.program_mut().expect("a process");
        let connector = our_client(Peer::Openssl);
        for is_second in [false, true] {
            let connecting =
                connector.connect_with_early_data(address, ours::name("localhost"), EARLY);
            let (mut stream, outcome) = ours::soon(connecting).await.expect("a connection");
            assert_eq!(
                outcome == EarlyDataOutcome::Accepted,
                is_second,
                "{words:?}"
            );
            if is_second {
                program.wait_for_line(EARLY.trim()).await;
            }
            // Tickets come with it.
            let line = "words of the server\n";
            program.send(line.as_bytes()).await;
            let received = ours::soon(stream.recv(line.len())).await;
            assert_eq!(received.expect("the words"), line.as_bytes());
            ours::close(stream, "our client to s_server").await.ok();
        }
    }
}

#[tokio::test]
async fn our_client_sends_early_data_to_gnutls() {
    let words = ["--earlydata", "--maxearlydata=16384"];
    let settings = Settings::server(&pki().ecdsa_p256).extra(&words);
    let server = gnutls::server(gnutls::Mode::Echo, &settings).await;
    let connector = our_client(Peer::Gnutls);
    let answer = server.answer_to_message(&HELLO);
    let context = "our client to gnutls-serv";
    let first = connect(&connector, server.address, |_| answer.clone(), context).await;
    assert_eq!(first, EarlyDataOutcome::NotOffered(EARLY.into()));
    let second = connect(&connector, server.address, |_| answer.clone(), context).await;
    assert_eq!(second, EarlyDataOutcome::Accepted);
}

/// It reads early data as any other, when the handshake is over.
#[tokio::test]
async fn our_client_sends_early_data_to_erlang() {
    for tickets in ["stateless", "stateful"] {
        let tickets = format!("{{session_tickets, {tickets}}}");
        let words = [tickets.as_str(), "{early_data, enabled}"];
        let settings = Settings::server(&pki().ecdsa_p256).extra(&words);
        let server = erlang::server(&settings).await;
        let connector = our_client(Peer::Erlang);
        let answer = server.answer_to_message(&HELLO);
        let answers = |is_accepted: bool| match is_accepted {
            true => EARLY.to_owned() + &answer,
            false => answer.clone(),
        };
        let context = format!("our client to Erlang, {tickets}");
        let first = connect(&connector, server.address, answers, &context).await;
        assert_eq!(
            first,
            EarlyDataOutcome::NotOffered(EARLY.into()),
            "{context}"
        );
        let second = connect(&connector, server.address, answers, &context).await;
        assert_eq!(second, EarlyDataOutcome::Accepted, "{context}");
        assert_eq!(server.answer_to(EARLY.trim()), EARLY.trim());
    }
}

/// Erlang's server says that it accepts early data although it takes the ticket for none, and then cannot
/// read on. That is not taken for an acceptance: the connection ends, its sessions are forgotten, and the next
/// one is good.
#[tokio::test]
async fn our_client_with_a_ticket_of_another_erlang() {
    let words = ["{session_tickets, stateless}", "{early_data, enabled}"];
    let settings = Settings::server(&pki().ecdsa_p256).extra(&words);
    let (one, other) = tokio::join!(erlang::server(&settings), erlang::server(&settings));
    // One service by name, whose servers do not know each other's tickets.
    let connector = our_client(Peer::Erlang).service_name("both");
    let answer = one.answer_to_message(&HELLO);
    let context = "our client to two servers of Erlang";
    let first = connect(&connector, one.address, |_| answer.clone(), context).await;
    assert_eq!(first, EarlyDataOutcome::NotOffered(EARLY.into()));
    let name = ours::name("localhost");
    let connecting = connector.connect_with_early_data(other.address, name, EARLY);
    let error = ours::soon(connecting)
        .await
        .expect_err("a false acceptance");
    let violation = portcullis::Violation::EarlyDataWithAnotherPsk;
    assert!(
        matches!(error.reason(), Some(portcullis::Reason::Violation(found)) if *found == violation),
        "{error}"
    );
    let third = connect(&connector, other.address, |_| answer.clone(), context).await;
    assert_eq!(third, EarlyDataOutcome::NotOffered(EARLY.into()));
}

#[tokio::test]
async fn our_client_sends_early_data_to_rustls() {
    let mut config = (*rustls::server_config(&Settings::server(&pki().ecdsa_p256))).clone();
    config.max_early_data_size = 16_384;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let server = tokio::spawn(async move {
        let mut early = Vec::new();
        for _ in 0..2 {
            let (io, _) = listener.accept().await?;
            let mut stream = acceptor.accept(io).await?;
            let mut data = Vec::new();
            if let Some(mut reader) = stream.get_mut().1.early_data() {
                reader.read_to_end(&mut data)?;
            }
            early.push(data);
            let (mut read, mut write) = tokio::io::split(stream);
            tokio::io::copy(&mut read, &mut write).await?;
            write.shutdown().await?;
        }
        std::io::Result::Ok(early)
    });
    let connector = our_client(Peer::Rustls);
    let context = "our client to rustls";
    let first = connect(&connector, address, |_| HELLO.data(), context).await;
    assert_eq!(first, EarlyDataOutcome::NotOffered(EARLY.into()));
    let second = connect(&connector, address, |_| HELLO.data(), context).await;
    assert_eq!(second, EarlyDataOutcome::Accepted);
    let early = ours::soon(server)
        .await
        .expect("a server")
        .expect("connections");
    assert_eq!(early, [b"".to_vec(), EARLY.as_bytes().to_vec()]);
}
