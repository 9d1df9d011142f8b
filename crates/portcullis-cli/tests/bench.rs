//! The bench against its own server, and against servers that do not do as they should.

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Output};

use serde_json::Value;
use support::{Certificates, Server, portcullis, printed, run, sentence};

/// A server that runs until it is dropped.
struct Served {
    child: Child,
    address: String,
}

impl Served {
    fn start(made: &Certificates, more: &[&str]) -> Self {
        let mut command = portcullis(&["bench", "serve", "--listen", "127.0.0.1:0"]);
        let mut child = command.args(made.server()).args(more).spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.as_mut().unwrap());
        stdout.read_line(&mut line).unwrap();
        let address = line.strip_prefix("READY ").expect("READY first").trim();
        Self {
            address: address.to_owned(),
            child,
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Short, as a test has to be.
const SHORT: [&str; 6] = ["--warm-up", "0.2", "--duration", "0.5", "--rounds", "2"];

fn bench(mode: &str, address: &str, made: &Certificates, more: &[&str]) -> Output {
    let fixed = ["bench", mode, address, "--cafile", &made.ca, "--json"];
    run(&[&fixed[..], more].concat())
}

fn measured(mode: &str, address: &str, made: &Certificates, more: &[&str]) -> Value {
    let output = bench(mode, address, made, more);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    let facts: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(facts["schema"], "portcullis.bench/1");
    assert_eq!(facts["mode"], mode);
    assert_eq!(facts["verified"], true);
    assert_eq!(facts["failed"], 0, "{facts}");
    facts
}

/// The numbers of the rounds and of the histogram are those of the same operations.
fn is_consistent(facts: &Value) -> u64 {
    let rounds = facts["rounds"].as_array().unwrap();
    assert_eq!(rounds.len(), 2);
    let operations = |round: &Value| round["operations"].as_u64().unwrap();
    let sum: u64 = rounds.iter().map(operations).sum();
    assert!(rounds.iter().all(|round| operations(round) > 0), "{facts}");
    let recorded = facts["histogram_us"].as_array().unwrap();
    let recorded: u64 = recorded.iter().map(|step| step[1].as_u64().unwrap()).sum();
    assert_eq!(recorded, sum);
    let latency = &facts["latency_us"];
    let order = ["min", "p50", "p90", "p99", "p99.9", "p99.99", "max"];
    let order = order.map(|name| latency[name].as_u64().unwrap());
    assert!(order.is_sorted() && order[0] > 0, "{latency}");
    let median = facts["per_second"]["median"].as_f64().unwrap();
    let (least, most) = (&facts["per_second"]["least"], &facts["per_second"]["most"]);
    assert!(least.as_f64().unwrap() <= median && median <= most.as_f64().unwrap());
    sum
}

#[test]
fn handshakes_full_resumed_and_with_early_data() {
    let made = Certificates::make();
    let server = Served::start(&made, &["--early-data"]);
    for (more, kind, resumes) in [
        (&[][..], "full", false),
        (&["--resume"], "resumed", true),
        (&["--resume", "--tls", "1.2"], "resumed", true),
        (&["--early-data", "100"], "early data", true),
        (&["--exchange", "1000"], "full", false),
        (&["--resume", "--exchange", "64"], "resumed", true),
        (&["--connections", "6", "--workers", "2"], "full", false),
    ] {
        let facts = measured(
            "handshake",
            &server.address,
            &made,
            &[&SHORT, more].concat(),
        );
        let operations = is_consistent(&facts);
        assert_eq!(facts["settings"]["kind"], kind);
        let rounds = facts["rounds"].as_array().unwrap();
        let resumed: u64 = rounds
            .iter()
            .map(|round| round["resumed"].as_u64().unwrap())
            .sum();
        assert_eq!(
            resumed,
            if resumes { operations } else { 0 },
            "{more:?}: {facts}"
        );
        assert_eq!(facts["loop"], "closed");
        if cfg!(unix) {
            assert!(
                rounds
                    .iter()
                    .all(|round| round["processor_us"].as_u64().unwrap() > 0)
            );
        }
    }
}

#[test]
fn a_rate_is_kept() {
    let made = Certificates::make();
    let server = Served::start(&made, &[]);
    let load = [
        "--rate",
        "40",
        "--connections",
        "4",
        "--workers",
        "2",
        "--duration",
        "1",
    ];
    let facts = measured(
        "pingpong",
        &server.address,
        &made,
        &[&SHORT[..2], &["--rounds", "2"], &load].concat(),
    );
    let operations = is_consistent(&facts);
    assert_eq!(facts["loop"], "open");
    // 40 are due in each of two seconds, and the last of a round may fall into the next: on a busy machine all of the
    // eight that are due in the warm-up.
    assert!((70..=89).contains(&operations), "{facts}");
}

#[test]
fn messages_come_back() {
    let made = Certificates::make();
    let server = Served::start(&made, &[]);
    for size in ["1", "64", "64KiB"] {
        let facts = measured(
            "pingpong",
            &server.address,
            &made,
            &[&SHORT[..], &["--size", size]].concat(),
        );
        let operations = is_consistent(&facts);
        let bytes = facts["settings"]["size"].as_u64().unwrap();
        let rounds = facts["rounds"].as_array().unwrap();
        for direction in ["bytes_sent", "bytes_received"] {
            let sum: u64 = rounds
                .iter()
                .map(|round| round[direction].as_u64().unwrap())
                .sum();
            assert_eq!(sum, operations * bytes);
        }
    }
}

#[test]
fn bytes_flow_up_down_and_both_ways() {
    let made = Certificates::make();
    for (service, direction, goes) in [
        ("discard", "up", [true, false]),
        ("echo", "up", [true, false]),
        ("source", "down", [false, true]),
        ("echo", "both", [true, true]),
    ] {
        let server = Served::start(&made, &["--service", service]);
        let more = [
            "--direction",
            direction,
            "--write-size",
            "16KiB",
            "--connections",
            "2",
        ];
        let facts = measured(
            "throughput",
            &server.address,
            &made,
            &[&SHORT[..], &more].concat(),
        );
        is_consistent(&facts);
        for round in facts["rounds"].as_array().unwrap() {
            let flows =
                ["bytes_sent", "bytes_received"].map(|name| round[name].as_u64().unwrap() > 0);
            assert_eq!(flows, goes, "{service} {direction}: {round}");
        }
        assert!(facts["bytes_per_second"]["median"].as_f64().unwrap() > 1e5);
    }
}

/// Not the one number of what went up: that is half of the truth.
#[test]
fn where_nothing_comes_back_both_ways_have_failed() {
    let made = Certificates::make();
    let server = Served::start(&made, &["--service", "discard"]);
    let both = [&SHORT[..], &["--direction", "both"]].concat();
    let fixed = ["bench", "throughput", &server.address, "--cafile", &made.ca];
    let output = run(&[&fixed[..], &both].concat());
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(text.contains(" sent, 0.0 back)"), "{text}");
    assert!(text.contains("\nback:   0.0 MB/s (0.0 to 0.0)\n"), "{text}");
    assert!(text.contains("), both directions together\n"), "{text}");
    let said = sentence(output, 4);
    assert!(said.contains("nothing came back"), "{said}");
    assert!(said.contains("--service echo"), "{said}");
    let facts = bench("throughput", &server.address, &made, &both);
    let facts: Value = serde_json::from_slice(&facts.stdout).unwrap();
    let median = |name: &str| facts[name]["median"].as_f64().unwrap();
    assert!(median("bytes_sent_per_second") > 1e5, "{facts}");
    assert_eq!(median("bytes_received_per_second"), 0.0, "{facts}");
    // What echoes has something of both, and one direction is not told twice.
    let server = Served::start(&made, &[]);
    for (direction, is_told) in [("both", true), ("up", false)] {
        let more = [&SHORT[..], &["--direction", direction]].concat();
        let fixed = ["bench", "throughput", &server.address, "--cafile", &made.ca];
        let text = printed(run(&[&fixed[..], &more].concat()));
        assert_eq!(text.contains("\nback:   "), is_told, "{text}");
        assert!(!text.contains("back:   0.0 MB/s"), "{text}");
    }
}

/// A longer time would not help.
#[test]
fn a_server_that_does_something_else_is_asked_about() {
    let made = Certificates::make();
    for (service, mode, more, asked) in [
        (
            "echo",
            "throughput",
            &["--direction", "down"][..],
            "nothing came: does the server send by itself, as `bench serve --service source` does?",
        ),
        (
            "discard",
            "pingpong",
            &[],
            "no message came back: does the server echo, as `bench serve --service echo` does?",
        ),
    ] {
        let server = Served::start(&made, &["--service", service]);
        let more = [&SHORT[..], more].concat();
        let said = sentence(bench(mode, &server.address, &made, &more), 4);
        assert!(said.contains(asked), "{said}");
        // The same where nothing is so late that it has failed.
        let more = [&more[..], &["--max-failures", "10"]].concat();
        let said = sentence(bench(mode, &server.address, &made, &more), 4);
        assert!(said.starts_with(&format!("portcullis: {asked}")), "{said}");
    }
}

#[test]
fn connections_are_held_and_counted_when_they_are_lost() {
    let made = Certificates::make();
    let mut server = Served::start(&made, &[]);
    let hold = [
        "--connections",
        "100",
        "--exchange",
        "64",
        "--duration",
        "0.5",
    ];
    let facts = measured("hold", &server.address, &made, &hold);
    for (name, number) in [("opened", 100), ("kept", 100), ("lost", 0)] {
        assert_eq!(facts[name], number, "{facts}");
    }
    assert!(facts["latency_us"]["p50"].as_u64().unwrap() > 0);
    if cfg!(target_os = "linux") {
        let each = facts["resident_bytes_each"].as_u64().unwrap();
        assert!((1_000..1_000_000).contains(&each), "{each}");
    }
    // A server that is gone in the midst loses them all.
    let address = server.address.clone();
    let mut command = portcullis(&["bench", "hold", &address, "--cafile", &made.ca, "--json"]);
    let child = command
        .args(["--connections", "10", "--duration", "3"])
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    server.child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let facts: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&facts["opened"], &facts["kept"], &facts["lost"]),
        (&10.into(), &0.into(), &10.into())
    );
    let said = sentence(output, 4);
    assert!(said.contains("10 failures (--max-failures 0)"), "{said}");
    assert!(facts["failures"][0]["reason"].as_str().unwrap().len() > 10);
}

