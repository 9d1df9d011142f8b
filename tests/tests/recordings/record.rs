//! Records all scenarios again.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use portcullis_tests::peers::erlang::{self, Session};
use portcullis_tests::peers::{self, Message, Peer, Settings, Version, gnutls, openssl};
use portcullis_tests::pki::{self, pki};
use portcullis_tests::scratch;

use crate::conversation::{Materials, Program, Role, Scenario, What, converse};
use crate::file::{self, Recording};
use crate::folder;
use crate::record_datagrams;
use crate::wire::{Said, Wire};

const LINE: Message<'static> = Message {
    line: "for the record",
    count: 1,
};

const LIMIT: Duration = Duration::from_secs(20);

/// Sockets, and what is said over them.
struct Live {
    end: End,
    stream: Option<TcpStream>,
    said: Vec<Said>,
}

enum End {
    Client(SocketAddr),
    Server(TcpListener),
}

impl Live {
    fn stream(&mut self) -> &mut TcpStream {
        self.stream.as_mut().expect("a connection")
    }
}

impl Wire for Live {
    fn connect(&mut self) {
        if let Some(stream) = self.stream.take() {
            let _ = stream.shutdown(Shutdown::Write);
        }
        let stream = match &self.end {
            End::Client(address) => TcpStream::connect(address).expect("a server"),
            End::Server(listener) => listener.accept().expect("a client").0,
        };
        stream.set_read_timeout(Some(LIMIT)).expect("a limit");
        stream.set_nodelay(true).expect("no delay");
        self.stream = Some(stream);
        self.said.push(Said::Connected);
    }

    fn send(&mut self, bytes: &[u8]) {
        // A peer that is gone has not to hear the last word.
        let _ = self.stream().write_all(bytes);
        self.said.push(Said::Ours(bytes.to_vec()));
    }

    fn receive(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 65_536];
        let len = self.stream().read(&mut bytes).expect("bytes of the peer");
        bytes.truncate(len);
        self.said.push(match len {
            0 => Said::Closed,
            _ => Said::Theirs(bytes.clone()),
        });
        bytes
    }
}

/// This side's conversation, on a thread that may block.
fn start(
    scenario: Scenario,
    end: End,
    materials: &Arc<Materials>,
    now: u64,
) -> tokio::task::JoinHandle<Recording> {
    let materials = Arc::clone(materials);
    tokio::task::spawn_blocking(move || {
        let mut live = Live {
            end,
            stream: None,
            said: Vec::new(),
        };
        let result = converse(&scenario, &materials, now, &mut live);
        Recording {
            now,
            said: live.said,
            result,
        }
    })
}

fn their_settings(scenario: &Scenario) -> Settings {
    let settings = match (scenario.role, scenario.what) {
        (Role::Client, What::ClientCertificate) => {
            Settings::server(&pki().rsa_2048).root(&pki().root)
        }
        (Role::Client, _) => Settings::server(&pki().rsa_2048),
        (Role::Server, What::ClientCertificate) => Settings::client().identity(&pki().client_rsa),
        (Role::Server, _) => Settings::client(),
    };
    settings.version(Version::Tls12)
}

async fn our_client(scenario: Scenario, materials: &Arc<Materials>, now: u64) -> Recording {
    let extra: &[&str] = match (scenario.program, scenario.what) {
        (Program::OpenSsl, What::Id) => &["-no_ticket"],
        (Program::OpenSsl, What::Renegotiation) => &["-client_renegotiation"],
        // With tickets its renegotiation fails.
        (Program::GnuTls, What::Id | What::Renegotiation) => &["--noticket"],
        _ => &[],
    };
    let peer = match scenario.program {
        Program::OpenSsl => Peer::Openssl,
        Program::GnuTls => Peer::Gnutls,
        Program::Erlang => Peer::Erlang,
    };
    let server = peer.server(&their_settings(&scenario).extra(extra)).await;
    let recording = start(scenario, End::Client(server.address), materials, now);
    recording.await.expect("a conversation")
}

