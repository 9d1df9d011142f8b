//! The command beside the programs that it has to get along with: OpenSSL, GnuTLS, curl, Python,
//! PostgreSQL, Redis, bash and man. `apt-get install openssl gnutls-bin curl python3 postgresql redis-server man-db`

mod support;

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use support::plain::{self, Plain, Step};
use support::{Certificates, Server, client, path, portcullis, printed, run, with_input};

fn program<A: AsRef<OsStr>>(name: &str, arguments: &[A]) -> Command {
    let mut command = Command::new(name);
    command
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn ran(mut command: Command) -> Output {
    let output = command.output();
    output.unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()))
}

#[test]
fn strict_verifiers_of_openssl_accept_what_is_made() {
    let made = Certificates::make();
    let verified = |purpose: &str, more: &[&str], file: &str| {
        let fixed = [
            "verify",
            "-x509_strict",
            "-policy_check",
            "-check_ss_sig",
            "-CAfile",
        ];
        let arguments = [&fixed[..], &[&made.ca, "-purpose", purpose], more, &[file]].concat();
        let output = ran(program("openssl", &arguments));
        output.status.success()
    };
    for more in [
        &["-verify_hostname", "localhost"],
        &["-verify_ip", "127.0.0.1"],
        &["-verify_ip", "::1"],
    ] {
        assert!(verified("sslserver", more, &made.cert), "{more:?}");
    }
    assert!(verified(
        "sslclient",
        &["-verify_email", "alice@a.test"],
        &made.client_cert
    ));
    assert!(verified("any", &[], &made.ca));
    // What it is not for is not accepted: the checks above can fail.
    assert!(!verified(
        "sslserver",
        &["-verify_hostname", "other.test"],
        &made.cert
    ));
    assert!(!verified("sslclient", &[], &made.cert));
    assert!(!verified("sslserver", &[], &made.client_cert));

    // A name that is too long for the subject leaves it empty; the names are critical then.
    let folder = tempfile::tempdir().unwrap();
    let long = format!("{0}.{0}.test", "a".repeat(40));
    let out = folder.path().to_str().unwrap();
    printed(run(&["cert", "dev", "--out", out, &long]));
    let (ca, cert) = (
        path(folder.path(), "ca.pem"),
        path(folder.path(), "cert.pem"),
    );
    let strict = [
        "verify",
        "-x509_strict",
        "-CAfile",
        &ca,
        "-verify_hostname",
        &long,
        &cert,
    ];
    assert!(ran(program("openssl", &strict)).status.success());

    // Names of each kind, whatever is first: a server is shown as a host, a client as what it is called first.
    let names = ["alice@a.test", "a.test", "127.0.0.1"];
    for (more, file, purpose, subject) in [
        (&[][..], "cert.pem", "sslserver", "subject=CN = a.test\n"),
        (
            &["--client"],
            "client.pem",
            "sslclient",
            "subject=CN = alice@a.test\n",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().to_str().unwrap();
        let made = [&["cert", "dev", "--out", out], more, &names[..]].concat();
        printed(run(&made));
        let (ca, cert) = (path(folder.path(), "ca.pem"), path(folder.path(), file));
        for name in [
            ["-verify_hostname", "a.test"],
            ["-verify_ip", "127.0.0.1"],
            ["-verify_email", "alice@a.test"],
        ] {
            let fixed = [
                "verify",
                "-x509_strict",
                "-purpose",
                purpose,
                "-CAfile",
                &ca,
            ];
            let output = ran(program("openssl", &[&fixed[..], &name, &[&cert]].concat()));
            assert!(output.status.success(), "{file}, {name:?}: {output:?}");
        }
        let shown = ["x509", "-in", &cert, "-noout", "-subject"];
        assert_eq!(printed(ran(program("openssl", &shown))), subject);
    }
}

#[test]
fn fingerprints_and_pins_are_those_of_openssl() {
    let made = Certificates::make();
    let text = printed(run(&["cert", "show", &made.cert]));
    let x509 = [
        "x509",
        "-in",
        &made.cert,
        "-noout",
        "-fingerprint",
        "-sha256",
    ];
    let printed_by_openssl = printed(ran(program("openssl", &x509)));
    let (_, fingerprint) = printed_by_openssl.trim().split_once('=').unwrap();
    assert!(text.contains(&fingerprint.to_lowercase()), "{text}");
    let serial = printed(ran(program(
        "openssl",
        &["x509", "-in", &made.cert, "-noout", "-serial"],
    )));
    let serial = serial.trim().trim_start_matches("serial=").to_lowercase();
    assert!(text.replace(':', "").contains(&serial), "{text}");
}

/// Verifies as Python 3.13 does by default.
const PYTHON: &str = r#"
import socket, ssl, sys
host, port, ca, cert, key = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
context.load_cert_chain(cert, key)
with socket.create_connection(("127.0.0.1", int(port)), timeout=20) as plain:
    with context.wrap_socket(plain, server_hostname=host) as tls:
        tls.sendall(b"hello")
        assert tls.recv(5) == b"hello"
        print(tls.version(), tls.getpeercert()["subject"])
"#;

#[test]
fn python_accepts_what_is_made_and_shows_what_is_made_for_a_client() {
    let made = Certificates::make();
    let mut arguments = made.server().to_vec();
    arguments.extend(["--client-auth", "required", "--cafile", &made.ca]);
    let server = Server::start(&arguments);
    for (host, accepted) in [
        ("localhost", true),
        ("127.0.0.1", true),
        ("other.test", false),
    ] {
        let arguments = [
            "-c",
            PYTHON,
            host,
            server.port(),
            &made.ca,
            &made.client_cert,
            &made.client_key,
        ];
        let output = ran(program("python3", &arguments));
        assert_eq!(output.status.success(), accepted, "{host}: {output:?}");
        if accepted {
            assert_eq!(
                printed(output),
                "TLSv1.3 ((('commonName', 'localhost'),),)\n"
            );
        }
    }
}

#[test]
fn curl_gets_pages_and_files() {
    let made = Certificates::make();
    let site = tempfile::tempdir().unwrap();
    let large = vec![b'x'; 300_000];
    fs::write(site.path().join("large"), &large).unwrap();
    let mut arguments = made.server().to_vec();
    arguments.extend(["--dir", site.path().to_str().unwrap()]);
    let files = Server::start(&arguments);
    let mut arguments = made.server().to_vec();
    arguments.push("--www");
    let www = Server::start(&arguments);

    // curl offers HTTP/2 by itself.
    let curl = |more: &[&str]| {
        let fixed = ["-sS", "--max-time", "20", "--cacert", &made.ca];
        ran(program("curl", &[&fixed[..], more].concat()))
    };
    let page = printed(curl(&[&format!("https://{}/", www.address)]));
    assert!(page.contains("ALPN:            http/1.1\n"), "{page}");
    let large_url = format!("https://{}/large", files.address);
    assert!(printed(curl(&[&large_url])).as_bytes() == large);
    let traversal = format!("https://{}/../../etc/passwd", files.address);
    let output = curl(&[
        "--path-as-is",
        "-w",
        "%{http_code}",
        "-o",
        "/dev/null",
        &traversal,
    ]);
    assert_eq!(printed(output), "404");

    // The pin that is shown is one that curl takes.
    let shown = printed(run(&["cert", "show", &made.cert, "--json"]));
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let pin = shown["certificates"][0]["spki_pin"].as_str().unwrap();
    printed(curl(&["--pinnedpubkey", pin, &large_url]));
    let output = curl(&["--pinnedpubkey", &pin.replace("//", "//A"), &large_url]);
    assert_eq!(output.status.code(), Some(90), "{output:?}");
}

#[test]
fn the_client_shows_what_openssl_serves() {
    let made = Certificates::make();
    let folder = &made.folder;
    // A chain of three, by OpenSSL, with an RSA key.
    let script = r#"
set -e
openssl req -x509 -newkey rsa:2048 -nodes -keyout r.key -out r.pem -days 30 -subj '/CN=root/O=Ä test' -utf8
openssl req -newkey ed25519 -nodes -keyout l.key -out l.csr -subj /CN=leaf
printf 'subjectAltName=DNS:leaf.test\nauthorityKeyIdentifier=keyid' > l.ext
openssl x509 -req -in l.csr -CA r.pem -CAkey r.key -out l.pem -days 10 -extfile l.ext
"#;
    let mut made_by_openssl = program("sh", &["-c", script]);
    made_by_openssl.current_dir(folder.path());
    printed(ran(made_by_openssl));
    let text = printed(run(&["cert", "show", &made.path("r.pem")]));
    assert!(text.contains("subject:   CN=root, O=Ä test\n"), "{text}");
    assert!(text.contains("key:       RSA 2048 bits\n"), "{text}");
    assert!(
        text.contains("signature: sha256WithRSAEncryption\n"),
        "{text}"
    );
    let der = made.path("l.der");
    let arguments = [
        "x509",
        "-in",
        &made.path("l.pem"),
        "-outform",
        "der",
        "-out",
        &der,
    ];
    printed(ran(program("openssl", &arguments)));
    let text = printed(run(&["cert", "show", &der]));
    assert!(
        text.contains("key:       Ed25519\n") && text.contains("names:     leaf.test\n"),
        "{text}"
    );
}

/// The servers of the tests of STARTTLS speak as OpenSSL's client expects it, so that what is
/// proved with them holds for servers.
#[test]
fn openssl_comes_to_tls_with_the_servers_of_these_tests() {
    let made = Certificates::make();
    for (protocol, mut script) in plain::honest() {
        script.push(Step::Tls);
        let server = Plain::start(&made, script, false);
        let address = format!("127.0.0.1:{}", server.port);
        let arguments = [
            "s_client",
            "-connect",
            &address,
            "-starttls",
            protocol,
            "-CAfile",
            &made.ca,
            "-verify_return_error",
            "-verify_hostname",
            "localhost",
            "-quiet",
            "-no_ign_eof",
        ];
        let output = with_input(program("openssl", &arguments), b"hello\n");
        let outcome = server.outcome();
        assert_eq!(outcome, plain::Outcome::Done, "{protocol}: {output:?}");
    }
}

/// A real PostgreSQL, as the user `nobody`, which it wants not to be root.
#[test]
fn postgresql_comes_to_tls() {
    let made = Certificates::make();
    let programs = fs::read_dir("/usr/lib/postgresql").expect("apt-get install postgresql");
    let newest = programs.map(|entry| entry.unwrap().path()).max().unwrap();
    let program_of = |name: &str| -> PathBuf { newest.join("bin").join(name) };
    let data = tempfile::Builder::new()
        .prefix("pg")
        .tempdir_in("/tmp")
        .unwrap();
    let folder = data.path().to_str().unwrap();
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port().to_string()
    };
    let script = format!(
        r#"
set -e
cd {folder}
{initdb} -D data -A trust -U tester > /dev/null
cat >> data/postgresql.conf <<END
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
ssl = on
ssl_cert_file = '{folder}/cert.pem'
ssl_key_file = '{folder}/key.pem'
END
{pg_ctl} -D data -w -l log start > /dev/null
"#,
        initdb = program_of("initdb").display(),
        pg_ctl = program_of("pg_ctl").display(),
    );
    for (from, to) in [(&made.cert, "cert.pem"), (&made.key, "key.pem")] {
        fs::copy(from, data.path().join(to)).unwrap();
    }
    let is_root = printed(ran(program("id", &["-u"]))).trim() == "0";
    let as_user = |script: &str| match is_root {
        true => {
            let all = ["-u", "nobody", "--", "sh", "-c", script];
            ran(program("runuser", &all))
        }
        false => ran(program("sh", &["-c", script])),
    };
    if is_root {
        let owned = ran(program("chown", &["-R", "nobody", folder]));
        assert!(owned.status.success(), "{owned:?}");
    }
    printed(as_user(&script));
    let url = format!("postgres://localhost:{port}");
    let route = [
        &url,
        "--resolve",
        "127.0.0.1",
        "--cafile",
        &made.ca,
        "--json",
    ];
    let on = client(&route, b"");
    printed(as_user(&format!(
        "cd {folder} && echo 'ssl = off' >> data/postgresql.conf && {0} -D data -w -l log restart \
         > /dev/null",
        program_of("pg_ctl").display()
    )));
    let off = client(&route, b"");
    let stopped = as_user(&format!(
        "cd {folder} && {} -D data -m immediate stop",
        program_of("pg_ctl").display()
    ));
    assert!(stopped.status.success(), "{stopped:?}");

    let facts: Value = serde_json::from_str(&printed(on)).unwrap();
    assert_eq!(facts["version"], "TLSv1.3");
    assert_eq!(facts["verdict"]["verified"], true);
    assert_eq!(off.status.code(), Some(4), "{off:?}");
    assert!(
        String::from_utf8_lossy(&off.stderr).contains("its option `ssl` is off"),
        "{off:?}"
    );
}