#[test]
fn what_fails_is_counted_by_its_reason() {
    let made = Certificates::make();
    // Full handshakes where resumed ones are measured are failures, unless they may be.
    let server = Served::start(&made, &["--no-tickets"]);
    let resumed = [&SHORT[..], &["--resume"]].concat();
    let output = bench("handshake", &server.address, &made, &resumed);
    let facts: Value = serde_json::from_slice(&output.stdout).unwrap();
    let failure = &facts["failures"][0];
    let none = "the session was not resumed: the server has given none";
    assert_eq!(failure["reason"], none);
    assert!(failure["count"].as_u64().unwrap() > 10, "{facts}");
    // Of nothing that was done there are no times.
    assert!(facts["latency_us"].is_null(), "{facts}");
    sentence(output, 4);
    let allowed = [&resumed[..], &["--allow-full"]].concat();
    is_consistent(&measured("handshake", &server.address, &made, &allowed));
    let allowed = [&resumed[..], &["--max-failures", "1000000"]].concat();
    let said = sentence(bench("handshake", &server.address, &made, &allowed), 4);
    assert!(said.contains("a round without connections"), "{said}");
    // No early data without tickets that allow it.
    let early = [&SHORT[..], &["--early-data", "64"]].concat();
    let output = bench("handshake", &server.address, &made, &early);
    let facts: Value = serde_json::from_slice(&output.stdout).unwrap();
    let reason = facts["failures"][0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("early data was not sent"), "{reason}");
    sentence(output, 4);
    // A server that does not echo.
    let server = Served::start(&made, &["--service", "source"]);
    let output = bench("pingpong", &server.address, &made, &SHORT);
    let facts: Value = serde_json::from_slice(&output.stdout).unwrap();
    let reason = facts["failures"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("does not echo"), "{reason}");
    sentence(output, 4);
    let server = Served::start(&made, &["--service", "discard"]);
    let late = [
        "--timeout",
        "1",
        "--duration",
        "1",
        "--warm-up",
        "0",
        "--rounds",
        "2",
    ];
    let output = bench("pingpong", &server.address, &made, &late);
    let facts: Value = serde_json::from_slice(&output.stdout).unwrap();
    let reason = facts["failures"][0]["reason"].as_str().unwrap();
    assert_eq!(reason, "nothing within 1 s (--timeout)");
    sentence(output, 4);
}

