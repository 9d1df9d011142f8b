//! What those who run it need.

use std::io;
use std::time::Duration;

use portcullis_proxy::Proxy;
use serde_json::Value;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Files, connect, echo, get, talk, terminating};

fn plain(more: &str, address: &str, server: &str) -> String {
    format!(
        r#"
        {more}
        [[listen]]
        name = "in"
        address = "{address}"
        [[route]]
        tls = "off"
        backend = {{ servers = "{server}" }}
        "#
    )
}

/// Somebody listens there, and is too busy to accept.
#[tokio::test]
async fn a_start_does_not_wait_for_a_full_socket() {
    let files = Files::new();
    let path = files.path("full.sock");
    let socket = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    };
    let address = SockAddr::unix(&path).unwrap();
    let listener = socket();
    listener.bind(&address).unwrap();
    listener.listen(1).unwrap();
    let mut waiting = Vec::new();
    loop {
        let next = socket();
        match next.connect(&address) {
            Ok(()) => waiting.push(next),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                break;
            }
        }
    }
    let config = files.config(&plain("", "unix:@/full.sock", "127.0.0.1:1"));
    let runtime = tokio::runtime::Handle::current();
    let (told, hears) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _inside = runtime.enter();
        let _ = told.send(Proxy::start(config).map(drop));
    });
    let started = hears.recv_timeout(Duration::from_secs(10));
    let error = started.expect("it does not hang").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}");
    assert!(path.exists(), "it is somebody's");
    drop((listener, waiting));
}

#[tokio::test]
async fn a_log_that_was_moved_away_is_opened_anew() {
    let files = Files::new();
    let back = echo("a").await;
    let log = "log = { access = \"@/access.log\" }";
    let proxy = files.start(&plain(log, "127.0.0.1:0", &back.to_string()));
    let ask = async || {
        let mut io = TcpStream::connect(proxy.address()).await.unwrap();
        talk(&mut io, "x").await.unwrap();
    };
    ask().await;
    files.lines(1).await;
    let (path, moved) = (files.path("access.log"), files.path("access.log.1"));
    std::fs::rename(&path, &moved).unwrap();
    proxy.0.reopen_log().await.unwrap();
    ask().await;
    assert_eq!(files.lines(1).await[0]["id"], 1);
    assert_eq!(std::fs::read_to_string(&moved).unwrap().lines().count(), 1);
    // One that cannot be opened leaves that which is there.
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let error = proxy.0.reopen_log().await.unwrap_err();
    assert!(error.to_string().contains("access.log: "), "{error}");
}

/// Who wants an end at once still wants to know how connections have ended.
#[tokio::test]
async fn an_end_at_once_loses_no_line() {
    let files = Files::new();
    let back = echo("a").await;
    let more = "log = { access = \"@/access.log\" }\ntimeouts = { drain = \"60s\" }";
    let proxy = files.start(&plain(more, "127.0.0.1:0", &back.to_string()));
    let mut held = Vec::new();
    for _ in 0..20 {
        let mut io = TcpStream::connect(proxy.address()).await.unwrap();
        io.read_exact(&mut [0; 2]).await.unwrap();
        held.push(io);
    }
    let cut = tokio::time::sleep(Duration::from_millis(100));
    let draining = tokio::time::timeout(Duration::from_secs(20), proxy.0.drain_until(cut));
    assert_eq!(draining.await.expect("it ends"), 20);
    // They are there by now.
    let text = std::fs::read_to_string(files.path("access.log")).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let drained = lines.filter(|line| line["outcome"] == "drained");
    assert_eq!(drained.count(), 20);
}

#[tokio::test]
async fn silent_peers_keep_nobody_from_asking_for_health() {
    let files = Files::new();
    let more = "admin = { listen = \"127.0.0.1:0\" }";
    let proxy = files.start(&plain(more, "127.0.0.1:0", "127.0.0.1:1"));
    let admin = proxy.0.admin().unwrap();
    let mut silent = Vec::new();
    for _ in 0..16 {
        let mut io = TcpStream::connect(admin).await.unwrap();
        io.write_all(b"GET /metr").await.unwrap();
        silent.push(io);
    }
    // Each has 2 seconds, and there are 16 places.
    let asked = tokio::time::timeout(Duration::from_millis(1_500), get(admin, "/health"));
    assert_eq!(asked.await.expect("at once").0, "HTTP/1.1 200 OK");
    drop(silent);
}

/// How many threads of this process are called so.
#[cfg(target_os = "linux")]
fn threads(called: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with(called)).count()
}

/// Connections are served by threads of their own: where the proxy was started, nothing runs meanwhile.
#[cfg(target_os = "linux")]
#[test]
fn workers_serve_by_themselves_and_end_with_the_proxy() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    };
    let (own, others) = (runtime(), runtime());
    let files = Files::new();
    files.server("one", &["one.test"]);
    let back = others.block_on(echo("a"));
    let more =
        "process = { workers = 2 }\nlimits = { connections = 32 }\ntimeouts = { drain = \"1s\" }";
    let text = terminating(more, back, "");
    let proxy = own.block_on(async { files.start(&text) });
    assert_eq!(threads("proxy-worker"), 2);
    let mut stream = others.block_on(async {
        let connector = files.connector(&[]);
        for _ in 0..20 {
            let mut stream = connect(&connector, proxy.address(), "one.test")
                .await
                .unwrap();
            assert_eq!(talk(&mut stream, "x").await.unwrap(), "a:x");
        }
        connect(&connector, proxy.address(), "one.test")
            .await
            .unwrap()
    });
    // Their number is for a restart.
    let next = files.config(&text.replace("workers = 2", "workers = 3"));
    let refused = own.block_on(proxy.0.reload(next)).unwrap_err().to_string();
    assert!(refused.contains("process.workers"), "{refused}");
    // A drain waits for what is there, and cuts it in the end.
    let began = std::time::Instant::now();
    assert_eq!(own.block_on(proxy.0.drain()), 1);
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert!(others.block_on(talk(&mut stream, "x")).is_err());
    for _ in 0..100 {
        if threads("proxy-worker") == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("threads are left");
}

/// Whoever waits in the system's queue was answered by it: all of them are served, however many they are.
#[tokio::test]
async fn a_long_queue_is_accepted_to_its_end_when_the_proxy_ends() {
    const CLIENTS: usize = 400;

    let files = Files::new();
    let back = echo("a").await;
    let proxy = files.start(&plain("", "127.0.0.1:0", &back.to_string()));
    let to = proxy.address();
    // Nothing else runs in this thread meanwhile.
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| std::net::TcpStream::connect(to).unwrap())
        .collect();
    let draining = tokio::spawn(proxy.0.drain());
    for client in clients {
        client.set_nonblocking(true).unwrap();
        let mut client = TcpStream::from_std(client).unwrap();
        assert_eq!(talk(&mut client, "x").await.unwrap(), "a:x");
    }
    draining.await.unwrap();
}
