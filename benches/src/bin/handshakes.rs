//! What a handshake over datagrams costs beside one over a stream, both in memory and without Tokio, in processor time; and what
//! a lost datagram costs, in time that is moved by hand: where a round trip takes 20 ms, with a cookie, and with the timers as
//! they are by default.
//!
//! `cargo run --release -p portcullis-benches --features dtls --bin handshakes` prints Markdown tables; `ROUNDS` and `HANDSHAKES`
//! are those of [`portcullis_benches::datagrams`].

use std::rc::Rc;

use portcullis_benches::datagrams::{Connects, Failure, Prepared, handshakes_beside};
use portcullis_benches::pki::Pki;
use portcullis_core::ProtocolVersion;
use portcullis_core::suite::CipherSuite;

fn main() -> Result<(), Failure> {
    let pki = Pki::generate()?;
    let versions = [
        (
            "1.3",
            ProtocolVersion::TLS_1_3,
            CipherSuite::TLS_AES_128_GCM_SHA256,
        ),
        (
            "1.2",
            ProtocolVersion::TLS_1_2,
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        ),
    ];
    for (name, version, suite) in versions {
        let prepared = Rc::new(Prepared::new(&pki, version, suite)?);
        let base = format!("TLS {name}");
        let names = [format!("DTLS {name}"), format!("DTLS {name} with a cookie")];
        let (stream, datagrams, asked) = (prepared.clone(), prepared.clone(), prepared);
        let mut stacks: Vec<(&str, Connects)> = vec![
            (&base, Box::new(move || stream.connect_stream())),
            (&names[0], Box::new(move || datagrams.connect().map(drop))),
            (&names[1], Box::new(move || asked.connect_with_cookie())),
        ];
        handshakes_beside(&base, &mut stacks)?;
        println!();
    }
    println!("| version | lost | both are connected after, ms | later, ms |\n|---|---|---|---|");
    for (name, version, suite) in versions {
        Prepared::new(&pki, version, suite)?.losses(&format!("DTLS {name}"))?;
    }
    Ok(())
}