/// Runs a command on a terminal, and prints what it said there.
const TERMINAL: &str = r#"
import os, pty, sys
said = b""
def keep(descriptor):
    global said
    part = os.read(descriptor, 4096)
    said += part
    return part
quiet = ["sh", "-c", 'exec "$0" "$@" < /dev/null']
status = pty.spawn(quiet + sys.argv[1:], keep, lambda descriptor: b"")
sys.exit(os.waitstatus_to_exitcode(status))
"#;

#[test]
fn on_a_terminal_the_summary_is_there_by_itself() {
    let made = Certificates::make();
    let server = Server::start(&made.server());
    let on_terminal = |more: &[&str]| {
        let binary = env!("CARGO_BIN_EXE_portcullis");
        let fixed = [
            "-c",
            TERMINAL,
            binary,
            "client",
            &server.address,
            "--cafile",
            &made.ca,
        ];
        printed(ran(program("python3", &[&fixed[..], more].concat())))
    };
    let said = on_terminal(&[]);
    assert!(
        said.contains("verdict:         verified") && said.contains("subject:   CN=localhost"),
        "{said}"
    );
    // Who asks for JSON is a program.
    let said = on_terminal(&["--json"]);
    assert!(
        said.starts_with('{') && !said.contains("verdict:   "),
        "{said}"
    );
}

