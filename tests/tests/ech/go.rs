//! Go's crypto/tls.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use portcullis::NamedGroup;
use portcullis::ech::{EchConfigList, EchKem, EchKeys, EchStatus};
use portcullis_tests::peers::Program;
use portcullis_tests::peers::fetched::go_ech;
use portcullis_tests::pki::pki;
use serde_json::Value;
use tokio::net::TcpStream;

use super::{key_also_named, our_client, our_server};

const KEMS: [(&str, EchKem); 2] = [("x25519", EchKem::X25519), ("p256", EchKem::P256)];

fn start(words: &[String]) -> Program {
    Program::start(go_ech(), "python3-pip", words)
}

/// A server of Go's, and what clients encrypt for.
async fn server(kem: &str, curves: &str) -> (Program, EchConfigList, SocketAddr) {
    let identity = &pki().ecdsa_p256;
    let mut program = start(&[
        "server".to_owned(),
        format!("cert={}", identity.chain_file.display()),
        format!("key={}", identity.key_file.display()),
        format!("kem={kem}"),
        format!("curves={curves}"),
    ]);
    let list = program.wait_for_line("LIST ").await;
    let list = BASE64_STANDARD.decode(list.trim_start_matches("LIST ").trim());
    let list = EchConfigList::from_bytes(&list.expect("base64")).expect("a list");
    let port = program.wait_for_line("READY ").await;
    let port = port.trim_start_matches("READY ").trim().parse();
    let address = ([127, 0, 0, 1], port.expect("a port")).into();
    (program, list, address)
}

/// What a client of Go's says of its connection to `address`.
async fn client(address: SocketAddr, list: &EchConfigList) -> Value {
    let program = start(&[
        "client".to_owned(),
        format!("address={address}"),
        format!("root={}", pki().root.file.display()),
        "name=localhost".to_owned(),
        format!("ech={}", BASE64_STANDARD.encode(list.as_bytes())),
    ]);
    let (status, output) = program.finish().await;
    assert!(status.success(), "{output}");
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output}"))
}

#[tokio::test]
async fn reads_what_our_client_has_encrypted() {
    for (kem, _) in KEMS {
        for (curves, retries) in [("", false), ("secp384r1", true)] {
            let (mut program, list, address) = server(kem, curves).await;
            let stream = our_client(Some(list)).connect(address, "localhost").await;
            let mut stream = stream.expect("a connection");
            assert_eq!(stream.information().ech(), EchStatus::Accepted);
            assert_eq!(stream.information().hello_retried(), retries);
            stream.send(&[b"hello"]).await.expect("it is sent");
            let echo = stream.recv(5).await.expect("an answer");
            assert_eq!(&echo[..], b"hello");
            let said = program.wait_for_line("\"ech\":").await;
            let said: Value = serde_json::from_str(&said).expect("an object");
            assert_eq!(said["ech"], true, "{said}");
            assert_eq!(said["name"], "localhost", "{said}");
            assert_eq!(said["retried"], retries, "{said}");
        }
    }
}

#[tokio::test]
async fn tells_our_client_the_keys_that_it_has() {
    for (kem, ours) in KEMS {
        let (_program, list, address) = server(kem, "").await;
        let old = key_also_named(ours).config_list();
        let tries = AtomicUsize::new(0);
        let connected = our_client(None)
            .connect_with_ech_retry("localhost", old, || {
                tries.fetch_add(1, Ordering::Relaxed);
                TcpStream::connect(address)
            })
            .await;
        let (stream, told) = connected.expect("a connection");
        assert_eq!(stream.information().ech(), EchStatus::Accepted);
        assert_eq!(told, list);
        assert_eq!(tries.into_inner(), 2);
    }
}

#[tokio::test]
async fn has_encrypted_what_our_server_reads() {
    for (_, kem) in KEMS {
        for (groups, retries) in [(&[][..], false), (&[NamedGroup::SECP384R1][..], true)] {
            let key = key_also_named(kem);
            let keys = EchKeys::new([key.clone()]).expect("keys");
            let (address, mut seen) = our_server(&keys, groups).await;
            let said = client(address, &key.config_list()).await;
            assert_eq!(said["ech"], true, "{said}");
            assert_eq!(said["echo"], "hello from Go\n", "{said}");
            let seen = seen.recv().await;
            assert_eq!(seen, Some((EchStatus::Accepted, retries)), "{said}");
        }
    }
}

#[tokio::test]
async fn takes_the_keys_that_our_server_has_now() {
    for (_, kem) in KEMS {
        let keys = EchKeys::new([key_also_named(kem)]).expect("keys");
        let (address, _) = our_server(&keys, &[]).await;
        let said = client(address, &key_also_named(kem).config_list()).await;
        assert_eq!(said["rejected"], true, "{said}");
        let retry = said["retry"].as_str().expect("a list");
        let retry = BASE64_STANDARD.decode(retry).expect("base64");
        assert_eq!(retry, keys.config_list().as_bytes());
        let retry = EchConfigList::from_bytes(&retry).expect("a list");
        let said = client(address, &retry).await;
        assert_eq!(said["ech"], true, "{said}");
    }
}
