//! What errors say: one sentence, once, with the facts that somebody who reads a log needs.

mod ends;

use std::net::SocketAddr;
use std::time::Duration;

use ends::*;
use portcullis::{ClientConfig, Error, Roots, ServerName, Stage, TlsConnector, TlsListener};
use tokio::io::{AsyncWriteExt as _, duplex};

/// The error and all that stands behind it, as `{:#}` of anyhow writes it.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut sentence = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let said = error.to_string();
        assert!(!sentence.contains(&said), "said twice: {sentence}: {said}");
        sentence = format!("{sentence}: {said}");
        source = error.source();
    }
    sentence
}

/// What connecting to an address at which nobody listens says, through a real library of errors.
async fn refused() -> (Error, String) {
    let address = nobody().await;
    let error = connector().connect(address, name()).await.unwrap_err();
    let port = address.port();
    let says = format!(
        "localhost:{port} (127.0.0.1:{port}): Connection refused (os error 111), while connecting"
    );
    (error, says)
}

#[tokio::test]
async fn anyhow_says_it_once() {
    let (error, says) = refused().await;
    let error = anyhow::Error::new(error);
    assert_eq!(format!("{error:#}"), says);
    let error = error.context("no page");
    assert_eq!(format!("{error:#}"), format!("no page: {says}"));
    assert!(error.downcast_ref::<Error>().is_some());
}

#[tokio::test]
async fn eyre_says_it_once() {
    use eyre::WrapErr as _;

    let (error, says) = refused().await;
    let error = eyre::Report::new(error);
    assert_eq!(format!("{error:#}"), says);
    let error = Err::<(), _>(error).wrap_err("no page").unwrap_err();
    assert_eq!(format!("{error:#}"), format!("no page: {says}"));
}

/// As an error among the fields of an event, with its sources.
#[tokio::test]
async fn tracing_says_it_once() {
    let (error, says) = refused().await;
    let (reader, writer) = std::io::pipe().unwrap();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .with_writer(std::sync::Mutex::new(writer))
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        tracing::error!(error = &error as &dyn std::error::Error, "no page");
    });
    let log = std::io::read_to_string(reader).unwrap();
    assert_eq!(log, format!("ERROR no page error={says}\n"));
}

/// An address at which nobody listens.
async fn nobody() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn errors_of_connecting_name_host_port_and_address() {
    let address = nobody().await;
    let error = connector().connect(address, name()).await.unwrap_err();
    assert_eq!(error.stage(), Stage::Connecting);
    assert!(error.transport().is_some());
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    let port = address.port();
    assert_eq!(
        chain(&error),
        format!(
            "localhost:{port} (127.0.0.1:{port}): Connection refused (os error 111), while \
             connecting"
        )
    );
    // What is an address need not be said twice.
    let ip = ServerName::try_from("127.0.0.1").unwrap();
    let error = connector().connect(address, ip).await.unwrap_err();
    assert_eq!(
        chain(&error),
        format!("127.0.0.1:{port}: Connection refused (os error 111), while connecting")
    );
    // All addresses that were tried.
    let other = nobody().await;
    let both = [address, other];
    let error = connector().connect(&both[..], name()).await.unwrap_err();
    assert!(
        chain(&error).starts_with(&format!("localhost:{port} ({address}, {other}): ")),
        "{error}"
    );
    let error = connector().connect(&[][..], name()).await.unwrap_err();
    assert_eq!(
        chain(&error),
        "localhost: the name has no address, while connecting"
    );
    // And when the handshake fails.
    let listener = TlsListener::bind("127.0.0.1:0", server_config())
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { listener.accept().await.unwrap().handshake().await });
    let stranger = ClientConfig::builder(Roots::from_pem(strange_root().as_bytes()).unwrap());
    let stranger = TlsConnector::new(stranger.build().unwrap());
    let error = stranger.connect(address, name()).await.unwrap_err();
    assert!(
        chain(&error).starts_with(&format!("localhost:{} ({address}): ", address.port())),
        "{error}"
    );
    assert!(error.protocol().is_some() && error.alert().is_some());
}

/// A peer that does not answer close_notify.
#[tokio::test(start_paused = true)]
async fn a_downgrade_says_what_it_waited_for() {
    let (_client, server) = pair().await;
    let failed = server.downgrade(Duration::from_millis(100)).await;
    let failed = failed.unwrap_err();
    assert_eq!(failed.error.stage(), Stage::WaitCloseNotify);
    assert_eq!(
        chain(&failed.error),
        "timed out after 100ms, while waiting for the peer's close_notify"
    );
}

/// What every handshake would fail with is said before there is one.
#[tokio::test]
async fn a_store_and_keys_are_refused_where_a_listener_is_bound() {
    let keys = portcullis::session::TicketKeys::shared([&[7; 48]]).unwrap();
    let config = server_config().to_builder().ticket_keys(keys);
    let store = std::sync::Arc::new(portcullis::MemoryServerSessionStore::new(10, 100_000));
    let acceptor = portcullis::TlsAcceptor::new(config.build().unwrap()).session_store(store);
    let says = "session_store: the configuration has ticket_keys, and a ticket of TLS 1.3 either is the \
                session or stands for one in the store; leave out one of the two";
    assert_eq!(acceptor.check().unwrap_err().to_string(), says);
    let error = TlsListener::bind("127.0.0.1:0", acceptor)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert_eq!(chain(&error), says);
}