#[test]
fn bash_completes_and_man_shows() {
    let folder = tempfile::tempdir().unwrap();
    let script = path(folder.path(), "complete");
    fs::write(&script, printed(run(&["completions", "bash"]))).unwrap();
    let ask = r#"
set -e
. "$1"
COMP_WORDS=(portcullis client --starttls x); COMP_CWORD=3; COMP_WORDS[3]=
_portcullis portcullis '' --starttls
echo "${COMPREPLY[@]}"
COMP_WORDS=(portcullis cert ''); COMP_CWORD=2
_portcullis portcullis '' cert
echo "${COMPREPLY[@]}"
"#;
    let completed = printed(ran(program("bash", &["-c", ask, "ask", &script])));
    let lines: Vec<_> = completed.lines().collect();
    assert_eq!(lines[0], "smtp imap pop3 ftp ldap xmpp postgres mysql");
    assert!(
        lines[1].contains("dev") && lines[1].contains("show"),
        "{completed}"
    );

    let out = folder.path().to_str().unwrap();
    printed(run(&["man", "--out", out]));
    for name in [
        "portcullis",
        "portcullis-client",
        "portcullis-server",
        "portcullis-cert-show",
        "portcullis-bench-handshake",
        "portcullis-scan",
    ] {
        let page = path(folder.path(), &format!("{name}.1"));
        let shown = ran(program("man", &["--warnings", "-l", &page]));
        let complaints = String::from_utf8_lossy(&shown.stderr).into_owned();
        assert!(printed(shown).contains("SYNOPSIS"), "{name}");
        assert_eq!(complaints, "", "{name}");
    }
}

