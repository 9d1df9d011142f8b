//! What a driver and whoever has a connection share, in every interleaving of two threads, by loom: `CONTRIBUTING.md` says
//! how to run it. A wake-up that is lost is a deadlock of the model.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use loom::future::block_on;
use loom::thread::{Builder, JoinHandle};
use portcullis_core::config::{ClientConfig, ServerConfig};
use portcullis_core::x509::Identity;
use portcullis_core::{
    Admission, ConnectionId, DatagramConnection, DatagramOptions, Handshake, Monotonic, NamedGroup,
    Now, Step,
};
use rustls_pki_types::{PrivateKeyDer, ServerName, UnixTime};
use tokio::io::ReadBuf;

use super::association::{Association, Standing};
use super::endpoint::{Endpoint, Rung};
use super::group;
use super::link::{Link, NOWHERE};
use super::moves::Migration;
use super::rivals::Origin;
use super::transport::DatagramTransport;
use crate::error::Error;

/// In words: loom's own stacks are too short for debug builds of AWS-LC's callers.
const STACK: usize = 1 << 16;

fn spawn<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    Builder::new().stack_size(STACK).spawn(body).unwrap()
}

/// Runs `body` once for every interleaving, of those in which no thread is interrupted more than three times.
fn model(body: impl Fn() + Send + Sync + 'static) {
    let body = Arc::new(body);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let body = Arc::clone(&body);
        spawn(move || body()).join().unwrap();
    });
}

/// A link on which everything is lost.
struct Nowhere;

impl DatagramTransport for Nowhere {
    fn poll_recv(&self, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn try_send(&self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn poll_send_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Client and server after a handshake in memory.
fn connected() -> [DatagramConnection; 2] {
    static SERVER: OnceLock<Identity> = OnceLock::new();
    let identity = SERVER.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        Identity::from_der(vec![made.cert.der().clone()], &key).unwrap()
    });
    let client = ClientConfig::dangerous_builder_without_verification()
        .groups([NamedGroup::X25519])
        .build()
        .unwrap();
    let server = ServerConfig::builder()
        .identity(identity.clone())
        .groups([NamedGroup::X25519])
        .resumption(false)
        .build()
        .unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let (options, now) = (DatagramOptions::default(), now());
    let mut client = Handshake::datagram_client(client, name, Vec::new(), options, now).unwrap();
    let mut sent = said(&mut client);
    let admission = Admission::without_cookie(sent.remove(0));
    let mut server = Handshake::datagram_server(server, admission, options, now).unwrap();
    for _ in 0..3 {
        for datagram in said(&mut server) {
            client.receive(&datagram, now);
        }
        for datagram in said(&mut client) {
            server.receive(&datagram, now);
        }
    }
    [client, server].map(|end| end.into_datagram_connection().unwrap())
}

fn now() -> Now {
    Now {
        wall: UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_782_864_000)),
        monotonic: Monotonic::default(),
    }
}

fn said(end: &mut Handshake) -> Vec<Vec<u8>> {
    let mut sent = Vec::new();
    loop {
        match end.poll().unwrap() {
            Step::Transmit(datagram) => sent.push(datagram),
            Step::Wait { .. } | Step::Connected => return sent,
            _ => {}
        }
    }
}

fn endpoint() -> Arc<Endpoint> {
    Arc::new(Endpoint::new(Link::over(Nowhere)))
}

fn association(endpoint: &Arc<Endpoint>) -> Arc<Association> {
    let bounds = ((4, 1 << 16), Migration::Refuse);
    let id = endpoint.next_id();
    Arc::new(Association::new(
        Arc::clone(endpoint),
        id,
        NOWHERE,
        Origin::Called,
        bounds,
        Monotonic::default(),
    ))
}

/// The server's end of a connection, and the datagram of a message of its client.
fn with_a_message(message: &[u8]) -> (Arc<Association>, Vec<u8>) {
    let [mut client, server] = connected();
    let length = client.writer.sealed_len(message.len());
    let mut datagram = vec![0; length];
    let message = [IoSlice::new(message)];
    client.writer.seal(&message, &mut datagram).unwrap();
    let association = association(&endpoint());
    association.connected(server.reader, server.writer, Vec::new(), (None, None));
    (association, datagram)
}

