//! Connections to and from curl, OpenSSL, PostgreSQL and GnuTLS.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::plain::{self, Plain, Step};
use crate::support::{Certificates, Server, client, path, portcullis, printed, run, with_input};
use crate::{program, ran};

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

/// `--unix`: OpenSSL's server at a Unix socket, whose certificate has to be for the host all the same.
#[test]
fn a_unix_socket_is_a_way_to_openssl() {
    let made = Certificates::make();
    let socket = made.path("openssl.sock");
    let fixed = ["s_server", "-unix", &socket, "-quiet", "-rev"];
    let own = ["-cert", &made.cert, "-key", &made.key];
    let mut server = program("openssl", &[&fixed[..], &own].concat());
    let mut server = server.stdin(Stdio::null()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while !fs::exists(&socket).unwrap() {
        assert!(Instant::now() < end, "openssl does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    let at = |host: &str, input: &[u8]| {
        let arguments = [host, "--cafile", &made.ca, "--unix", &socket, "-v"];
        client(&arguments, input)
    };
    let output = at("localhost", b"hello\n");
    let wrong = at("b.test", b"hello\n");
    let _ = server.kill();
    let _ = server.wait();
    assert_eq!(printed(output), "olleh\n");
    assert!(sentence_of_last_line(&wrong, 3).contains("b.test"));
}

fn sentence_of_last_line(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    said.lines().last().unwrap_or_default().to_owned()
}
