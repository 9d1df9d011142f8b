//! What a connection holds, in bytes of the Rust heap; ciphers are the crypto library's and are
//! not counted, so they are seen to be absent. ring's, where the feature `ring-aead` takes them, are:
//! 544 bytes each, less than the crypto library's.
//!
//! A gate: whoever makes a connection larger does so knowingly.

mod ends;

use std::alloc::System;
use std::io;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use portcullis::config::Renegotiation;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf, duplex};
use tokio::net::{TcpListener, TcpStream};

use portcullis::{
    ProtocolVersion, Relay, RelayEnd, RelayOptions, TlsAcceptor, TlsConnector, TlsStream,
};

use ends::{TLS12_SUITES, acceptor, client_config, connector, name, now, server_config, tls12};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One measurement at a time: the counters are those of the process.
static TURN: Mutex<()> = Mutex::new(());

const CONNECTIONS: usize = 50;

/// Bytes that are held now and were not when `region` began.
fn held(region: &Region<'_, System>) -> isize {
    let change = region.change();
    change.bytes_allocated as isize - change.bytes_deallocated as isize
}

/// What each of these connections has on the heap besides its transport.
fn each(streams: Vec<TlsStream<TcpStream>>) -> isize {
    let mut transports = Vec::with_capacity(CONNECTIONS);
    let region = Region::new(HEAP);
    for stream in streams {
        transports.push(stream.into_inner());
    }
    // The vector of streams itself is gone too.
    let vector = CONNECTIONS * size_of::<TlsStream<TcpStream>>();
    (-held(&region) - vector as isize) / CONNECTIONS as isize
}

/// A connection over loopback; those of one connector share their peer's chain.
async fn pair(
    connector: &TlsConnector,
    acceptor: &TlsAcceptor,
) -> (TlsStream<TcpStream>, TlsStream<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (client, server) = tokio::join!(
        connector.upgrade(client.unwrap(), name()),
        acceptor.accept(server.unwrap().0)
    );
    (client.unwrap(), server.unwrap())
}

/// What the ciphers of both directions are on this heap.
fn ciphers() -> isize {
    match portcullis::aes_gcm() {
        "ring" => 2 * 544,
        _ => 0,
    }
}

fn block_on(test: impl Future<Output = ()>) {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(test);
}

#[test]
fn an_idle_connection_holds_less_than_a_kilobyte() {
    block_on(async {
        let (mut clients, mut servers) = (
            Vec::with_capacity(CONNECTIONS),
            Vec::with_capacity(CONNECTIONS),
        );
        let (connector, acceptor) = (connector(), acceptor());
        for _ in 0..CONNECTIONS {
            let (client, server) = pair(&connector, &acceptor).await;
            assert!(client.is_hibernating() && server.is_hibernating());
            clients.push(client);
            servers.push(server);
        }
        let (client, server) = (each(clients), each(servers));
        println!("client {client}, server {server}");
        assert!(client <= 860, "a client holds {client} bytes");
        assert!(server <= 860, "a server holds {server} bytes");
    });
}