/// The futures of a connector outlive it.
#[tokio::test]
async fn connecting_goes_into_a_task() {
    let address = nobody().await;
    let connector = connector();
    let tasks = [
        tokio::spawn(connector.connect(address, "localhost")),
        tokio::spawn(connector.clone().connect(address, name())),
    ];
    let another = tokio::spawn(connector.connect_to(&address.to_string()));
    drop(connector);
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap_err().stage(), Stage::Connecting);
    }
    let error = another.await.unwrap().unwrap_err();
    assert_eq!(error.stage(), Stage::Connecting);
}

fn strange_root() -> String {
    let made = rcgen::generate_simple_self_signed(["stranger".to_owned()]).unwrap();
    made.cert.pem()
}

#[tokio::test(start_paused = true)]
async fn a_timeout_says_after_how_long() {
    let limit = Duration::from_millis(1_500);
    let (_client, server) = duplex(64);
    let acceptor = acceptor()
        .handshake_timeout(limit)
        .first_byte_timeout(Duration::MAX);
    let error = acceptor.accept(server).await.unwrap_err();
    assert_eq!(
        chain(&error),
        "timed out after 1.5s, while waiting for ClientHello"
    );
    let (mut client, _server) = pair().await;
    let error = client.recv_timeout(1, limit).await.unwrap_err();
    assert!(error.to_string().starts_with("timed out after 1.5s, while"));
}

/// Every kind of error that has another one in it.
#[tokio::test]
async fn no_error_says_anything_twice() {
    // A certificate.
    let stranger = ClientConfig::builder(Roots::from_pem(strange_root().as_bytes()).unwrap());
    let stranger = TlsConnector::new(stranger.build().unwrap());
    let (client, server) = duplex(64 * 1024);
    let (client, server) = tokio::join!(
        stranger.upgrade(client, name()).or_transport(),
        acceptor().accept(server)
    );
    let failed = client.unwrap_err();
    chain(&failed);
    let error = Error::from(failed);
    assert!(!chain(&error).is_empty() && !chain(&server.unwrap_err()).is_empty());
    let io = std::io::Error::from(error.clone());
    assert_eq!(chain(&io), error.to_string());
    assert!(Error::from_io(&io).is_some());
    // A downgrade.
    let (mut client, server) = pair().await;
    client.get_mut().write_all(&[7; 64]).await.unwrap();
    drop(client);
    let failed = server.downgrade(Duration::from_secs(1)).await.unwrap_err();
    chain(&failed);
}

#[tokio::test]
async fn a_server_is_named_by_text_and_bad_text_is_quoted() {
    let listener = TlsListener::bind("127.0.0.1:0", server_config())
        .await
        .unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok(incoming) = listener.accept().await {
            tokio::spawn(incoming.handshake());
        }
    });
    let connector = TlsConnector::from(client_config());
    let stream = connector.connect_to(&format!("localhost:{port}")).await;
    #[cfg(unix)]
    assert!(std::os::fd::AsRawFd::as_raw_fd(stream.as_ref().unwrap()) > 2);
    assert_eq!(stream.unwrap().server_name(), Some("localhost"));
    let address = ("127.0.0.1", port);
    connector.connect(address, "localhost").await.unwrap();
    connector.connect(address, name()).await.unwrap();
    connector
        .connect(address, "localhost".to_owned())
        .await
        .unwrap();

    // Where there is IPv6: its address is the name too, for which this server has no certificate.
    if let Ok(socket) = std::net::TcpListener::bind("[::1]:0") {
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || drop(socket.accept()));
        let error = connector
            .connect_to(&address.to_string())
            .await
            .unwrap_err();
        assert_ne!(error.stage(), Stage::Start, "{error}");
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }

    let error = connector.connect_to("[::1]").await.unwrap_err();
    assert_eq!(error.stage(), Stage::Start);
    assert!(
        error.to_string().starts_with("\"[::1]\" is no host"),
        "{error}"
    );
    let error = connector.connect(address, "localhost.").await.unwrap_err();
    assert!(
        error.to_string().starts_with("\"localhost.\" is no name"),
        "{error}"
    );
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    // The transport comes back here too.
    let (client, _server) = duplex(64);
    let failed = connector.upgrade(client, "a b").or_transport().await;
    assert!(failed.unwrap_err().into_parts().1.is_some());

    let error = connector.connect_to("127.0.0.1:1").await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("127.0.0.1:1: Connection refused"),
        "{error}"
    );
    let error = connector
        .connect_to("no.such.host.invalid:443")
        .await
        .unwrap_err();
    assert!(
        error.to_string().starts_with("no.such.host.invalid:443: "),
        "{error}"
    );
}
