//! What DTLS holds and allocates, in bytes of the Rust heap: an idle connection at its server, a message, and hellos
//! from addresses that are not the sender's. The AEAD contexts are the crypto library's and are not counted.
//!
//! A gate: whoever makes these larger does so knowingly. One test: the allocator counts for the whole process, and what
//! the thread of another test leaves goes when that ends. `cargo test -p portcullis --features dtls --test
//! dtls_footprint -- --nocapture` prints them; the long form of the last, with a million hellos, is
//! `… -- --ignored --nocapture a_million`.

mod ends;

use std::alloc::System;
use std::io::BufRead as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use ends::*;
use portcullis::pki_types::UnixTime;
use portcullis::{
    ClientConfig, CookiePolicy, DatagramOptions, DtlsConnection, DtlsConnector, DtlsListener,
    TlsAcceptor, TlsConnector,
};
use portcullis_core::{Gate, Handshake, Monotonic, Now, Step, Verdict};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Where the clients of another process connect to.
const ADDRESS: &str = "PORTCULLIS_FOOTPRINT_ADDRESS";
/// Those that are there before the first look, and those that are counted: tables grow in steps.
const WARM_UP: usize = 32;
const COUNTED: usize = 224;

fn held(region: &Region<'_, System>) -> isize {
    let change = region.change();
    change.bytes_allocated as isize - change.bytes_deallocated as isize
}

fn block_on<T>(test: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    runtime.block_on(test)
}

async fn accept(listener: &DtlsListener) -> DtlsConnection {
    listener.accept().await.unwrap().handshake().await.unwrap()
}

/// What each connection holds at a server of so many after a time, its place in the tables included; and some
/// minutes later.
async fn each(acceptor: TlsAcceptor, rest: Duration, late: Duration) -> isize {
    let listener = DtlsListener::bind("127.0.0.1:0", acceptor).await.unwrap();
    let mut clients = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "clients"])
        .env(ADDRESS, listener.local_addr().unwrap().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut connections = Vec::with_capacity(WARM_UP + COUNTED);
    for _ in 0..WARM_UP {
        connections.push(accept(&listener).await);
    }
    tokio::time::sleep(rest).await;
    let region = Region::new(HEAP);
    for _ in 0..COUNTED {
        connections.push(accept(&listener).await);
    }
    tokio::time::sleep(rest).await;
    if !late.is_zero() {
        tokio::time::pause();
        tokio::time::advance(late).await;
        tokio::time::sleep(rest).await;
        tokio::time::resume();
    }
    let held = held(&region);
    // They may go.
    drop(clients.stdin.take());
    assert!(clients.wait().unwrap().success());
    held / COUNTED as isize
}

/// The clients of [`each`], who stay until their standard input ends.
#[tokio::test]
#[ignore = "run by what_dtls_holds_and_allocates, in a process of its own"]
async fn clients() {
    let Ok(address) = std::env::var(ADDRESS) else {
        return;
    };
    let config = ClientConfig::dangerous_builder_without_verification();
    let tls = TlsConnector::new(config.build().unwrap()).without_resumption();
    let dtls = DtlsConnector::new(tls);
    let mut connections = Vec::new();
    for _ in 0..WARM_UP + COUNTED {
        connections.push(dtls.connect(address.as_str(), name()).await.unwrap());
    }
    let stay = || std::io::stdin().lock().lines().for_each(drop);
    tokio::task::spawn_blocking(stay).await.unwrap();
}

fn an_idle_connection_holds_little_at_its_server() {
    block_on(async {
        let config = server_config()
            .to_builder()
            .resumption(false)
            .build()
            .unwrap();
        let rest = Duration::from_millis(700);
        let with = each(TlsAcceptor::new(config.clone()), rest, Duration::ZERO).await;
        // Its ciphers are given back.
        let acceptor = TlsAcceptor::new(config).hibernate_after(Duration::from_millis(100));
        let without = each(acceptor.clone(), rest, Duration::ZERO).await;
        // The keys of the handshake, too: nothing comes under them any more.
        let late = each(acceptor, rest, Duration::from_secs(300)).await;
        println!(
            "an idle connection at its server: {late} bytes, {without} in the first four minutes, {with} with its ciphers"
        );
        assert!(late <= 1_536, "{late}");
        assert!(without <= 1_760, "{without}");
        // ring's are on this heap.
        let ciphers = match portcullis::aes_gcm() {
            "ring" => 2 * 544,
            _ => 0,
        };
        assert!(with - ciphers <= 2_800, "{with}");
    });
}