/// Encrypted ClientHello leaves nothing behind in either end; a client that may be asked for a certificate afterwards, and the
/// server that may ask, keep the transcript of their handshake.
#[test]
fn what_a_hello_or_a_later_request_needs_is_little() {
    use portcullis::ClientAuthentication;
    use portcullis::ech::{EchKey, EchKeys, EchStatus};

    block_on(async {
        let (key, _) = EchKey::builder("public.test").generate().unwrap();
        let keys = EchKeys::new([key.clone()]).unwrap();
        let hidden = (
            client_config().with_ech(key.config_list()).unwrap(),
            server_config().to_builder().ech_keys(keys).build().unwrap(),
        );
        let roots = ends::pki().roots.clone();
        let asking = server_config().to_builder();
        let asking = asking.client_authentication(ClientAuthentication::Optional(roots));
        let client = client_config().to_builder();
        let asked = (
            client.post_handshake_authentication(true).build().unwrap(),
            asking.post_handshake_authentication(true).build().unwrap(),
        );
        for ((client, server), more) in [(hidden, (0, 0)), (asked, (700, 1_150))] {
            let connector = TlsConnector::new(client).without_resumption();
            let acceptor = TlsAcceptor::new(server);
            let (mut clients, mut servers) = (
                Vec::with_capacity(CONNECTIONS),
                Vec::with_capacity(CONNECTIONS),
            );
            for _ in 0..CONNECTIONS {
                let (client, server) = pair(&connector, &acceptor).await;
                let is_hidden = server.information().ech() == EchStatus::Accepted;
                assert_eq!(is_hidden, more == (0, 0));
                clients.push(client);
                servers.push(server);
            }
            let (client, server) = (each(clients), each(servers));
            println!("client {client}, server {server}");
            assert!(client <= 860 + more.0, "a client holds {client} bytes");
            assert!(server <= 860 + more.1, "a server holds {server} bytes");
        }
    });
}

/// With tickets, as by default: a connection that has resumed another one, and has been given the
/// tickets of its own. The tickets are in the store, which is no connection's.
#[test]
fn a_resumed_connection_with_tickets_holds_little_more() {
    block_on(async {
        let (mut clients, mut servers) = (
            Vec::with_capacity(CONNECTIONS),
            Vec::with_capacity(CONNECTIONS),
        );
        let store = std::sync::Arc::new(portcullis::MemorySessionStore::new(10));
        let (connector, acceptor) = (connector().session_store(store.clone()), acceptor());
        for number in 0..=CONNECTIONS {
            let (mut client, mut server) = pair(&connector, &acceptor).await;
            server.send(&[b"a"]).await.unwrap();
            assert_eq!(client.read(&mut [0; 2]).await.unwrap(), 1);
            for stream in [&mut client, &mut server] {
                assert!(now(stream.read(&mut [0])).await.is_none());
            }
            if number > 0 {
                assert!(client.is_resumed() && server.is_resumed());
                clients.push(client);
                servers.push(server);
            }
        }
        assert!(!store.is_empty());
        let (client, server) = (each(clients), each(servers));
        println!("client {client}, server {server}");
        // Only the server has said something: each end has set up the cipher of one direction.
        let (client, server) = (client - ciphers() / 2, server - ciphers() / 2);
        assert!(client <= 1_250, "a client holds {client} bytes");
        assert!(server <= 970, "a server holds {server} bytes");
    });
}

/// Keys in the place of a secret, and a box for them; what TLS 1.2 keeps of its handshake for
/// exporters besides.
#[test]
fn an_idle_connection_of_tls_1_2_holds_little_more() {
    block_on(async {
        for suite in TLS12_SUITES {
            let (mut clients, mut servers) = (
                Vec::with_capacity(CONNECTIONS),
                Vec::with_capacity(CONNECTIONS),
            );
            let (connector, acceptor) = tls12(suite);
            for _ in 0..CONNECTIONS {
                let (mut client, mut server) = pair(&connector, &acceptor).await;
                for stream in [&mut client, &mut server] {
                    assert!(now(stream.read(&mut [0])).await.is_none());
                }
                clients.push(client);
                servers.push(server);
            }
            let (client, server) = (each(clients), each(servers));
            println!("client {client}, server {server}");
            let (client, server) = (client - ciphers(), server - ciphers());
            assert!(client <= 1_400, "a client holds {client} bytes");
            assert!(server <= 1_400, "a server holds {server} bytes");
        }
    });
}