/// A server of OpenSSL at its terminal: what it has read, and what it says.
#[test]
fn openssl_renegotiates_at_a_command() {
    let made = Certificates::make();
    let arguments = [
        "s_server",
        "-accept",
        "127.0.0.1:0",
        "-naccept",
        "1",
        "-cert",
        &made.cert,
        "-key",
        &made.key,
        "-client_renegotiation",
    ];
    for (version, said) in [
        ("1.2", ":renegotiate: done"),
        ("1.3", "TLS 1.3 has no renegotiation"),
    ] {
        let mut server = program("openssl", &arguments)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            let line = line.unwrap();
            let address = line.strip_prefix("ACCEPT ")?;
            Some(address.rsplit(':').next()?.to_owned())
        });
        let target = format!("localhost:{}", port.unwrap());
        let resolve = ["--resolve", "127.0.0.1", "--cafile", &made.ca];
        let more = ["--commands", "--tls", version];
        let output = client(
            &[&[&target[..]], &resolve[..], &more[..]].concat(),
            b"before\n:renegotiate\n:update-keys\n:what\n::behind\n",
        );
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{told}");
        assert!(told.contains(said), "{told}");
        assert!(told.contains(":what: no such command"), "{told}");
        assert_eq!(
            told.contains(":update-keys: done"),
            version == "1.3",
            "{told}"
        );
        let seen: Vec<String> = lines.map(Result::unwrap).collect();
        for line in ["before", ":behind"] {
            assert!(seen.iter().any(|one| one == line), "{seen:?}");
        }
        server.wait().unwrap();
    }
}

