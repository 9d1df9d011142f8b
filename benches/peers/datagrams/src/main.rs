//! What a message over DTLS 1.3 costs in memory, beside BoringSSL and dimpl, and a full handshake beside BoringSSL
//! ([`portcullis_benches::datagrams`]): X25519, ECDSA with P-256, AES-128-GCM. dimpl verifies no chain.

mod dimpl;
mod floor;
#[path = "../../pair.rs"]
mod pair;
mod stack;

use boring as library;
use portcullis_benches::datagrams::{Connects, Failure, Pair, Prepared, handshakes, messages};
use portcullis_benches::pki::Pki;
use portcullis_core::ProtocolVersion;
use portcullis_core::suite::CipherSuite;

fn main() -> Result<(), Failure> {
    let pki = Pki::generate()?;
    let suite = CipherSuite::TLS_AES_128_GCM_SHA256;
    let ours = Prepared::new(&pki, ProtocolVersion::TLS_1_3, suite)?;
    let boring = pair::Prepared::new(&pki)?;
    let mut stacks: Vec<(&str, Box<dyn Pair>)> = vec![
        ("primitives", Box::new(floor::Primitives::new()?)),
        ("portcullis", Box::new(ours.connect()?)),
        ("BoringSSL", Box::new(boring.connect()?)),
        ("dimpl", Box::new(dimpl::Dimpl::connected(&pki)?)),
    ];
    messages(&mut stacks)?;
    println!();
    let mut stacks: Vec<(&str, Connects)> = vec![
        ("portcullis", Box::new(move || ours.connect().map(drop))),
        ("BoringSSL", Box::new(move || boring.connect().map(drop))),
    ];
    handshakes(&mut stacks)
}
