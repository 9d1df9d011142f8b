//! Servers that share sessions, and a replay guard, in a Redis.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Child;

use serde_json::Value;

use crate::support::{Certificates, Server, client, printed};
use crate::{program, ran};

/// Of what a Redis wants of everybody, with signs that mean something in a URL.
const PASSWORD: &str = "s/e:c r@e?t&+%";

/// A Redis that speaks TLS alone, with the certificate of the server, and wants a password. It is killed when dropped.
struct Redis {
    child: Child,
    port: String,
    ca: String,
    /// The file of the password.
    password: String,
}

impl Redis {
    fn start(made: &Certificates) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port().to_string();
        drop(free);
        let words = [
            ["--port", "0"],
            ["--tls-port", &port],
            ["--tls-cert-file", &made.cert],
            ["--tls-key-file", &made.key],
            ["--tls-ca-cert-file", &made.ca],
            ["--tls-auth-clients", "no"],
            ["--save", ""],
            ["--appendonly", "no"],
            ["--requirepass", PASSWORD],
        ];
        let mut child = program("redis-server", words.as_flattened())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        let is_ready = lines.any(|line| line.unwrap().contains("Ready to accept connections"));
        assert!(is_ready, "redis-server does not start");
        let password = made.path("password");
        fs::write(&password, format!("{PASSWORD}\n")).unwrap();
        Self {
            child,
            port,
            ca: made.ca.clone(),
            password,
        }
    }

    fn url(&self) -> String {
        format!("rediss://localhost:{}", self.port)
    }

    /// What `redis-cli` prints.
    fn command(&self, words: &[&str]) -> String {
        let fixed = [
            "-h",
            "localhost",
            "-p",
            &self.port,
            "--tls",
            "--cacert",
            &self.ca,
            "--no-auth-warning",
            "-a",
            PASSWORD,
        ];
        printed(ran(program("redis-cli", &[&fixed[..], words].concat())))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Connects once with what the file has, and keeps what comes: the facts, and what was said on standard error.
fn resumed(server: &Server, made: &Certificates, more: &[&str]) -> (Value, String) {
    let file = made.path("sessions");
    let fixed = [
        &*server.address,
        "--cafile",
        &made.ca,
        "--json",
        "--sess-out",
        &file,
    ];
    let kept = match fs::exists(&file).unwrap() {
        true => vec!["--sess-in", &file],
        false => Vec::new(),
    };
    let output = client(&[&fixed[..], &kept, more].concat(), b"hello");
    assert!(output.status.success(), "{output:?}");
    let line = output.stdout.split(|byte| *byte == b'\n').next().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (serde_json::from_slice(line).unwrap(), said)
}

/// `--store rediss://` with `--store-cafile`: two servers have the same sessions, of both versions.
#[test]
fn servers_share_sessions_in_a_redis_with_tls() {
    let made = Certificates::make();
    let redis = Redis::start(&made);
    let key = made.path("store.key");
    fs::write(&key, [7; 32]).unwrap();
    let url = redis.url();
    let store = [
        ["--store", &url],
        ["--store-key", &key],
        ["--store-password-file", &redis.password],
    ];
    let store = store.as_flattened();
    let trusting = [&made.server()[..], store, &["--store-cafile", &made.ca]].concat();
    let servers = [Server::start(&trusting), Server::start(&trusting)];
    for tls in ["1.3", "1.2"] {
        for round in 0..4 {
            let (facts, _) = resumed(&servers[round % 2], &made, &["--tls", tls]);
            assert_eq!(facts["resumed"], round > 0, "{tls}, {round}: {facts}");
        }
        fs::remove_file(made.path("sessions")).unwrap();
    }
    let size = redis.command(&["DBSIZE"]);
    assert_ne!(size.trim(), "0");
    // Who does not trust Redis's authority says so, and serves without sessions.
    let other = Certificates::make();
    let doubting = [&made.server()[..], store, &["--store-cafile", &other.ca]].concat();
    let mut server = Server::start(&doubting);
    for _ in 0..2 {
        let (facts, _) = resumed(&server, &made, &["--tls", "1.3"]);
        assert_eq!(facts["resumed"], false, "{facts}");
    }
    assert_eq!(redis.command(&["DBSIZE"]), size);
    server.child.kill().unwrap();
    let mut said = String::new();
    let mut stderr = server.child.stderr.take().unwrap();
    stderr.read_to_string(&mut said).unwrap();
    assert!(
        said.contains("--store: ") && said.contains("certificate"),
        "{said}"
    );
}

/// `--replay-guard rediss://`: nothing is accepted until the marker of the guard is as old as a claim may be, which
/// `redis-cli` sees to.
#[test]
fn servers_share_a_replay_guard_in_a_redis_with_tls() {
    let made = Certificates::make();
    let redis = Redis::start(&made);
    let (seed, data) = (made.path("seed"), made.path("early"));
    fs::write(&seed, [7; 48]).unwrap();
    fs::write(&data, "first").unwrap();
    let url = redis.url();
    let guarded = [
        ["--ticket-seed", &seed],
        ["--early-data", "100"],
        ["--replay-guard", &url],
        ["--store-cafile", &made.ca],
        ["--store-password-file", &redis.password],
    ];
    let guarded = [&made.server()[..], guarded.as_flattened()].concat();
    let start = || [Server::start(&guarded), Server::start(&guarded)];
    let servers = start();
    let early = ["--early-data", &data];
    resumed(&servers[0], &made, &[]);
    let (facts, _) = resumed(&servers[1], &made, &early);
    assert_eq!(facts["resumed"], true, "{facts}");
    assert_eq!(facts["early_data"], "rejected", "{facts}");
    let marker = redis.command(&["KEYS", "*since"]);
    let (marker, century) = (marker.trim(), 100 * 365 * 24 * 3_600 * 1_000_u64);
    let left = (century - 600_000).to_string();
    assert_eq!(redis.command(&["PEXPIRE", marker, &left]).trim(), "1");
    // Who has seen it younger takes this for a clock that was set, and begins anew: others open the same tickets.
    drop(servers);
    let servers = start();
    for round in 0..3 {
        let (facts, _) = resumed(&servers[round % 2], &made, &early);
        assert_eq!(facts["early_data"], "accepted", "{round}: {facts}");
    }
    // The marker, and a claim for each that was accepted, and for the one that was not.
    assert_eq!(redis.command(&["DBSIZE"]).trim(), "5");
}
