//! How much is logged of one connection.

mod ends;

use std::io;
use std::sync::{Arc, Mutex};

use ends::*;
use portcullis::{LogLevel, TlsAcceptor, TlsConnector};
use tokio::io::{AsyncWriteExt as _, duplex};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn listening(level: tracing::Level) -> (Log, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    (log, tracing::subscriber::set_default(subscriber))
}

async fn connect(connector: &TlsConnector, acceptor: &TlsAcceptor) {
    let (near, far) = duplex(64 * 1024);
    let (client, server) = tokio::join!(connector.upgrade(near, name()), acceptor.accept(far));
    client.unwrap();
    server.unwrap();
}

async fn fail(acceptor: &TlsAcceptor) {
    let (mut near, far) = duplex(64 * 1024);
    near.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    drop(near);
    acceptor.accept(far).await.unwrap_err();
}

#[tokio::test]
async fn one_connection_at_debug_under_an_info_subscriber() {
    let (log, _guard) = listening(tracing::Level::INFO);
    connect(&connector(), &acceptor()).await;
    assert_eq!(log.take(), "");
    connect(&connector(), &acceptor().log_level(LogLevel::Debug)).await;
    let text = log.take();
    for message in ["client_hello", "finished"] {
        let line = text.lines().find(|line| line.contains(message));
        let line = line.unwrap_or_else(|| panic!("{message} is missing in:\n{text}"));
        assert!(
            line.contains("portcullis::verbose") && line.contains("INFO"),
            "{line}"
        );
        assert!(line.contains("role=\"server\""), "{line}");
    }
    assert!(!text.contains("role=\"client\""), "{text}");
}

#[tokio::test]
async fn less_than_the_subscriber_takes() {
    let (log, _guard) = listening(tracing::Level::DEBUG);
    for (level, shown) in [
        (None, true),
        (Some(LogLevel::Debug), true),
        (Some(LogLevel::Info), false),
        (Some(LogLevel::Off), false),
    ] {
        let acceptor = match level {
            Some(level) => acceptor().log_level(level),
            None => acceptor(),
        };
        connect(&connector().log_level(LogLevel::Off), &acceptor).await;
        let text = log.take();
        assert_eq!(
            text.contains("handshake message"),
            shown,
            "{level:?}: {text}"
        );
    }
    for (level, shown) in [
        (LogLevel::Info, true),
        (LogLevel::Warn, false),
        (LogLevel::Error, false),
        (LogLevel::Off, false),
    ] {
        fail(&acceptor().log_level(level)).await;
        let text = log.take();
        assert_eq!(
            text.contains("the handshake failed"),
            shown,
            "{level:?}: {text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn level_changes_while_it_runs() {
    let (log, _guard) = listening(tracing::Level::INFO);
    for (level, shown) in [
        (None, true),
        (Some(LogLevel::Info), true),
        (Some(LogLevel::Error), false),
    ] {
        let (mut client, mut server) = pair().await;
        server.set_log_level(level);
        client.get_mut().write_all(&[9; 40]).await.unwrap();
        server.recv(1).await.unwrap_err();
        let text = log.take();
        // An alert of either side.
        assert_eq!(
            text.contains("the connection failed"),
            shown,
            "{level:?}: {text}"
        );
        assert_eq!(text.contains("direction=Sent"), shown, "{text}");
        // The peer that gets it.
        assert!(client.recv(1).await.unwrap_err().alert().is_some());
        assert!(log.take().contains("direction=Received"));
    }
}

#[tokio::test]
async fn a_connector_that_accepts_anybody_says_so_once() {
    let (log, _guard) = listening(tracing::Level::INFO);
    let config = portcullis::ClientConfig::dangerous_builder_without_verification();
    let config = config.versions([version()]).alpn(["echo"]).build().unwrap();
    let connector = TlsConnector::new(config.clone());
    for _ in 0..2 {
        connect(&connector, &acceptor()).await;
    }
    let text = log.take();
    let warning = "dangerous_builder_without_verification";
    assert_eq!(text.matches(warning).count(), 1, "{text}");
    assert!(text.contains("WARN"));
    let quiet = portcullis::Environment::builder().log_level(LogLevel::Error);
    quiet.build().unwrap().connector(config);
    assert_eq!(log.take(), "");
}

#[test]
fn names_of_levels() {
    for (name, level) in [
        ("none", LogLevel::Off),
        ("emergency", LogLevel::Error),
        ("alert", LogLevel::Error),
        ("critical", LogLevel::Error),
        ("error", LogLevel::Error),
        ("warning", LogLevel::Warn),
        ("notice", LogLevel::Info),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("all", LogLevel::Debug),
    ] {
        assert_eq!(name.parse::<LogLevel>().unwrap(), level);
    }
    assert!("loud".parse::<LogLevel>().is_err());
}