#[test]
fn who_is_refused_after_the_handshake_has_failed() {
    let made = Certificates::make();
    let server = [
        &made.server()[..],
        &["--client-auth", "required", "--cafile", &made.ca],
    ]
    .concat();
    let server = Server::start(&server);
    let shows = ["--cert", &made.client_cert, "--key", &made.client_key];
    for version in ["1.3", "1.2"] {
        let of = [&SHORT[..], &["--tls", version]].concat();
        for mode in ["handshake", "pingpong"] {
            let facts = measured(mode, &server.address, &made, &[&of[..], &shows].concat());
            is_consistent(&facts);
            // In TLS 1.3 the client's handshake is over before the server has looked.
            let said = sentence(
                bench(mode, &server.address, &made, &of),
                if version == "1.3" { 5 } else { 4 },
            );
            assert!(
                said.contains("certificate_required") || said.contains("handshake_failure"),
                "{said}"
            );
        }
    }
    let alone = bench(
        "handshake",
        &server.address,
        &made,
        &["--key", &made.client_key],
    );
    assert_eq!(alone.status.code(), Some(2));
    let missing = ["--cert", "/nowhere"];
    sentence(bench("handshake", &server.address, &made, &missing), 2);
}

/// Where the threads of the bench may run.
#[cfg(target_os = "linux")]
fn allowed(process: u32) -> Vec<String> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let read = |path: std::path::PathBuf, name| {
        std::fs::read_to_string(path.join(name)).unwrap_or_default()
    };
    let paths = threads.map(|thread| thread.unwrap().path());
    let workers = paths.filter(|path| read(path.clone(), "comm").trim() == "bench");
    let line = |status: String| {
        let mut lines = status.lines();
        let list = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        list.map(|list| list.trim().to_owned())
    };
    workers
        .filter_map(|path| line(read(path, "status")))
        .collect()
}

