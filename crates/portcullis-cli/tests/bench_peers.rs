//! The bench against OpenSSL's server. `apt-get install openssl`

mod support;

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use support::{Certificates, run};

struct OpenSsl {
    child: Child,
    address: String,
}

impl OpenSsl {
    fn start(made: &Certificates, more: &[&str]) -> Self {
        let port = {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port()
        };
        let mut command = Command::new("openssl");
        let accept = format!("127.0.0.1:{port}");
        let fixed = ["s_server", "-quiet", "-accept", &accept];
        let fixed = [
            &fixed[..],
            &["-cert_chain", &made.ca],
            &["-cert", &made.cert, "-key", &made.key],
        ]
        .concat();
        let child = command
            .args(fixed)
            .args(more)
            // At its end the server ends, too.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            child,
            address: accept,
        };
        for _ in 0..200 {
            if TcpStream::connect(&server.address).is_ok() {
                return server;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("openssl s_server does not listen");
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn measured(mode: &str, server: &OpenSsl, made: &Certificates, more: &[&str]) -> Value {
    let fixed = [
        "bench",
        mode,
        &server.address,
        "--cafile",
        &made.ca,
        "--json",
    ];
    let short = ["--duration", "0.5"];
    let output = run(&[&fixed[..], &short, more].concat());
    assert!(output.status.success(), "{mode} {more:?}: {output:?}");
    let facts: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(facts["failed"], 0, "{facts}");
    facts
}

const ROUNDS: [&str; 4] = ["--warm-up", "0.1", "--rounds", "2"];

/// How much there was of something in all rounds; at least one of it in each.
fn sum(facts: &Value, name: &str) -> u64 {
    let rounds = facts["rounds"].as_array().unwrap();
    let values: Vec<_> = rounds
        .iter()
        .map(|round| round[name].as_u64().unwrap())
        .collect();
    assert!(values.iter().all(|value| *value > 0), "{name}: {facts}");
    values.iter().sum()
}

#[test]
fn openssl_shakes_hands_in_every_way() {
    let made = Certificates::make();
    for version in ["1.3", "1.2"] {
        let server = OpenSsl::start(&made, &[]);
        let options = [&ROUNDS[..], &["--tls", version]].concat();
        let facts = measured("handshake", &server, &made, &options);
        assert_eq!(facts["agreed"]["version"], format!("TLSv{version}"));
        assert!(sum(&facts, "operations") > 0);
        assert_eq!(facts["rounds"][0]["resumed"], 0);
        let facts = measured(
            "handshake",
            &server,
            &made,
            &[&options[..], &["--resume"]].concat(),
        );
        assert_eq!(sum(&facts, "operations"), sum(&facts, "resumed"));
    }
    let server = OpenSsl::start(&made, &["-early_data", "-max_early_data", "4096"]);
    let early = [&ROUNDS[..], &["--early-data", "64"]].concat();
    let facts = measured("handshake", &server, &made, &early);
    assert_eq!(sum(&facts, "operations") * 64, sum(&facts, "bytes_sent"));
    // A server that gives no tickets is seen to give none.
    let server = OpenSsl::start(&made, &["-num_tickets", "0"]);
    let fixed = ["bench", "handshake", &server.address, "--cafile", &made.ca];
    let output = run(&[
        &fixed[..],
        &ROUNDS,
        &["--duration", "0.3", "--resume", "--json"],
    ]
    .concat());
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let facts: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        facts["failures"][0]["reason"],
        "the session was not resumed: the server has given none"
    );
}

#[test]
fn openssl_answers_reads_and_is_held() {
    let made = Certificates::make();
    // It turns lines around.
    let server = OpenSsl::start(&made, &["-rev"]);
    let facts = measured(
        "pingpong",
        &server,
        &made,
        &[&ROUNDS[..], &["--size", "100"]].concat(),
    );
    assert_eq!(
        sum(&facts, "operations") * 100,
        sum(&facts, "bytes_received")
    );
    let facts = measured(
        "hold",
        &server,
        &made,
        &["--connections", "1", "--exchange", "64"],
    );
    assert_eq!((&facts["kept"], &facts["lost"]), (&1.into(), &0.into()));
    // It reads, and prints to nowhere.
    let server = OpenSsl::start(&made, &[]);
    let facts = measured(
        "throughput",
        &server,
        &made,
        &[&ROUNDS[..], &["--write-size", "16KiB"]].concat(),
    );
    assert!(sum(&facts, "bytes_sent") > 1_000_000);
    // One after the other is served; who has to wait for longer than may be is a failure that is told.
    let server = OpenSsl::start(&made, &["-rev"]);
    let fixed = [
        "bench",
        "hold",
        &server.address,
        "--cafile",
        &made.ca,
        "--json",
    ];
    let two = ["--connections", "2", "--duration", "0.5", "--timeout", "1"];
    let output = run(&[&fixed[..], &two].concat());
    let facts: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (output.status.code(), &facts["opened"]),
        (Some(4), &1.into())
    );
    let reason = facts["failures"][0]["reason"].as_str().unwrap();
    assert!(
        reason.contains("timed out") || reason.contains("within"),
        "{reason}"
    );
}

#[test]
fn openssl_refuses_who_shows_no_certificate() {
    let made = Certificates::make();
    let asks = ["-Verify", "3", "-CAfile", &made.ca, "-verify_return_error"];
    let shows = ["--cert", &made.client_cert, "--key", &made.client_key];
    for version in ["1.3", "1.2"] {
        let server = OpenSsl::start(&made, &asks);
        let of = [&ROUNDS[..], &["--tls", version]].concat();
        let facts = measured("handshake", &server, &made, &[&of[..], &shows].concat());
        assert!(sum(&facts, "operations") > 0);
        let fixed = ["bench", "handshake", &server.address, "--cafile", &made.ca];
        let output = run(&[&fixed[..], &of, &["--duration", "0.3"]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(4 | 5)), "{output:?}");
        let alert = if version == "1.3" {
            "certificate_required"
        } else {
            "handshake_failure"
        };
        assert!(said.contains(alert), "{said}");
    }
}
