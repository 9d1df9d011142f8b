//! Secrets of a handshake in a log, for debugging.
#![cfg(feature = "key-log")]

mod ends;

use std::sync::{Arc, Mutex};

use ends::*;
use portcullis::{Reason, TlsConnector};
use tokio::io::duplex;

#[tokio::test]
async fn secrets_are_logged_when_asked_for_even_if_the_handshake_fails() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let log =
        move |line: &portcullis::KeyLogLine| sink.lock().unwrap().push(line.to_line().to_string());
    // The client does not trust the server: handshake secrets are there, and no more.
    let connector = TlsConnector::new(client_config()).key_log(log);
    let acceptor = acceptor();
    let (client, server) = duplex(64 * 1024);
    let (client, _server) = tokio::join!(
        connector.upgrade(client, other_name()),
        acceptor.upgrade(server)
    );
    assert!(matches!(
        client.unwrap_err().reason(),
        Some(Reason::Certificate(_))
    ));
    let lines = lines.lock().unwrap();
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("CLIENT_HANDSHAKE_TRAFFIC_SECRET ")),
        "{}",
        lines.len()
    );
    assert!(lines.iter().all(|line| line.split(' ').count() == 3));
}

#[test]
fn a_key_log_that_cannot_be_opened_is_named() {
    let path = std::env::temp_dir().join("no such folder/keys.log");
    let error = portcullis::KeyLogFile::open(&path).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    let said = error.to_string();
    assert!(said.contains(path.to_str().unwrap()), "{said}");
}

#[tokio::test]
async fn a_key_log_file_gets_whole_lines() {
    let path = std::env::temp_dir().join(format!("portcullis-key-log-{}", std::process::id()));
    let connector = connector().key_log(portcullis::KeyLogFile::open(&path).unwrap());
    let acceptor = acceptor();
    let (client, server) = duplex(64 * 1024);
    let (client, server) =
        tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server));
    client.unwrap();
    server.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(text.lines().count() >= 4 && text.ends_with('\n'));
    assert!(
        text.lines()
            .any(|line| line.starts_with("SERVER_TRAFFIC_SECRET_0 "))
    );
}