#[cfg(target_os = "linux")]
#[test]
fn threads_are_bound_to_processors() {
    let made = Certificates::make();
    let server = Served::start(&made, &[]);
    let fixed = [
        "bench",
        "handshake",
        &server.address,
        "--cafile",
        &made.ca,
        "--json",
    ];
    let load = [
        "--pin",
        "--warm-up",
        "0",
        "--duration",
        "1",
        "--rounds",
        "1",
    ];
    let mut child = portcullis(&[&fixed[..], &load].concat()).spawn().unwrap();
    // Until it is over: nobody knows when it begins.
    let seen = loop {
        let seen = allowed(child.id());
        let is_bound = |list: &String| list.parse::<usize>().is_ok();
        if seen.iter().any(is_bound) || child.try_wait().unwrap().is_some() {
            break seen;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    };
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(
        seen.len() == 1 && seen[0].parse::<usize>().is_ok(),
        "{seen:?}"
    );
    let facts: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(facts["load"]["pinned"], true);
    // More than there are is no binding of each to its own.
    let many = ["--pin", "--workers", "64", "--connections", "64"];
    let usable = std::thread::available_parallelism().unwrap().get();
    if usable < 64 {
        let said = sentence(bench("handshake", &server.address, &made, &many), 2);
        assert!(said.contains("--pin: --workers 64 have only"), "{said}");
    }
}

#[test]
fn what_cannot_begin_is_one_sentence() {
    let made = Certificates::make();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap().to_string();
    drop(nobody);
    let said = sentence(bench("handshake", &address, &made, &SHORT), 1);
    assert!(said.contains("connecting to"), "{said}");
    let server = Served::start(&made, &[]);
    // Verification is on.
    for mode in ["handshake", "throughput", "pingpong", "hold"] {
        sentence(run(&["bench", mode, &server.address]), 3);
    }
    let more = [
        "--insecure",
        "--json",
        "--connections",
        "1",
        "--duration",
        "0.1",
    ];
    let insecure = printed(run(
        &[&["bench", "hold", &server.address][..], &more].concat()
    ));
    assert!(insecure.contains(r#""verified":false"#), "{insecure}");
    let said = sentence(
        bench("pingpong", &server.address, &made, &["--workers", "2"]),
        2,
    );
    assert!(said.contains("have only --connections 1"), "{said}");
    // What speaks no TLS, and what says nothing.
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = plain.local_addr().unwrap().to_string();
    let thread = std::thread::spawn(move || {
        let (mut io, _) = plain.accept().unwrap();
        let _ = io.write_all(b"220 hello\r\n");
        let _ = io.read_to_end(&mut Vec::new());
        let (io, _) = plain.accept().unwrap();
        std::thread::sleep(std::time::Duration::from_secs(2));
        drop(io);
    });
    sentence(bench("handshake", &address, &made, &SHORT), 4);
    sentence(bench("handshake", &address, &made, &["--timeout", "1"]), 6);
    thread.join().unwrap();
}

#[test]
fn results_for_people_say_what_was_measured() {
    let made = Certificates::make();
    let server = Served::start(&made, &[]);
    let says = |mode: &str, more: &[&str]| {
        let fixed = ["bench", mode, &server.address, "--cafile", &made.ca];
        printed(run(&[&fixed[..], &SHORT, more].concat()))
    };
    let text = says("handshake", &[]);
    for part in [
        "TLSv1.3, ",
        "X25519MLKEM768, certificates verified\n",
        "1 connection, 1 thread; the next begins when one has ended",
        "\nround 2: ",
        "\nmedian: ",
        "in µs: p50 ",
        ", p99.99 ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("failure"), "{text}");
    assert!(says("throughput", &["--direction", "both"]).contains(" MB/s"));
    assert!(says("pingpong", &["--rate", "50"]).contains("50 messages are due in a second"));
}

#[test]
fn what_stands_behind_a_proxy_speaks_no_tls() {
    let plain = |service: &str| {
        let arguments = ["--plain", "--listen", "127.0.0.1:0", "--service", service];
        let mut child = portcullis(&["bench", "serve"])
            .args(arguments)
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.as_mut().unwrap());
        stdout.read_line(&mut line).unwrap();
        let address = line.strip_prefix("READY ").expect("READY first").trim();
        Served {
            address: address.to_owned(),
            child,
        }
    };
    let end = |io: &std::net::TcpStream| io.shutdown(std::net::Shutdown::Write).unwrap();

    let served = plain("echo");
    let mut io = std::net::TcpStream::connect(&served.address).unwrap();
    io.write_all(b"there and back").unwrap();
    end(&io);
    let mut all = Vec::new();
    io.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"there and back");

    let served = plain("discard");
    let mut io = std::net::TcpStream::connect(&served.address).unwrap();
    io.write_all(&[7; 100_000]).unwrap();
    end(&io);
    assert_eq!(io.read_to_end(&mut all).unwrap(), 0);

    // Sends by itself, until it is told that this is enough.
    let served = plain("source");
    let mut io = std::net::TcpStream::connect(&served.address).unwrap();
    let mut some = vec![0; 1 << 20];
    io.read_exact(&mut some).unwrap();
    assert!(some.iter().all(|byte| *byte == b'x'));
    end(&io);
    io.read_to_end(&mut all).unwrap();

    let output = run(&["bench", "serve", "--plain", "--no-tickets"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