#[test]
fn a_message_wakes_who_waits_for_it() {
    model(|| {
        let (association, mut datagram) = with_a_message(b"x");
        let driver = spawn({
            let association = Arc::clone(&association);
            move || association.receive(&mut datagram, NOWHERE, Monotonic::default())
        });
        let message = block_on(poll_fn(|cx| association.poll_recv(cx)));
        assert_eq!(&message.unwrap()[..], b"x");
        driver.join().unwrap();
    });
}

#[test]
fn a_message_is_read_before_the_end_and_the_end_wakes() {
    model(|| {
        let (association, mut datagram) = with_a_message(b"x");
        let driver = spawn({
            let association = Arc::clone(&association);
            move || {
                association.receive(&mut datagram, NOWHERE, Monotonic::default());
                association.end(Error::closed());
            }
        });
        let recv = || block_on(poll_fn(|cx| association.poll_recv(cx)));
        assert_eq!(&recv().unwrap()[..], b"x");
        assert!(recv().unwrap_err().is_closed());
        driver.join().unwrap();
    });
}

/// A datagram waits for a handshake that is not polled yet, or wakes it.
#[test]
fn a_datagram_wakes_a_handshake() {
    model(|| {
        let association = association(&endpoint());
        let driver = spawn({
            let association = Arc::clone(&association);
            move || association.receive(&mut [1, 2, 3], NOWHERE, Monotonic::default())
        });
        let datagram = block_on(poll_fn(|cx| association.poll_datagram(cx)));
        assert_eq!(datagram.unwrap(), [1, 2, 3]);
        driver.join().unwrap();
    });
}

/// What comes while a connection is given up is nobody's, and the driver hears that it was.
#[test]
fn a_connection_that_is_given_up_is_looked_after() {
    model(|| {
        let (association, mut datagram) = with_a_message(b"x");
        let endpoint = Arc::clone(&association.endpoint);
        // The handshake has rung.
        let looked = block_on(poll_fn(|cx| Poll::Ready(endpoint.take_rung(cx).waiting)));
        assert_eq!(looked, [association.id]);
        association.is_heard();
        let dropping = spawn({
            let association = Arc::clone(&association);
            move || association.abandon()
        });
        association.receive(&mut datagram, NOWHERE, Monotonic::default());
        // The driver sleeps until it is rung for.
        block_on(poll_fn(|cx| {
            for id in endpoint.take_rung(cx).waiting {
                assert_eq!(id, association.id);
                association.is_heard();
                if matches!(association.standing(), Standing::Abandoned(_)) {
                    return Poll::Ready(());
                }
            }
            Poll::Pending
        }));
        dropping.join().unwrap();
    });
}

/// However often it is rung for, the driver has looked after the last time, and not for each time.
#[test]
fn what_is_rung_for_is_looked_after() {
    model(|| {
        let endpoint = endpoint();
        let association = association(&endpoint);
        let work = Arc::new(loom::sync::atomic::AtomicUsize::new(0));
        let ringing = spawn({
            let (association, work) = (Arc::clone(&association), Arc::clone(&work));
            move || {
                for _ in 0..2 {
                    work.fetch_add(1, loom::sync::atomic::Ordering::AcqRel);
                    association.ring();
                }
            }
        });
        let mut looks = 0;
        block_on(poll_fn(|cx| {
            for _ in endpoint.take_rung(cx).waiting {
                looks += 1;
                association.is_heard();
                if work.load(loom::sync::atomic::Ordering::Acquire) == 2 {
                    return Poll::Ready(());
                }
            }
            Poll::Pending
        }));
        assert!((1..=2).contains(&looks));
        ringing.join().unwrap();
    });
}

/// What the driver of another socket has received wakes the one whose connection it is.
#[test]
fn what_is_handed_over_wakes_its_driver() {
    model(|| {
        let (one, other) = (endpoint(), endpoint());
        group::join(&[Arc::clone(&one), Arc::clone(&other)]);
        let id = ConnectionId::new(&[1; 8]).unwrap();
        let handing = spawn(move || assert!(one.hand_over(&id, NOWHERE, b"datagram")));
        let handed = block_on(poll_fn(|cx| {
            let Rung { handed, .. } = other.take_rung(cx);
            match handed.is_empty() {
                true => Poll::Pending,
                false => Poll::Ready(handed),
            }
        }));
        assert_eq!(handed, [(NOWHERE, b"datagram".to_vec())]);
        handing.join().unwrap();
    });
}