/// CVE-2016-6304: OpenSSL kept what the client had said of its status_request in each handshake. Here a client that says a
/// lot, again and again, leaves nothing behind in either end.
#[test]
fn renegotiations_leave_nothing_behind() {
    let always = Renegotiation::Accept {
        apart: Duration::ZERO,
    };
    let names: Vec<String> = (0..250).map(|number| format!("{number:0>60}")).collect();
    let versions = [ProtocolVersion::TLS_1_2];
    let client = client_config().to_builder().versions(versions);
    let server = server_config().to_builder().versions(versions);
    let client = client.alpn(names.iter().map(String::as_str).chain(["echo"]));
    let (client, server) = (client.renegotiation(always), server.renegotiation(always));
    let connector = TlsConnector::new(client.build().unwrap()).without_resumption();
    let acceptor = TlsAcceptor::new(server.build().unwrap());
    block_on(async {
        let (mut client, mut server) = pair(&connector, &acceptor).await;
        let mut after = Vec::with_capacity(40);
        let region = Region::new(HEAP);
        for _ in 0..40 {
            let begin = async {
                client.renegotiate().await.unwrap();
                client.write_all(b"done").await.unwrap();
                client.flush().await.unwrap();
            };
            let mut received = [0; 4];
            let answer = async { server.read_exact(&mut received).await.unwrap() };
            tokio::join!(begin, answer);
            after.push(held(&region));
        }
        // One hello has 15,000 bytes.
        let (early, late) = (after[9], after[39]);
        assert!(late <= early + 1_000, "{after:?}");
    });
}

/// Moves 100,000 bytes.
async fn pass(from: &mut TlsStream<TcpStream>, to: &mut TlsStream<TcpStream>) {
    let data = vec![7; 100_000];
    let send = async { from.send(&[&data]).await.unwrap() };
    let receive = async {
        let mut buffer = vec![0; 30_000];
        let mut received = 0;
        while received < data.len() {
            received += to.read(&mut buffer).await.unwrap();
        }
    };
    tokio::join!(send, receive);
}

/// Nothing is left of megabytes that went through.
#[test]
fn a_connection_keeps_no_buffer() {
    block_on(async {
        let (mut clients, mut servers) = (
            Vec::with_capacity(CONNECTIONS),
            Vec::with_capacity(CONNECTIONS),
        );
        let (connector, acceptor) = (connector(), acceptor());
        for _ in 0..CONNECTIONS {
            let (mut client, mut server) = pair(&connector, &acceptor).await;
            pass(&mut client, &mut server).await;
            pass(&mut server, &mut client).await;
            for stream in [&mut client, &mut server] {
                assert!(now(stream.read(&mut [0])).await.is_none());
            }
            clients.push(client);
            servers.push(server);
        }
        let (client, server) = (each(clients), each(servers));
        println!("client {client}, server {server}");
        let (client, server) = (client - ciphers(), server - ciphers());
        assert!(client <= 860, "a client holds {client} bytes");
        assert!(server <= 860, "a server holds {server} bytes");
    });
}

/// A handshake's memory is not in the caller's future: that of a task never shrinks.
#[test]
fn futures_of_handshakes_and_streams_are_small() {
    assert!(size_of::<TlsStream<TcpStream>>() <= 16);
    block_on(async {
        let (near, far) = duplex(1);
        let (connector, acceptor) = (connector(), acceptor());
        let connect = connector.upgrade(near, name());
        let accept = acceptor.accept(far);
        assert!(size_of_val(&connect) <= 16, "{}", size_of_val(&connect));
        assert!(size_of_val(&accept) <= 16, "{}", size_of_val(&accept));
        let tcp = connector.connect("127.0.0.1:1", name());
        assert!(size_of_val(&tcp) <= 16, "{}", size_of_val(&tcp));
    });
}