async fn our_server(scenario: Scenario, materials: &Arc<Materials>, now: u64) -> Recording {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let recording = start(scenario, End::Server(listener), materials, now);
    let settings = their_settings(&scenario);
    match scenario.program {
        Program::OpenSsl => openssl_client(&scenario, address, settings).await,
        Program::GnuTls => {
            let extra: &[&str] = match scenario.what {
                What::Ticket => &["--resume"],
                What::Id => &["--resume", "--noticket"],
                What::Renegotiation => &["--rehandshake"],
                What::ClientCertificate => &[],
            };
            let mut client = gnutls::client(address, &settings.extra(extra));
            if matches!(scenario.what, What::Ticket | What::Id) {
                client.wait_for_line("*** This is a resumed session").await;
            }
            line_and_end(&mut client).await;
            client.finish().await;
        }
        Program::Erlang if scenario.what == What::Renegotiation => {
            let line = LINE.data();
            let steps = format!(
                "{{send, {line:?}}}, {{expect, {line:?}}}, renegotiate, {{send, {line:?}}}, {{expect, {line:?}}}, close"
            );
            let session = Session {
                steps: &steps,
                ..Session::default()
            };
            erlang::finish_session(erlang::client_session(address, &settings, session)).await;
        }
        Program::Erlang if scenario.what == What::Id => {
            let (exchange, _) = erlang::exchange_again(address, &settings, LINE).await;
            assert_eq!(exchange.reply.as_deref(), Ok(LINE.line));
        }
        Program::Erlang => {
            let exchange = Peer::Erlang.transfer(address, &settings, LINE).await;
            assert_eq!(exchange.reply.as_deref(), Ok(LINE.line));
        }
    }
    recording.await.expect("a conversation")
}

async fn openssl_client(scenario: &Scenario, address: SocketAddr, settings: Settings) {
    let file = scratch::file("recorded.pem", "").display().to_string();
    let turns: &[&[&str]] = match scenario.what {
        What::Ticket => &[&["-sess_out", &file], &["-sess_in", &file]],
        What::Id => &[
            &["-no_ticket", "-sess_out", &file],
            &["-no_ticket", "-sess_in", &file],
        ],
        What::ClientCertificate | What::Renegotiation => &[&[]],
    };
    for extra in turns {
        let mut client = openssl::client(address, &settings.clone().extra(extra));
        if scenario.what == What::Renegotiation {
            client.wait_for_line("Verify return code").await;
            client.send(LINE.data().as_bytes()).await;
            client.wait_for_line(LINE.line).await;
            client.send(b"R\n").await;
            client.wait_for_line("RENEGOTIATING").await;
        }
        line_and_end(&mut client).await;
        client.finish().await;
    }
}

async fn line_and_end(client: &mut peers::Program) {
    client.send(LINE.data().as_bytes()).await;
    client.wait_for_line(LINE.line).await;
}

/// The version of the program, as it says it.
fn version(program: Program) -> String {
    let (name, arguments): (&str, &[&str]) = match program {
        Program::OpenSsl => ("openssl", &["version"]),
        Program::GnuTls => ("gnutls-cli", &["--version"]),
        Program::Erlang => (
            "erl",
            &[
                "-noshell",
                "-eval",
                "ok = application:load(ssl), {ok, V} = application:get_key(ssl, vsn), \
                 io:format(\"Erlang/OTP ~s, ssl ~s~n\", [erlang:system_info(otp_release), V]), halt().",
            ],
        ),
    };
    let output = std::process::Command::new(name)
        .args(arguments)
        .output()
        .expect("a program");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().next().expect("a line").to_owned()
}

fn write_materials() {
    let concatenated = |identity: &pki::Identity| {
        let chain = fs::read(&identity.chain_file).expect("a chain");
        [chain, fs::read(&identity.key_file).expect("a key")].concat()
    };
    let contents = [
        fs::read(&pki().root.file).expect("a root"),
        concatenated(&pki().rsa_2048),
        concatenated(&pki().client_rsa),
    ];
    for (name, contents) in Materials::FILES.iter().zip(contents) {
        fs::write(folder().join(name), contents).expect("written");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes the files that are compared with"]
async fn record_all_again() {
    write_materials();
    let materials = Arc::new(Materials::read(&folder()));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.expect("a clock").as_secs();
    for scenario in Scenario::all() {
        let recording = match scenario.role {
            Role::Client => our_client(scenario, &materials, now).await,
            Role::Server => our_server(scenario, &materials, now).await,
        };
        file::write(
            &folder(),
            &scenario.name(),
            &version(scenario.program),
            &recording,
        );
        println!("{}: {:#?}", scenario.name(), recording.result);
    }
    record_datagrams::record_all(now);
}
