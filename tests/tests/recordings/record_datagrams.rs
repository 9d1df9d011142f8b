//! Records again what goes over datagrams.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use portcullis_tests::peers::{fetched, free_port};
use portcullis_tests::program::Program as Child;

use crate::conversation::{LINE, Materials, Role};
use crate::datagrams::{Program, Scenario, converse};
use crate::file::{self, Recording};
use crate::folder;
use crate::wire::{Said, Wire};

const LIMIT: Duration = Duration::from_secs(20);

/// A socket, and what is said over it.
struct Live {
    socket: UdpSocket,
    is_connected: bool,
    said: Vec<Said>,
}

impl Wire for Live {
    fn connect(&mut self) {
        self.said.push(Said::Connected);
    }

    fn send(&mut self, datagram: &[u8]) {
        // A peer that is gone has not to hear the last word.
        let _ = self.socket.send(datagram);
        self.said.push(Said::Ours(datagram.to_vec()));
    }

    fn receive(&mut self) -> Vec<u8> {
        let mut datagram = vec![0; 65_536];
        // A server that has answered and ended is an error, behind which its answer stands yet.
        let received = match self.socket.recv_from(&mut datagram) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                self.socket.recv_from(&mut datagram)
            }
            received => received,
        };
        let (length, peer) = received.expect("a datagram");
        if !self.is_connected {
            self.socket.connect(peer).expect("a peer");
            self.is_connected = true;
        }
        datagram.truncate(length);
        self.said.push(Said::Theirs(datagram.clone()));
        datagram
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}

/// The peer as a server at a port.
fn server(scenario: Scenario, port: u16) -> Child {
    let identity = folder().join("server.pem");
    let identity = text(&identity);
    let port = port.to_string();
    let (words, is_ready): (Vec<&str>, _) = match scenario.program {
        Program::OpenSsl => {
            let words = [
                "openssl",
                "s_server",
                "-dtls1_2",
                "-port",
                &port,
                "-cert",
                identity,
                "-cert_chain",
                identity,
                "-key",
                identity,
            ];
            (words.to_vec(), "ACCEPT")
        }
        Program::GnuTls => {
            let words = [
                "gnutls-serv",
                "--udp",
                "--echo",
                "--port",
                &port,
                "--x509certfile",
                identity,
                "--x509keyfile",
                identity,
                "--priority",
                "NORMAL:-VERS-ALL:+VERS-DTLS1.2",
            ];
            (words.to_vec(), "listening on IPv4")
        }
        Program::Wolfssl | Program::Boringssl => {
            let program = fetched_program(scenario.program);
            let words = [
                program, "server", &port, "1.3", "-", "any", identity, identity,
            ];
            (words.to_vec(), "READY")
        }
    };
    let mut child = Child::start(&words);
    child.wait_for(is_ready);
    child
}

fn client(scenario: Scenario, port: u16) -> Child {
    let root = folder().join("root.pem");
    let root = text(&root);
    let address = format!("127.0.0.1:{port}");
    let port = port.to_string();
    let words: Vec<&str> = match scenario.program {
        Program::OpenSsl => [
            "openssl",
            "s_client",
            "-dtls1_2",
            "-connect",
            &address,
            "-CAfile",
            root,
            "-servername",
            "localhost",
            "-verify_hostname",
            "localhost",
            "-verify_return_error",
        ]
        .to_vec(),
        Program::GnuTls => [
            "gnutls-cli",
            "--udp",
            "--port",
            &port,
            "--x509cafile",
            root,
            "--sni-hostname",
            "localhost",
            "--verify-hostname",
            "localhost",
            "--priority",
            "NORMAL:-VERS-ALL:+VERS-DTLS1.2",
            "127.0.0.1",
        ]
        .to_vec(),
        other => panic!("{other:?} is a server here"),
    };
    Child::start(&words)
}

fn fetched_program(program: Program) -> &'static str {
    match program {
        Program::Wolfssl => fetched::wolfssl(),
        _ => fetched::boringssl(),
    }
}

/// The version of the program, as it says it, or the package that it was built from.
fn version(program: Program) -> String {
    let words = match program {
        Program::OpenSsl => ["openssl", "version"],
        Program::GnuTls => ["gnutls-cli", "--version"],
        _ => {
            let folder = Path::new(fetched_program(program)).parent();
            let name = folder.and_then(Path::file_name).expect("a folder");
            return name.to_string_lossy().into_owned();
        }
    };
    let output = std::process::Command::new(words[0]).arg(words[1]).output();
    let output = String::from_utf8(output.expect("a program").stdout).expect("text");
    output.lines().next().expect("a line").to_owned()
}

/// With the materials that are written.
pub(crate) fn record_all(now: u64) {
    let materials = Materials::read(&folder());
    let line = str::from_utf8(LINE).expect("text");
    for scenario in Scenario::all() {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_read_timeout(Some(LIMIT)).expect("a limit");
        let is_client = scenario.role == Role::Client;
        let mut child = if is_client {
            let port = free_port();
            let child = server(scenario, port);
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            socket.connect(address).expect("a peer");
            child
        } else {
            client(scenario, socket.local_addr().expect("an address").port())
        };
        let mut live = Live {
            socket,
            is_connected: is_client,
            said: Vec::new(),
        };
        let result = std::thread::scope(|scope| {
            let conversation = scope.spawn(|| converse(scenario, &materials, now, &mut live));
            match (scenario.program, scenario.role) {
                // It says what it is told to say.
                (Program::OpenSsl, Role::Client) => {
                    child.wait_for(line.trim_end());
                    child.say("from the server\n");
                }
                // It says what it was told before, once there is a connection.
                (_, Role::Server) => child.say(line),
                _ => {}
            }
            conversation.join().expect("a conversation")
        });
        let recording = Recording {
            now,
            said: live.said,
            result,
        };
        println!("{}: {:#?}", scenario.name(), recording.result);
        file::write(
            &folder(),
            &scenario.name(),
            &version(scenario.program),
            &recording,
        );
    }
}