/// GnuTLS logs in where OpenSSL keeps the users, and so does our client.
#[test]
fn gnutls_logs_in_as_a_user_of_openssl() {
    let folder = tempfile::tempdir().unwrap();
    let users = path(folder.path(), "users.srpv");
    fs::write(&users, "").unwrap();
    fs::write(format!("{users}.attr"), "unique_subject = no\n").unwrap();
    for (user, group) in [("alice", "2048"), ("bob", "3072")] {
        let made = ran(program(
            "openssl",
            &[
                "srp",
                "-srpvfile",
                &users,
                "-add",
                "-gn",
                group,
                "-passout",
                "pass:wonderland",
                user,
            ],
        ));
        assert!(made.status.success(), "{made:?}");
    }
    let server = Server::start(&["--srp-file", &users]);
    for user in ["alice", "bob"] {
        let arguments = [
            "--port",
            server.port(),
            "--priority=NORMAL:-KX-ALL:+SRP:-VERS-ALL:+VERS-TLS1.2",
            &format!("--srpusername={user}"),
            "--srppasswd=wonderland",
            "127.0.0.1",
        ];
        let output = with_input(program("gnutls-cli", &arguments), b"through the mirror\n");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("through the mirror"), "{output:?}");
        let mut ours = portcullis(&["client", &server.address, "--srp", user]);
        ours.env("PORTCULLIS_SRP_PASSWORD", "wonderland");
        assert_eq!(printed(with_input(ours, b"me too")), "me too");
    }
}

/// A Redis that speaks TLS alone, with the certificate of the server. It is killed when dropped.
struct Redis {
    child: Child,
    port: String,
    ca: String,
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
        ];
        let mut child = program("redis-server", words.as_flattened())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        let is_ready = lines.any(|line| line.unwrap().contains("Ready to accept connections"));
        assert!(is_ready, "redis-server does not start");
        let ca = made.ca.clone();
        Self { child, port, ca }
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
    let store = ["--store", &redis.url(), "--store-key", &key].map(str::to_owned);
    let store: Vec<_> = store.iter().map(String::as_str).collect();
    let trusting = [&made.server()[..], &store, &["--store-cafile", &made.ca]].concat();
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
    let doubting = [&made.server()[..], &store, &["--store-cafile", &other.ca]].concat();
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

