//! First hellos from addresses that are somebody else's, while nobody is asked for a cookie.

use std::net::SocketAddr;
use std::time::Duration;

use portcullis::{
    AddressLimits, CookiePolicy, DatagramOptions, DtlsAcceptor, DtlsListener, DtlsOptions,
    Retransmission,
};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use crate::ends::*;
use crate::gates::{server, talkative};
use crate::{ask, echo, eventually, listen};

/// The first hello of a client, which is let in without a cookie.
async fn hello() -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let client = tokio::spawn(async move { talkative().connect(address, name()).await });
    let mut buffer = vec![0; 65_536];
    let length = socket.recv(&mut buffer).await.unwrap();
    client.abort();
    buffer.truncate(length);
    buffer
}

/// Where nobody is asked before 100 handshakes are under way, and nothing is sent again for long.
fn trusting() -> DtlsOptions {
    let slow = Retransmission::default().initial(Duration::from_secs(60));
    DtlsOptions::new()
        .cookies(CookiePolicy::UnderLoad { handshakes: 100 })
        .datagrams(DatagramOptions::default().retransmission(slow))
}

async fn listen_with(options: DtlsOptions) -> (DtlsListener, SocketAddr) {
    let tls = portcullis::TlsAcceptor::new(server());
    let tls = tls.handshake_timeout(Duration::from_secs(30));
    listen(DtlsAcceptor::new(tls).options(options)).await
}

/// Shakes hands with all who come, and echoes to them; tells why handshakes fail.
fn serve(listener: &DtlsListener) -> (impl Future<Output = ()>, mpsc::UnboundedReceiver<String>) {
    let (failed, failures) = mpsc::unbounded_channel();
    let serving = async move {
        while let Ok(incoming) = listener.accept().await {
            let failed = failed.clone();
            tokio::spawn(async move {
                match incoming.handshake().await {
                    Ok(connection) => echo(connection).await.unwrap(),
                    Err(error) => failed.send(error.to_string()).unwrap(),
                }
            });
        }
    };
    (serving, failures)
}

/// Whoever has shown that he reads at an address has it, and not who was there before and has not.
#[tokio::test]
async fn a_forged_hello_keeps_nobody_from_his_address() {
    for is_accepted in [true, false] {
        let (listener, address) = listen_with(trusting()).await;
        let (serving, mut failures) = serve(&listener);
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(address).await.unwrap();
        socket.send(&hello().await).await.unwrap();
        eventually("it is let in", || listener.statistics().admitted == 1).await;
        assert_eq!(listener.statistics().sent.operations(), 0);
        let shaking = async {
            if is_accepted {
                // What it is answered with is gone before the address's own client says anything.
                let mut buffer = vec![0; 65_536];
                let within = Duration::from_millis(500);
                socket.recv(&mut buffer).await.unwrap();
                while tokio::time::timeout(within, socket.recv(&mut buffer))
                    .await
                    .is_ok()
                {}
            }
            let mut client = talkative().upgrade(socket, name()).await.unwrap();
            ask(&mut client, b"it is mine").await;
            client
        };
        let shaking = tokio::time::timeout(Duration::from_secs(20), shaking);
        let client = match is_accepted {
            true => tokio::select! {
                client = shaking => client.unwrap(),
                () = serving => unreachable!(),
            },
            // The forged one is accepted behind it, and says nothing.
            false => {
                let served = async {
                    eventually("both are let in", || listener.statistics().admitted == 2).await;
                    serving.await;
                };
                tokio::select! {
                    client = shaking => client.unwrap(),
                    () = served => unreachable!(),
                }
            }
        };
        let why = failures.recv().await.unwrap();
        assert!(why.contains("has shown that it reads"), "{why}");
        let statistics = listener.statistics();
        // It was asked, although nobody else is, and is there alone.
        assert_eq!((statistics.admitted, statistics.sent.operations()), (2, 1));
        eventually("the other is forgotten", || {
            listener.statistics().connections == 1
        })
        .await;
        drop(client);
    }
}

/// Of a forged address many ports.
#[tokio::test]
async fn forged_hellos_do_not_count_against_an_address() {
    let limits = AddressLimits::new().handshakes(1).rate(2, 1);
    let (listener, address) = listen_with(trusting().per_address(limits)).await;
    let (serving, _failures) = serve(&listener);
    let working = async {
        let hello = hello().await;
        let mut forged = Vec::new();
        for _ in 0..10 {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            socket.send_to(&hello, address).await.unwrap();
            forged.push(socket);
        }
        eventually("they are let in", || listener.statistics().admitted == 10).await;
        let mut client = talkative().connect(address, name()).await.unwrap();
        ask(&mut client, b"there is room").await;
        let statistics = listener.statistics();
        assert_eq!((statistics.admitted, statistics.address_full), (11, 0));
        assert_eq!(statistics.sent.operations(), 0);
        // Who connects counts: one a second is less than these are.
        let mut clients = Vec::new();
        while listener.statistics().sent.operations() == 0 {
            clients.push(talkative().connect(address, name()).await.unwrap());
            assert!(clients.len() < 100, "nobody is asked");
        }
    };
    tokio::select! {
        () = working => {}
        () = serving => unreachable!(),
    }
}
