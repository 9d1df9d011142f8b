//! OpenSSL 4.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use portcullis::NamedGroup;
use portcullis::ech::{EchConfigList, EchKem, EchKey, EchKeys, EchStatus};
use portcullis_tests::peers::Program;
use portcullis_tests::peers::fetched::openssl4;
use portcullis_tests::pki::pki;
use portcullis_tests::scratch;
use tokio::net::TcpStream;

use super::{ALSO_NAMED, key_also_named, our_client, our_server};

fn start(words: &[&str]) -> Program {
    Program::start(openssl4(), "gcc make perl", words)
}

/// The lines of a section of a PEM text, without their ends.
fn section(text: &str, name: &str) -> Vec<u8> {
    let (_, rest) = text
        .split_once(&format!("-----BEGIN {name}-----"))
        .unwrap_or_else(|| panic!("no {name} in {text}"));
    let (body, _) = rest.split_once("-----END").expect("an end");
    let body: String = body.split_whitespace().collect();
    BASE64_STANDARD.decode(body).expect("base64")
}

/// A key that OpenSSL has made: its file, the private key, and what clients have.
async fn made_there() -> (String, Vec<u8>, Vec<u8>) {
    let file = scratch::file("ech.pem", "").display().to_string();
    let program = start(&["ech", "-public_name", ALSO_NAMED, "-out", &file]);
    let (status, output) = program.finish().await;
    assert!(status.success(), "{output}");
    let text = std::fs::read_to_string(&file).expect("the file");
    let (private, list) = (section(&text, "PRIVATE KEY"), section(&text, "ECHCONFIG"));
    (file, private, list)
}

/// One of ours, as a file of OpenSSL's.
fn made_here() -> (String, EchConfigList) {
    let made = EchKey::builder(ALSO_NAMED).kem(EchKem::X25519).generate();
    let (key, private) = made.expect("a key");
    let list = key.config_list();
    let text = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n\
         -----BEGIN ECHCONFIG-----\n{}\n-----END ECHCONFIG-----\n",
        BASE64_STANDARD.encode(&*private),
        BASE64_STANDARD.encode(list.as_bytes()),
    );
    let file = scratch::file("ech.pem", text).display().to_string();
    (file, list)
}

async fn server(key: &str, more: &[&str]) -> (Program, SocketAddr) {
    let identity = &pki().ecdsa_p256;
    let certificate = identity.certificate_file.display().to_string();
    let private = identity.key_file.display().to_string();
    let issuers = identity.issuers_file.as_ref().expect("an intermediate");
    let issuers = issuers.display().to_string();
    let mut words = vec!["s_server", "-accept", "127.0.0.1:0", "-rev", "-tls1_3"];
    words.extend(["-cert", &certificate, "-key", &private]);
    words.extend(["-cert_chain", &issuers, "-ech_key", key]);
    words.extend(more);
    let mut program = start(&words);
    let line = program.wait_for_line("ACCEPT ").await;
    let address = line.trim_start_matches("ACCEPT ").trim().parse();
    (program, address.expect("an address"))
}

/// What `s_client` says of its connection. Unless it has TLS 1.3 alone it offers what is older in the inner hello, too,
/// which RFC 9849 §6.1 forbids.
async fn client(address: SocketAddr, list: &[u8], more: &[&str], wanted: &str) -> String {
    let (address, list) = (address.to_string(), BASE64_STANDARD.encode(list));
    let root = pki().root.file.display().to_string();
    let mut words = vec![
        "s_client",
        "-connect",
        &address,
        "-servername",
        "localhost",
        "-ech_config_list",
        &list,
        "-CAfile",
        &root,
        "-verify_return_error",
        "-prexit",
    ];
    words.extend(more);
    let mut program = start(&words);
    if let Err(output) = program.try_wait_for_line(wanted).await {
        panic!("no {wanted:?}:\n{output}");
    }
    let (_, output) = program.finish().await;
    output.to_string()
}

#[tokio::test]
async fn reads_what_our_client_has_encrypted() {
    let (theirs, _, list) = made_there().await;
    let (ours, own) = made_here();
    let list = EchConfigList::from_bytes(&list).expect("a list");
    for (file, list) in [(theirs, list), (ours, own)] {
        for (more, retries) in [(&[][..], false), (&["-groups", "P-384"][..], true)] {
            let (_program, address) = server(&file, more).await;
            let connector = our_client(Some(list.clone()));
            let stream = connector.connect(address, "localhost").await;
            let mut stream = stream.expect("a connection");
            assert_eq!(stream.information().ech(), EchStatus::Accepted);
            assert_eq!(stream.information().hello_retried(), retries);
            stream.send(&[b"hello\n"]).await.expect("it is sent");
            let answer = stream.recv(6).await.expect("an answer");
            assert_eq!(&answer[..], b"olleh\n");
        }
    }
}

#[tokio::test]
async fn tells_our_client_the_keys_that_it_has() {
    let (file, _, list) = made_there().await;
    let (_program, address) = server(&file, &[]).await;
    let tries = AtomicUsize::new(0);
    let old = key_also_named(EchKem::X25519).config_list();
    let connected = our_client(None)
        .connect_with_ech_retry("localhost", old, || {
            tries.fetch_add(1, Ordering::Relaxed);
            TcpStream::connect(address)
        })
        .await;
    let (stream, told) = connected.expect("a connection");
    assert_eq!(stream.information().ech(), EchStatus::Accepted);
    assert_eq!(told.as_bytes(), list);
    assert_eq!(tries.into_inner(), 2);
}

#[tokio::test]
async fn has_encrypted_what_our_server_reads() {
    let (_, private, list) = made_there().await;
    let theirs = EchKey::from_pkcs8(&list, &private).expect("a key");
    for key in [
        theirs,
        key_also_named(EchKem::X25519),
        key_also_named(EchKem::P256),
    ] {
        for (groups, retries) in [(&[][..], false), (&[NamedGroup::SECP384R1][..], true)] {
            let keys = EchKeys::new([key.clone()]).expect("keys");
            let (address, mut seen) = our_server(&keys, groups).await;
            let list = key.config_list();
            let list = list.as_bytes();
            let said = client(address, list, &["-tls1_3"], "ECH: outer:").await;
            assert!(said.contains("ECH: success: 1"), "{said}");
            assert!(said.contains("ECH: inner: localhost"), "{said}");
            assert!(said.contains("ECH: outer: other.example"), "{said}");
            assert_eq!(seen.recv().await, Some((EchStatus::Accepted, retries)));
        }
    }
}

#[tokio::test]
async fn takes_the_keys_that_our_server_has_now() {
    let keys = EchKeys::new([key_also_named(EchKem::X25519)]).expect("keys");
    let (address, _) = our_server(&keys, &[]).await;
    let old = key_also_named(EchKem::X25519).config_list();
    let said = client(address, old.as_bytes(), &["-tls1_3"], "ECH: entry: 0").await;
    assert!(said.contains("ECH: failed+retry-configs"), "{said}");
    assert!(said.contains("public_name: other.example"), "{said}");
}

/// As Go and BoringSSL do.
#[tokio::test]
async fn older_versions_in_the_inner_hello_are_refused() {
    let key = key_also_named(EchKem::X25519);
    let keys = EchKeys::new([key.clone()]).expect("keys");
    let (address, _) = our_server(&keys, &[]).await;
    let said = client(
        address,
        key.config_list().as_bytes(),
        &[],
        "ECH: tried but failed",
    )
    .await;
    assert!(said.contains("alert illegal parameter"), "{said}");
}