/// What `cert verify` says of a chain is what OpenSSL says, good or bad; and so with fingerprints and chains in order.
#[test]
fn openssl_judges_and_hashes_alike() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| path(folder.path(), name);
    let openssl = |arguments: &[&str]| ran(program("openssl", arguments));
    // An authority between, and a server below it.
    let conf = "[ca]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n\
                subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n[leaf]\nsubjectAltName=DNS:leaf.test\n\
                extendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n";
    fs::write(file("ext.cnf"), conf).unwrap();
    let (root, root_key) = (file("ca.pem"), file("ca-key.pem"));
    let output = openssl(&[
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=root",
        "-keyout", &root_key, "-out", &root,
    ]);
    assert!(output.status.success(), "{output:?}");
    for (name, above, section) in [("between", "ca", "ca"), ("leaf", "between", "leaf")] {
        let (key, csr, cert) = (
            file(&format!("{name}-key.pem")),
            file("csr"),
            file(&format!("{name}.pem")),
        );
        let (ca, ca_key) = (
            file(&format!("{above}.pem")),
            file(&format!("{above}-key.pem")),
        );
        let subject = format!("/CN={name}");
        for arguments in [
            &[
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-out",
                &key,
            ][..],
            &["req", "-new", "-key", &key, "-subj", &subject, "-out", &csr],
            &[
                "x509",
                "-req",
                "-in",
                &csr,
                "-CA",
                &ca,
                "-CAkey",
                &ca_key,
                "-CAcreateserial",
                "-days",
                "30",
                "-extfile",
                &file("ext.cnf"),
                "-extensions",
                section,
                "-out",
                &cert,
            ],
        ] {
            let output = openssl(arguments);
            assert!(output.status.success(), "{output:?}");
        }
    }
    let [leaf, between, ca] = ["leaf.pem", "between.pem", "ca.pem"].map(file);
    for (name, time, purpose, untrusted, is_good) in [
        ("leaf.test", None, "server", true, true),
        ("other.test", None, "server", true, false),
        ("leaf.test", Some("4102444800"), "server", true, false),
        ("leaf.test", None, "client", true, false),
        ("leaf.test", None, "server", false, false),
    ] {
        let purposes = format!("ssl{purpose}");
        let mut theirs = vec!["verify", "-CAfile", &ca, "-purpose", &purposes];
        let mut ours = vec![
            "cert",
            "verify",
            &leaf,
            "--cafile",
            &ca,
            "--purpose",
            purpose,
        ];
        if purpose == "server" {
            theirs.extend(["-verify_hostname", name]);
            ours.extend(["--name", name]);
        }
        if let Some(time) = time {
            theirs.extend(["-attime", time]);
            ours.extend(["--time", time]);
        }
        if untrusted {
            theirs.extend(["-untrusted", &between]);
            ours.push(&between);
        }
        theirs.push(&leaf);
        let (theirs, ours) = (openssl(&theirs), run(&ours));
        assert_eq!(theirs.status.success(), is_good, "{theirs:?}");
        assert_eq!(
            ours.status.code(),
            Some(if is_good { 0 } else { 3 }),
            "{ours:?}"
        );
    }
    let bundle = file("bundle.pem");
    printed(run(&[
        "cert", "bundle", &between, &leaf, "--from", &ca, "--out", &bundle,
    ]));
    let output = openssl(&["verify", "-CAfile", &ca, "-untrusted", &bundle, &bundle]);
    assert!(output.status.success(), "{output:?}");
    for (hash, option) in [
        ("sha256", "-sha256"),
        ("sha1", "-sha1"),
        ("sha512", "-sha512"),
    ] {
        let theirs = openssl(&["x509", "-in", &leaf, "-noout", "-fingerprint", option]);
        let theirs = String::from_utf8(theirs.stdout).unwrap();
        let (_, theirs) = theirs.trim().split_once('=').unwrap();
        let theirs = theirs.to_lowercase();
        let ours = printed(run(&["cert", "fingerprint", &leaf, "--hash", hash]));
        assert_eq!(ours, format!("{hash} {theirs}  CN=leaf\n"));
    }
}

