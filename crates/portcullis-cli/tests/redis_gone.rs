//! A Redis that goes away and comes back, as a server says it. `apt-get install redis-server`

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use support::{Certificates, Server, client};

struct Redis(Child);

impl Redis {
    fn start(socket: &str) -> Self {
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--unixsocket", socket]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let redis = Self(child.expect("redis-server is in Debian's package redis-server"));
        let end = Instant::now() + Duration::from_secs(30);
        while std::os::unix::net::UnixStream::connect(socket).is_err() {
            assert!(Instant::now() < end, "redis-server does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        redis
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Once when it is gone, whoever comes then, and once when it is there again.
#[test]
fn a_redis_that_is_gone_is_said_once() {
    let made = Certificates::make();
    let (socket, key) = (made.path("redis.sock"), made.path("store-key"));
    std::fs::write(&key, [7; 32]).unwrap();
    let redis = Redis::start(&socket);
    let place = format!("unix://{socket}");
    let store = ["--store", &place, "--store-key", &key, "--early-data"];
    let mut server = Server::start(&[&made.server()[..], &store].concat());
    let said = BufReader::new(server.child.stderr.take().unwrap());
    let (say, lines) = channel();
    std::thread::spawn(move || {
        for line in said.lines() {
            let _ = say.send(line.unwrap());
        }
    });
    let next = || {
        let line = lines.recv_timeout(Duration::from_secs(30));
        line.expect("a line in time")
    };
    let line = next();
    let (begin, end) = (
        "portcullis: --store: no early data is accepted for ",
        " s more: Redis has just begun to remember which was",
    );
    let left = line
        .strip_prefix(begin)
        .and_then(|line| line.strip_suffix(end));
    let left: u32 = left.expect("a sentence").parse().unwrap();
    assert!((70..=82).contains(&left), "{line}");
    drop(redis);
    let line = next();
    assert!(
        line.starts_with("portcullis: --store: Redis: ")
            && line.ends_with("; until it is there again no sessions are kept"),
        "{line}"
    );
    for _ in 0..5 {
        let output = client(&[&*server.address, "--cafile", &made.ca], b"x");
        assert_eq!(output.stdout, b"x", "{output:?}");
    }
    std::thread::sleep(Duration::from_millis(2_500));
    assert!(lines.try_recv().is_err(), "it is said once");
    let _ = std::fs::remove_file(&socket);
    let _redis = Redis::start(&socket);
    assert_eq!(next(), "portcullis: --store: Redis is there again");
}