/// A client that says nothing, or half a hello, costs a server this much.
#[test]
fn a_half_open_connection_is_small() {
    block_on(async {
        let acceptor = acceptor();
        // What belongs to the thread is there.
        let _ = pair(&connector(), &acceptor).await;
        let mut ends = Vec::with_capacity(CONNECTIONS);
        let mut handshakes = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            let (mut near, far) = duplex(1024);
            tokio::io::AsyncWriteExt::write_all(&mut near, &[22, 3, 1, 2, 0, 1])
                .await
                .unwrap();
            ends.push((near, Some(far)));
        }
        let region = Region::new(HEAP);
        for (_, far) in &mut ends {
            let mut handshake = Box::pin(acceptor.accept(far.take().unwrap()));
            assert!(now(&mut handshake).await.is_none());
            handshakes.push(handshake);
        }
        let each = held(&region) / CONNECTIONS as isize;
        println!("half open {each}");
        assert!(each <= 2_500, "a half-open connection holds {each} bytes");
    });
}

const RELAYS: usize = 2_000;

/// What is kept in each of many relays, of these ends, when this much has gone through and nothing moves.
async fn each_relay<A, B>(
    mut pairs: Vec<(A, B)>,
    mut exchange: impl AsyncFnMut(usize, &mut Relay<A, B>),
) -> isize
where
    A: RelayEnd,
    B: RelayEnd,
{
    let mut relays = Vec::with_capacity(pairs.len());
    let count = pairs.len() - 1;
    let (a, b) = pairs.pop().unwrap();
    let mut first = portcullis::relay(a, b, RelayOptions::new());
    exchange(count, &mut first).await;
    // What belongs to the thread is there.
    let region = Region::new(HEAP);
    while let Some((a, b)) = pairs.pop() {
        let mut relay = Box::new(portcullis::relay(a, b, RelayOptions::new()));
        exchange(pairs.len(), &mut relay).await;
        relays.push(relay);
    }
    held(&region) / count as isize
}

/// Writes all, while it is read.
async fn across<A, B>(from: &mut A, data: &[u8], to: &mut B, received: &mut [u8])
where
    A: AsyncWrite + Unpin,
    B: AsyncRead + Unpin,
{
    let send = async {
        from.write_all(data).await?;
        // What the socket did not take at once waits for this.
        from.flush().await
    };
    let (sent, read) = tokio::join!(send, to.read_exact(received));
    sent.unwrap();
    read.unwrap();
}

/// The relay itself and a timer, and no buffer, whatever went through.
#[test]
fn an_idle_relay_keeps_no_buffer() {
    block_on(async {
        for size in [1_000, 100_000] {
            let mut pairs = Vec::with_capacity(RELAYS);
            let mut peers = Vec::with_capacity(RELAYS);
            for _ in 0..RELAYS {
                // The pipes have their memory before.
                let (mut near, mut a) = duplex(1_000);
                let (mut b, mut far) = duplex(1_000);
                for io in [&mut near, &mut far, &mut a, &mut b] {
                    io.write_all(&[7; 1_000]).await.unwrap();
                }
                for io in [&mut near, &mut far, &mut a, &mut b] {
                    io.read_exact(&mut [0; 1_000]).await.unwrap();
                }
                pairs.push((a, b));
                peers.push((near, far));
            }
            let data = vec![7; size];
            let mut received = vec![0; size];
            let each = each_relay(pairs, async |number, relay| {
                let (near, far) = &mut peers[number];
                let exchange = async {
                    for _ in 0..2 {
                        across(near, &data, far, &mut received).await;
                    }
                };
                tokio::select! {
                    _ = relay => panic!("it goes on"),
                    () = exchange => {}
                }
            })
            .await;
            println!("a relay of pipes after {size} bytes: {each}");
            assert!(each <= 440, "a relay holds {each} bytes");
        }
    });
}