/// OpenSSL encrypts a key, the command serves with it, and OpenSSL is content.
#[test]
fn openssl_encrypts_the_key_of_a_server() {
    let made = Certificates::make();
    let file = |name: &str| path(made.folder.path(), name);
    fs::write(file("password"), "from a file\n").unwrap();
    for arguments in [
        &["pkcs8", "-topk8"][..],
        &["pkcs8", "-topk8", "-scrypt"],
        &["pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES"],
        &["ec", "-aes256"],
    ] {
        let key = file("encrypted.pem");
        let more = [
            "-in",
            &made.key,
            "-out",
            &key,
            "-passout",
            "pass:from a file",
        ];
        let output = ran(program("openssl", &[arguments, &more].concat()));
        assert!(output.status.success(), "{output:?}");
        let server = Server::start(&[
            "--cert",
            &made.cert,
            "--key",
            &key,
            "--password-file",
            &file("password"),
        ]);
        let connect = [
            "s_client",
            "-connect",
            &server.address,
            "-CAfile",
            &made.ca,
            "-verify_return_error",
        ];
        let output = ran(program("openssl", &connect));
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("Verify return code: 0 (ok)"), "{output:?}");
    }
}

/// The key of a server is in SoftHSM2, where OpenSSL has put it, and nowhere else.
#[test]
fn the_key_of_a_server_is_in_a_token() {
    let made = Certificates::make();
    let file = |name: &str| path(made.folder.path(), name);
    fs::create_dir(file("tokens")).unwrap();
    let conf = file("softhsm2.conf");
    fs::write(
        &conf,
        format!("directories.tokendir = {}\n", file("tokens")),
    )
    .unwrap();
    let util = |arguments: &[&str]| {
        let mut command = program("softhsm2-util", arguments);
        command.env("SOFTHSM2_CONF", &conf);
        let output = ran(command);
        assert!(output.status.success(), "{output:?}");
    };
    util(&[
        "--init-token",
        "--free",
        "--label",
        "web",
        "--so-pin",
        "123456",
        "--pin",
        "4821",
    ]);
    let key = file("pkcs8.pem");
    let pkcs8 = [
        "pkcs8", "-topk8", "-nocrypt", "-in", &made.key, "-out", &key,
    ];
    assert!(ran(program("openssl", &pkcs8)).status.success());
    util(&[
        "--import", &key, "--token", "web", "--label", "server", "--id", "01", "--pin", "4821",
    ]);
    fs::remove_file(key).unwrap();
    fs::write(file("pin"), "4821\n").unwrap();
    let uri = |more: &str| {
        format!("pkcs11:token=web;object=server?module-path=/usr/lib/softhsm/libsofthsm2.so{more}")
    };
    let with_pin = uri(&format!("&pin-source={}", file("pin")));
    let arguments = [
        "server",
        "--listen",
        "127.0.0.1:0",
        "--cert",
        &made.cert,
        "--pkcs11",
    ];
    let mut command = portcullis(&[&arguments[..], &[&with_pin]].concat());
    let mut child = command.env("SOFTHSM2_CONF", &conf).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line
        .strip_prefix("READY ")
        .expect("READY first")
        .trim()
        .to_owned();
    let server = Server { child, address };
    let connect = [
        "s_client",
        "-connect",
        &server.address,
        "-CAfile",
        &made.ca,
        "-verify_return_error",
    ];
    let output = ran(program("openssl", &connect));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("Verify return code: 0 (ok)"), "{output:?}");

    fs::write(file("wrong"), "9917\n").unwrap();
    for (uri, cert, more, expected) in [
        (
            uri(""),
            &made.cert,
            &["--password-file", &file("wrong")][..],
            "the PIN for the PKCS#11 token \"web\" is wrong",
        ),
        (
            with_pin.clone(),
            &made.client_cert,
            &[],
            "does not belong to the certificate",
        ),
        (
            with_pin.clone(),
            &made.cert,
            &["--password-file", &file("wrong")],
            "the URI has a PIN",
        ),
    ] {
        let arguments = ["server", "--cert", cert.as_str(), "--pkcs11", &uri];
        let mut command = portcullis(&[&arguments[..], more].concat());
        let output = command.env("SOFTHSM2_CONF", &conf).output().unwrap();
        let said = support::sentence(output, 2);
        assert!(said.contains(expected) && !said.contains("9917"), "{said}");
    }
}