/// None to send a message, or many together, and one to receive it: what `recv` gives.
fn a_message_is_allocated_once_by_its_receiver() {
    block_on(async {
        let listener = DtlsListener::bind("127.0.0.1:0", acceptor()).await.unwrap();
        let dtls = DtlsConnector::new(connector());
        let address = listener.local_addr().unwrap();
        let (client, mut server) = tokio::join!(dtls.connect(address, name()), accept(&listener));
        let client = client.unwrap();
        let message = [7; 1_200];
        let mut buffer = Vec::with_capacity(64);
        for _ in 0..200 {
            client.send(&[&message]).await.unwrap();
            buffer.push(server.recv().await.unwrap());
            buffer.clear();
        }
        let (mut to_send, mut to_receive) = (0, 0);
        for _ in 0..1_000 {
            let region = Region::new(HEAP);
            client.send(&[&message]).await.unwrap();
            to_send += region.change().allocations;
            let region = Region::new(HEAP);
            let received = server.recv().await.unwrap();
            to_receive += region.change().allocations;
            assert_eq!(received.len(), message.len());
        }
        let mut together = 0;
        for _ in 0..20 {
            let region = Region::new(HEAP);
            client.send_many(&[&message[..]; 50]).await.unwrap();
            together += region.change().allocations;
            for _ in 0..50 {
                server.recv().await.unwrap();
            }
        }
        println!(
            "1,000 messages: {to_send} allocations to send, {together} if many are sent together, {to_receive} to receive"
        );
        assert_eq!(together, 0);
        assert_eq!(to_send, 0);
        // Now and then one of Tokio's, or a timer's.
        assert!((1_000..1_020).contains(&to_receive), "{to_receive}");
    });
}

fn at(milliseconds: u64) -> Now {
    Now {
        wall: UnixTime::now(),
        monotonic: Monotonic(Duration::from_millis(milliseconds)),
    }
}

fn client() -> Handshake {
    let options = DatagramOptions::default();
    Handshake::datagram_client(client_config(), name(), Vec::new(), options, at(0)).unwrap()
}

fn hello(client: &mut Handshake) -> Vec<u8> {
    match client.poll() {
        Ok(Step::Transmit(hello)) => hello,
        other => panic!("it says hello: {other:?}"),
    }
}

/// Somebody who reads what is sent to him is let in.
fn comes_in(gate: &mut Gate, now: Now) {
    let (peer, mut client) = (b"192.0.2.1:4433", client());
    let first = hello(&mut client);
    let Verdict::Reply(reply) = gate.on_datagram(peer, &first, now) else {
        panic!("it is asked for a cookie");
    };
    client.receive(&reply, now);
    let second = hello(&mut client);
    let verdict = gate.on_datagram(peer, &second, now);
    assert!(matches!(verdict, Verdict::Admit(_)), "{verdict:?}");
}

/// So many hellos, each from an address of its own. The heap is as it was, and whoever is there comes in meanwhile.
fn spoofed(hellos: u64) {
    let hello = hello(&mut client());
    let mut gate = Gate::new(&server_config(), CookiePolicy::Always).unwrap();
    let mut answered = 0;
    // 100,000 in a second.
    let mut ask = |gate: &mut Gate, number: u64| {
        let now = at(number / 100);
        match gate.on_datagram(&number.to_be_bytes(), &hello, now) {
            Verdict::Reply(reply) => answered += reply.len() as u64,
            other => panic!("{other:?}"),
        }
        if number.is_multiple_of(1_000) {
            comes_in(gate, now);
        }
    };
    ask(&mut gate, 0);
    let region = Region::new(HEAP);
    (1..=hellos).for_each(|number| ask(&mut gate, number));
    let growth = held(&region);
    let amplification = answered as f64 / ((hellos + 1) * hello.len() as u64) as f64;
    println!(
        "{hellos} hellos of {} bytes: {growth} bytes more, {amplification:.2} bytes out for each that came",
        hello.len()
    );
    assert_eq!(growth, 0);
    assert!(amplification < 1.0, "{amplification}");
}

#[test]
fn what_dtls_holds_and_allocates() {
    an_idle_connection_holds_little_at_its_server();
    a_message_is_allocated_once_by_its_receiver();
    spoofed(2_000);
}

#[test]
#[ignore = "takes 50 seconds of processor time without optimization"]
fn a_million_spoofed_hellos_leave_nothing() {
    spoofed(1_000_000);
}
