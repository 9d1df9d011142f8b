//! A proxy that takes the place of another, files that are watched, and tickets of several proxies.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use portcullis_proxy::{Config, Inherited, Proxy};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::support::{Files, Running, connect, echo, get, talk, terminating};

pub(crate) fn text(address: &str, admin: &str, server: std::net::SocketAddr) -> String {
    format!(
        r#"
        process = {{ take_over = "@/take.sock" }}
        admin = {{ listen = "{admin}" }}
        [[listen]]
        name = "in"
        address = [{address}]
        [[route]]
        tls = "off"
        backend = {{ servers = "{server}" }}
        "#
    )
}

pub(crate) async fn start(config: Config, path: PathBuf) -> std::io::Result<Proxy> {
    let runtime = Handle::current();
    let starting = spawn_blocking(move || {
        let _inside = runtime.enter();
        let inherited = Inherited::take_over(&path, &config)?;
        Proxy::start_with(config, inherited)
    });
    starting.await.unwrap()
}

/// Both kinds of sockets, and the administration's; clients come all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_are_taken_over_and_nobody_is_refused() {
    let files = Files::new();
    let [a, b] = [echo("a").await, echo("b").await];
    let any = "127.0.0.1:0";
    let before = files.start(&text(r#""127.0.0.1:0", "unix:@/in.sock""#, any, a));
    let address = before.address();
    let admin = before.0.admin().unwrap();
    let (path, unix) = (files.path("take.sock"), files.path("in.sock"));
    let (is_over, asked) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let asking = tokio::spawn({
        let (is_over, asked) = (Arc::clone(&is_over), Arc::clone(&asked));
        async move {
            let mut last = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let mut tcp = TcpStream::connect(address).await.unwrap();
                let mut unix = UnixStream::connect(&unix).await.unwrap();
                last = vec![
                    talk(&mut tcp, "x").await.unwrap(),
                    talk(&mut unix, "x").await.unwrap(),
                ];
                asked.fetch_add(1, Ordering::Relaxed);
            }
            last
        }
    });
    let more = async |count: usize| {
        let enough = asked.load(Ordering::Relaxed) + count;
        while asked.load(Ordering::Relaxed) < enough {
            assert!(!asking.is_finished(), "somebody was refused");
            sleep(Duration::from_millis(5)).await;
        }
    };
    more(5).await;

    // One that does not name all of the sockets does not start, and what runs goes on.
    let less = files.config(&text(r#""unix:@/in.sock""#, any, b));
    let error = start(less, path.clone()).await.unwrap_err().to_string();
    assert!(
        error.contains("a socket was passed that listens on 127.0.0.1:"),
        "{error}"
    );
    assert!(
        timeout(Duration::from_millis(200), before.0.taken_over())
            .await
            .is_err()
    );
    more(5).await;

    let same = format!(r#""{address}", "unix:@/in.sock""#);
    let config = files.config(&text(&same, &admin.to_string(), b));
    let next = Running(start(config, path.clone()).await.unwrap());
    assert_eq!(next.address(), address);
    timeout(Duration::from_secs(10), before.0.taken_over())
        .await
        .expect("it has heard that");
    more(5).await;
    assert_eq!(before.0.drain().await, 0);
    more(5).await;
    for _ in 0..5 {
        assert_eq!(get(admin, "/ready").await.0, "HTTP/1.1 200 OK");
    }
    is_over.store(true, Ordering::Relaxed);
    assert_eq!(asking.await.unwrap(), ["b:x", "b:x"]);

    // The next one finds this one there, and at its end nobody listens any more.
    let config = files.config(&text(&same, &admin.to_string(), a));
    let last = start(config, path.clone()).await.unwrap();
    next.0.taken_over().await;
    next.0.drain().await;
    last.drain().await;
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let config = files.config(&text(&same, &admin.to_string(), a));
    assert!(Inherited::take_over(&path, &config).is_err());
}

#[tokio::test]
async fn what_changes_in_a_file_is_found_and_what_is_touched_is_not() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    let folder = format!("{}/", files.path("").display());
    let before = "version = 1\nlog = { access = \"off\" }\nreload = { watch = \"20ms\" }";
    let text = terminating(before, "127.0.0.1:1", "").replace("@/", &folder);
    files.write("proxy.toml", &text);
    let path = files.path("proxy.toml");
    let proxy = Proxy::start(Config::load(&path).unwrap()).unwrap();
    let found = async |within| {
        let changed = timeout(Duration::from_millis(within), proxy.files_changed(&path));
        changed.await.is_ok()
    };
    assert!(!found(300).await);
    files.write("proxy.toml", &text);
    assert!(!found(300).await, "it was touched");
    files.server("one", &["one.test"]);
    assert!(found(10_000).await, "another certificate");
    assert!(!found(300).await, "that was said");
    files.write("proxy.toml", &format!("{text}\n"));
    assert!(found(10_000).await, "another text");
    // What one names that is refused is watched too: it may be refused for that, and be right as soon as it is there.
    let other = text
        .replace("one.pem", "two.pem")
        .replace("one.key", "two.key");
    files.write("proxy.toml", &other);
    assert!(found(10_000).await, "a text that is refused");
    Config::load(&path).unwrap_err();
    assert!(!found(300).await, "that was said");
    files.server("two", &["one.test"]);
    assert!(found(10_000).await, "what it was refused for");
    Config::load(&path).unwrap();
    files.server("one", &["one.test"]);
    assert!(found(10_000).await, "what runs has another certificate");
    // Without the key nothing is watched.
    let text = text.replace("reload = { watch = \"20ms\" }", "");
    files.write("proxy.toml", &text);
    proxy.reload(Config::load(&path).unwrap()).await.unwrap();
    files.write("proxy.toml", &format!("{text}\n"));
    assert!(!found(300).await, "it is not watched");
}

#[tokio::test]
async fn proxies_with_one_file_open_each_others_tickets() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    let back = echo("a").await;
    let write = |byte: u8| {
        let secrets = [[byte; 48], [byte + 100; 48]].concat();
        std::fs::write(files.path("tickets"), secrets).unwrap();
    };
    let with = |tickets: &str| terminating(tickets, back, "");
    write(1);
    let shared = with("tickets = { file = \"@/tickets\" }");
    let proxies = [
        files.start(&shared),
        files.start(&shared),
        files.start(&with("")),
    ];
    let connector = files.connector(&[]);
    let resumed = async |proxy: &Running| {
        let mut stream = connect(&connector, proxy.address(), "one.test")
            .await
            .unwrap();
        talk(&mut stream, "x").await.unwrap();
        stream.is_resumed()
    };
    assert!(!resumed(&proxies[0]).await);
    assert!(resumed(&proxies[1]).await);
    assert!(!resumed(&proxies[2]).await, "it has keys of its own");
    assert!(
        !resumed(&proxies[0]).await,
        "of which this one knows nothing"
    );
    // The file is read again with the rest.
    write(2);
    proxies[1].0.reload(files.config(&shared)).await.unwrap();
    assert!(!resumed(&proxies[1]).await);
}
