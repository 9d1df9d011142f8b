//! What a message and a full handshake of DTLS 1.2 cost in memory, beside OpenSSL and webrtc's `dtls`
//! ([`portcullis_benches::datagrams`]): ECDHE with X25519, ECDSA with P-256, AES-128-GCM.

mod floor;
#[path = "../../pair.rs"]
mod pair;
mod stack;
mod webrtc;

use std::rc::Rc;

use openssl as library;
use portcullis_benches::datagrams::{Connects, Failure, Pair, Prepared, handshakes, messages};
use portcullis_benches::pki::Pki;
use portcullis_core::ProtocolVersion;
use portcullis_core::suite::CipherSuite;

fn main() -> Result<(), Failure> {
    let pki = Pki::generate()?;
    let suite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
    let ours = Prepared::new(&pki, ProtocolVersion::TLS_1_2, suite)?;
    let theirs = pair::Prepared::new(&pki)?;
    let webrtc = Rc::new(webrtc::Prepared::new(&pki)?);
    let mut stacks: Vec<(&str, Box<dyn Pair>)> = vec![
        ("primitives", Box::new(floor::Primitives::new()?)),
        ("portcullis", Box::new(ours.connect()?)),
        ("OpenSSL", Box::new(theirs.connect()?)),
        ("webrtc's dtls", Box::new(webrtc.connect()?)),
    ];
    println!("{}\n", openssl::version::version());
    messages(&mut stacks)?;
    println!();
    let mut stacks: Vec<(&str, Connects)> = vec![
        ("portcullis", Box::new(move || ours.connect().map(drop))),
        ("OpenSSL", Box::new(move || theirs.connect().map(drop))),
        ("webrtc's dtls", Box::new(move || webrtc.connect()?.close())),
    ];
    handshakes(&mut stacks)
}
