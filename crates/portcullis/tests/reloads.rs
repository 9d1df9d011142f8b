//! What reloads mean for connections, sessions, and who has to be told.

mod folder;
#[cfg(feature = "ocsp-stapler")]
mod stapled;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use folder::*;
use portcullis::session::TicketKeys;
use portcullis::{
    AlertDescription, ClientAuthentication, ClientConfig, Direction, Identity, Misuse, ReloadEvent,
    ReloadWarning, Roots, ServerConfig, TlsAcceptor, TlsConnector, TlsListener, Watching,
};
use rcgen::CertificateParams;
use tokio::io::duplex;

/// What is served, and should be looked at by somebody, is told once for each content.
#[tokio::test]
async fn what_is_to_be_seen_to_is_told() {
    let folder = Folder::new();
    let reloader = folder.reloader().patience(Duration::ZERO);
    let put = |change: &dyn Fn(&mut CertificateParams)| {
        let (chain, key) = CA.leaf_with("first", |params| change(params));
        // One file after the other: in between they do not fit.
        folder.rename_into_place("tls.key", &key);
        folder.rename_into_place("tls.crt", &chain);
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = Duration::from_secs(now.unwrap().as_secs());
    let days = |days| Duration::from_secs(days * 24 * 3_600);
    let of = |left: u64, over: u64| {
        move |params: &mut CertificateParams| {
            let begin = rcgen::date_time_ymd(1970, 1, 1);
            params.not_before = begin + (now - days(over));
            params.not_after = begin + (now + days(left));
        }
    };
    // 91 days of 100 are over, when it is loaded.
    put(&of(9, 91));
    let (_acceptor, mut watching) = start(reloader).await;
    let ReloadWarning::Expires { at } = warning(&mut watching).await else {
        panic!("it expires");
    };
    assert_eq!(at.as_secs() - now.as_secs(), 9 * 24 * 3_600);
    watching.look_now();
    nothing_happens(&mut watching).await;

    // Skips what was wrong in between.
    async fn next(watching: &mut Watching) -> ReloadEvent {
        loop {
            match event(watching).await {
                ReloadEvent::Rejected { .. } => {}
                other => return other,
            }
        }
    }
    // 11 of 100 are left, and it is newer.
    put(&of(11, 89));
    let published = next(&mut watching).await;
    assert!(
        matches!(published, ReloadEvent::Published { .. }),
        "{published:?}"
    );
    nothing_happens(&mut watching).await;
    // An old one comes back.
    put(&of(3_000, 100));
    let published = next(&mut watching).await;
    assert!(
        matches!(published, ReloadEvent::Published { .. }),
        "{published:?}"
    );
    let older = warning(&mut watching).await;
    assert!(matches!(older, ReloadWarning::OlderThanServed { .. }));
    assert_eq!(
        older.to_string(),
        "the certificate begins 264 hours before the one that was served until now: see that no old file was put back"
    );
    // It says where its issuer is, which is not there.
    put(&|params| {
        of(3_000, 1)(params);
        // caIssuers
        let location = b"\x86\x08http://a";
        let method = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x02";
        let length = u8::try_from(method.len() + location.len()).unwrap();
        let value = [&[0x30, length + 2, 0x30, length][..], method, location].concat();
        let oid = [1, 3, 6, 1, 5, 5, 7, 1, 1];
        let extension = rcgen::CustomExtension::from_oid_content(&oid, value);
        params.custom_extensions.push(extension);
    });
    let published = next(&mut watching).await;
    assert!(
        matches!(published, ReloadEvent::Published { .. }),
        "{published:?}"
    );
    let incomplete = warning(&mut watching).await.to_string();
    assert!(
        incomplete.contains("testing root") && incomplete.contains("is not in the chain"),
        "{incomplete}"
    );
}

/// A client whose authority is taken out of the roots is refused from then on, also if its session would open.
#[tokio::test]
async fn roots_that_are_taken_away_end_sessions() {
    let folder = Folder::new();
    let stays = Ca::new("stays");
    let identity = |ca: &Ca| {
        let (chain, key) = ca.leaf("client.test");
        Identity::from_pem(&(chain + &key), None).unwrap()
    };
    let (goes_away, remains) = (identity(&CA), identity(&stays));
    fs::write(folder.path("roots.pem"), CA.pem.clone() + &stays.pem).unwrap();
    fs::write(folder.path("tickets"), [1; TicketKeys::SECRET_LEN]).unwrap();
    let reloader = folder.reloader().ticket_keys(folder.path("tickets"));
    let loaded = reloader
        .roots(folder.path("roots.pem"))
        .load(|parts| {
            let missing = || Misuse::new("a part is missing");
            let roots = parts.roots().cloned().ok_or_else(missing)?;
            ServerConfig::builder()
                .identity(parts.identity()?)
                .client_authentication(ClientAuthentication::Required(roots))
                .ticket_keys(parts.ticket_keys().cloned().ok_or_else(missing)?)
                .build()
        })
        .await
        .unwrap();
    let acceptor = TlsAcceptor::new(loaded.config());
    let mut watching = loaded.watch(acceptor.reloadable());
    tokio::time::sleep(Duration::from_millis(50)).await;
    let connector = |identity: &Identity| {
        let roots = Roots::from_pem(&CA.pem).unwrap();
        let config = ClientConfig::builder(roots).identity(identity.clone());
        TlsConnector::new(config.build().unwrap())
    };
    // Whether it was resumed.
    let connect = async |connector: &TlsConnector| {
        let (near, far) = duplex(64 * 1024);
        let client = async {
            let mut stream = connector.upgrade(near, "localhost").await?;
            stream.recv(2).await?;
            Ok::<_, portcullis::Error>(stream.is_resumed())
        };
        let server = async {
            let mut stream = acceptor.upgrade(far).await?;
            stream.send(&[b"hi"]).await
        };
        tokio::join!(client, server)
    };
    let (first, second) = (connector(&goes_away), connector(&remains));
    for connector in [&first, &second] {
        assert!(!connect(connector).await.0.unwrap());
        assert!(connect(connector).await.0.unwrap());
    }
    folder.rename_into_place("roots.pem", &stays.pem);
    published(&mut watching).await;
    // It has a session, and another one after that was refused.
    for _ in 0..2 {
        let (client, server) = connect(&first).await;
        let error = server.unwrap_err();
        assert_eq!(
            error.alert(),
            Some((Direction::Sent, AlertDescription::UNKNOWN_CA)),
            "{error}"
        );
        client.unwrap_err();
    }
    assert!(connect(&second).await.0.unwrap());
}

/// 100 reloads under 1,000 connections that live and handshakes that begin: none fails. Most are in memory, which has
/// no bound of descriptors.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_reloads_lose_no_connection() {
    const RELOADS: u64 = 100;
    const LIVE: usize = 1_000;
    /// Of these so many are used between two reloads.
    const USED: usize = 50;
    let folder = Folder::new();
    let reloader = folder.reloader().settle(Duration::from_millis(2));
    let loaded = reloader.load(config).await.unwrap();
    let listener = TlsListener::bind("127.0.0.1:0", loaded.config())
        .await
        .unwrap();
    let (address, acceptor) = (listener.local_addr().unwrap(), listener.acceptor().clone());
    let mut watching = loaded.watch(listener.reloadable());
    tokio::time::sleep(Duration::from_millis(50)).await;
    let serving = tokio::spawn(async move {
        loop {
            let incoming = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let Ok(mut stream) = incoming.handshake().await else {
                    return;
                };
                while let Ok(word) = stream.recv(4).await {
                    if word.is_empty() || stream.send(&[&word]).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    let (mut live, connector_of_all) = (Vec::new(), connector());
    for _ in 0..LIVE {
        let (near, far) = duplex(4 * 1024);
        let (client, server) = tokio::join!(
            connector_of_all.upgrade(near, "localhost"),
            acceptor.upgrade(far)
        );
        live.push((client.unwrap(), server.unwrap()));
    }
    let handshakes = Arc::new(AtomicUsize::new(0));
    let connecting = tokio::spawn({
        let handshakes = Arc::clone(&handshakes);
        async move {
            let connector = connector();
            loop {
                let mut stream = connector.connect(address, "localhost").await.unwrap();
                stream.send(&[b"ping"]).await.unwrap();
                assert_eq!(&stream.recv(4).await.unwrap()[..], b"ping");
                handshakes.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    for reload in 1..=RELOADS {
        folder.put(&format!("name{reload}"));
        assert_eq!(published(&mut watching).await.0, reload);
        let first = usize::try_from(reload).unwrap() * USED % LIVE;
        for (client, server) in &mut live[first..first + USED] {
            client.send(&[b"ping"]).await.unwrap();
            assert_eq!(&server.recv(4).await.unwrap()[..], b"ping");
            server.send(&[b"pong"]).await.unwrap();
            assert_eq!(&client.recv(4).await.unwrap()[..], b"pong");
        }
    }
    assert!(!connecting.is_finished(), "{:?}", connecting.await);
    connecting.abort();
    let handshakes = handshakes.load(Ordering::Relaxed);
    assert!(handshakes >= 100, "{handshakes}");
    connector().connect(address, "name100").await.unwrap();
    serving.abort();
}

/// Who asks says that the writer is done.
#[tokio::test]
async fn who_asks_does_not_wait_for_a_writer() {
    let folder = Folder::new();
    let reloader = folder.reloader().patience(Duration::from_secs(3_600));
    let (acceptor, mut watching) = start(reloader).await;
    let (_, key) = CA.leaf("second");
    folder.rename_into_place("tls.key", &key);
    nothing_happens(&mut watching).await;
    watching.look_now();
    let rejected = event(&mut watching).await;
    assert!(
        matches!(rejected, ReloadEvent::Rejected { serving: 0, .. }),
        "{rejected:?}"
    );
    assert!(serves(&acceptor, "first").await);
    // What comes later is taken over all the same.
    folder.put("third");
    let (generation, _) = published(&mut watching).await;
    assert_eq!(generation, 1);
}

/// More than anybody can follow: of the pairs in between none is refused, and the last one is served.
#[tokio::test]
async fn a_hundred_changes_in_a_second() {
    let pairs: Vec<_> = (0..100)
        .map(|number| CA.leaf(&format!("name{number}")))
        .collect();
    let folder = Folder::new();
    let (acceptor, mut watching) = start(folder.reloader().patience(SOON)).await;
    for (chain, key) in &pairs {
        folder.rename_into_place("tls.key", key);
        folder.rename_into_place("tls.crt", chain);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    published(&mut watching).await;
    let quiet = Duration::from_millis(1_200);
    while let Ok(event) = tokio::time::timeout(quiet, watching.next_event()).await {
        assert!(
            matches!(event, Some(ReloadEvent::Published { .. })),
            "{event:?}"
        );
    }
    assert!(serves(&acceptor, "name99").await);
}
