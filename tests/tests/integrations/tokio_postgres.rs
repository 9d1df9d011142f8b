//! tokio-postgres and a real PostgreSQL, with channel binding.

use std::error::Error as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use portcullis::{Error, TlsAcceptor, TlsConnector};
use portcullis_tests::peers::Program;
use portcullis_tests::pki::{self, pki};
use portcullis_tests::scratch;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::{client, server};

#[path = "../../../examples/tokio_postgres.rs"]
mod example;

/// PostgreSQL 8.0 and later: eight bytes, answered by `S` or `N`.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// A server with the user `tester` and the password `secret`, which takes SCRAM over TLS only.
struct Postgres {
    port: u16,
    programs: PathBuf,
    data: PathBuf,
    _running: Program,
}

/// As a user that is not root: PostgreSQL wants none.
fn unprivileged(program: &Path, arguments: &[&str]) -> Vec<String> {
    let program = program.display().to_string();
    let mut words = vec![program];
    if is_root() {
        let user = [
            "setpriv",
            "--reuid=nobody",
            "--regid=nogroup",
            "--clear-groups",
        ];
        words.splice(0..0, user.map(str::to_owned));
    }
    words.extend(arguments.iter().map(|&word| word.to_owned()));
    words
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

fn run(words: &[String]) {
    let output = Command::new(&words[0])
        .args(&words[1..])
        .current_dir("/")
        .stdin(Stdio::null())
        .output();
    let output = output.unwrap_or_else(|error| panic!("{words:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {said}");
}

impl Postgres {
    async fn start(identity: &pki::Identity) -> Self {
        let programs = fs::read_dir("/usr/lib/postgresql").expect("apt-get install postgresql");
        let newest = programs.map(|entry| entry.unwrap().path()).max().unwrap();
        let programs = newest.join("bin");
        let folder = scratch::directory().join("postgres");
        let data = folder.join("data");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("password"), "secret").unwrap();
        fs::copy(&identity.chain_file, folder.join("chain.pem")).unwrap();
        fs::copy(&identity.key_file, folder.join("key.pem")).unwrap();
        let path = |name: &str| folder.join(name).display().to_string();
        run(&["chmod", "600", &path("key.pem")].map(str::to_owned));
        if is_root() {
            run(&["chown", "-R", "nobody", &path("")].map(str::to_owned));
        }
        run(&unprivileged(
            &programs.join("initdb"),
            &[
                "-D",
                &path("data"),
                "-U",
                "tester",
                "-A",
                "scram-sha-256",
                "--no-sync",
                "--pwfile",
                &path("password"),
            ],
        ));
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        fs::write(
            data.join("pg_hba.conf"),
            "hostssl all all 127.0.0.1/32 scram-sha-256\n",
        )
        .unwrap();
        let settings = [
            format!("port={port}"),
            "listen_addresses=127.0.0.1".to_owned(),
            "unix_socket_directories=".to_owned(),
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", path("chain.pem")),
            format!("ssl_key_file={}", path("key.pem")),
        ];
        let mut words = unprivileged(&programs.join("postgres"), &["-D", &path("data")]);
        for setting in settings {
            words.extend(["-c".to_owned(), setting]);
        }
        let mut running = Program::start("env", "postgresql", words);
        running
            .wait_for_line("database system is ready to accept connections")
            .await;
        Self {
            port,
            programs,
            data,
            _running: running,
        }
    }

    fn url(port: u16, more: &str) -> String {
        format!("host=localhost port={port} user=tester password=secret dbname=postgres {more}")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.data.display().to_string();
        let words = ["-D", &data, "-m", "immediate", "stop"];
        // Killed, it leaves shared memory.
        let words = unprivileged(&self.programs.join("pg_ctl"), &words);
        let _ = Command::new(&words[0])
            .args(&words[1..])
            .stdout(Stdio::null())
            .status();
    }
}

fn connector() -> TlsConnector {
    let config = client().build().unwrap();
    TlsConnector::new(config)
}

/// Somebody in between who has got a certificate for the name, from an authority that is trusted.
async fn in_between(postgres: u16) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut io, _) = listener.accept().await.unwrap();
        let mut request = [0; 8];
        io.read_exact(&mut request).await.unwrap();
        assert_eq!(request, SSL_REQUEST);
        io.write_all(b"S").await.unwrap();
        let config = server(&pki().ed25519).build().unwrap();
        let mut victim = TlsAcceptor::new(config).upgrade(io).await.unwrap();

        let mut io = TcpStream::connect(("127.0.0.1", postgres)).await.unwrap();
        io.write_all(&SSL_REQUEST).await.unwrap();
        assert_eq!(io.read_u8().await.unwrap(), b'S');
        let mut server = connector().upgrade(io, "localhost").await.unwrap();
        let _ = copy_bidirectional(&mut victim, &mut server).await;
    });
    address
}

#[tokio::test]
async fn passwords_are_bound_to_the_connection() {
    let postgres = Postgres::start(&pki().ecdsa_p256).await;
    let url =
        |port, binding| Postgres::url(port, &format!("sslmode=require channel_binding={binding}"));
    for binding in ["prefer", "require", "disable"] {
        let url = url(postgres.port, binding);
        let (client, connection) = tokio_postgres::connect(&url, connector()).await.unwrap();
        let running = tokio::spawn(connection);
        let question = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        let row = client.query_one(question, &[]).await.unwrap();
        assert!(row.get::<_, bool>("ssl"));
        assert_eq!(row.get::<_, String>("version"), "TLSv1.3");
        // More than a record, both ways.
        let long = "x".repeat(100_000);
        let row = client.query_one("SELECT $1::text", &[&long]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), long);
        drop(client);
        running.await.unwrap().unwrap();
    }

    // The example does the same as a program of its own.
    let server = Postgres::url(postgres.port, "");
    let said = example::ask(&server, &pki().root.file).await.unwrap();
    assert!(said.starts_with("TLSv1.3, TLS_"), "{said}");

    // Without channel binding the one in between would have come through.
    let relay = in_between(postgres.port).await;
    let unbound = url(relay.port(), "disable");
    assert!(tokio_postgres::connect(&unbound, connector()).await.is_ok());
    let relay = in_between(postgres.port).await;
    let bound = url(relay.port(), "require");
    let Err(error) = tokio_postgres::connect(&bound, connector()).await else {
        panic!("somebody stands in between");
    };
    let said = error.as_db_error().unwrap().message();
    assert_eq!(said, "SCRAM channel binding check failed");
}

#[tokio::test]
async fn a_server_that_is_not_who_it_should_be_gets_no_password() {
    // Who answers `S` and has another name.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answering = tokio::spawn(async move {
        let (mut io, _) = listener.accept().await.unwrap();
        io.read_exact(&mut [0; 8]).await.unwrap();
        io.write_all(b"S").await.unwrap();
        let config = server(&pki().wrong_name).build().unwrap();
        TlsAcceptor::new(config).upgrade(io).await.map(drop)
    });
    let url = Postgres::url(port, "sslmode=require");
    let error = tokio_postgres::connect(&url, connector()).await.err();
    let error = error.unwrap();
    let ours = error.source().unwrap().downcast_ref::<Error>().unwrap();
    assert!(ours.alert().is_some(), "{ours}");
    assert!(answering.await.unwrap().is_err());
}