/// The same with TLS at one end and a socket at the other, as a proxy has it.
#[test]
fn an_idle_relay_of_tls_keeps_no_buffer() {
    block_on(async {
        let (connector, acceptor) = (connector(), acceptor());
        let mut pairs = Vec::with_capacity(CONNECTIONS);
        let mut peers = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            let (mut client, mut accepted) = pair(&connector, &acceptor).await;
            // Ciphers are set up, and tickets taken.
            pass(&mut client, &mut accepted).await;
            pass(&mut accepted, &mut client).await;
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (backend, server) = tokio::join!(TcpStream::connect(address), listener.accept());
            pairs.push((accepted, backend.unwrap()));
            peers.push((client, server.unwrap().0));
        }
        let data = vec![7; 300_000];
        let mut received = vec![0; data.len()];
        let each = each_relay(pairs, async |number, relay| {
            let (client, server) = &mut peers[number];
            let exchange = async {
                across(client, &data, server, &mut received).await;
                across(server, &data, client, &mut received).await;
            };
            tokio::select! {
                _ = relay => panic!("it goes on"),
                () = exchange => {}
            }
        })
        .await;
        println!("a relay of TLS and a socket: {each}");
        assert!(each <= 720, "a relay holds {each} bytes");
    });
}

/// Bytes go through the thread's areas: TLS at one end and a socket at the other, both ways, more than the sockets take.
#[test]
fn a_relay_moves_bytes_without_allocating() {
    block_on(async {
        let (mut client, mut accepted) = pair(&connector(), &acceptor()).await;
        // A timer is made each time that the socket is full: the limit is not of records.
        accepted.set_write_timeout(None);
        client.set_write_timeout(None);
        pass(&mut client, &mut accepted).await;
        pass(&mut accepted, &mut client).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (backend, server) = tokio::join!(TcpStream::connect(address), listener.accept());
        let mut server = server.unwrap().0;
        let data = vec![7; 10_000_000];
        let mut received = vec![0; data.len()];
        let exchange = async {
            let mut changes = Vec::with_capacity(3);
            for _ in 0..3 {
                let region = Region::new(HEAP);
                across(&mut client, &data, &mut server, &mut received).await;
                across(&mut server, &data, &mut client, &mut received).await;
                let change = region.change();
                changes.push(change.allocations + change.reallocations);
            }
            changes
        };
        let changes = tokio::select! {
            _ = portcullis::relay(accepted, backend.unwrap(), RelayOptions::new()) => panic!("it goes on"),
            changes = exchange => changes,
        };
        println!("allocations: {changes:?}");
        // What a full socket refuses is kept, now and then; a buffer for each of 300 reads would be seen.
        assert!(changes[2] < 32, "{changes:?}");
    });
}

#[test]
fn a_relay_is_small() {
    type OfProxy = Relay<TlsStream<TcpStream>, TcpStream>;
    println!("{} bytes", size_of::<OfProxy>());
    assert!(size_of::<OfProxy>() <= 336, "{}", size_of::<OfProxy>());
}

/// An end that panics.
struct Panics;

impl AsyncRead for Panics {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        panic!("an end of a relay panics, as the test wants it");
    }
}

impl AsyncWrite for Panics {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        panic!("an end of a relay panics, as the test wants it");
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl RelayEnd for Panics {
    fn reset(&mut self) {}
}

/// The area is the thread's again, whatever an end does; else each of these would cost one of 128 KiB.
#[test]
fn a_relay_that_panics_gives_its_area_back() {
    block_on(async {
        let panic_once = || async {
            // In writing, and in reading.
            for is_swapped in [false, true] {
                let (mut near, far) = duplex(100);
                near.write_all(b"to be written").await.unwrap();
                let panicked = match is_swapped {
                    false => tokio::spawn(portcullis::relay(far, Panics, RelayOptions::new())),
                    true => tokio::spawn(portcullis::relay(Panics, far, RelayOptions::new())),
                };
                assert!(panicked.await.unwrap_err().is_panic());
            }
        };
        panic_once().await;
        let region = Region::new(HEAP);
        for _ in 0..10 {
            panic_once().await;
        }
        let change = region.change();
        assert!(change.bytes_allocated < 10 * 65_536, "{change:?}");
    });
}
