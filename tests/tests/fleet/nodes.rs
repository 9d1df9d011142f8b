//! The programs: servers, HAProxy, Redis. Each is killed when it is dropped.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use portcullis_tests::pki::pki;
use portcullis_tests::scratch;

/// Builds the command of this workspace; where it is.
pub(crate) fn program() -> PathBuf {
    let build = Command::new(env!("CARGO"))
        .args([
            "build",
            "--locked",
            "--quiet",
            "--package",
            "portcullis-cli",
        ])
        .args(["--bin", "portcullis", "--message-format", "json"])
        .stderr(Stdio::inherit())
        .output()
        .expect("there is cargo");
    assert!(build.status.success(), "the command cannot be built");
    let messages = String::from_utf8(build.stdout).expect("it is JSON");
    let executable = messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message["executable"].as_str()?))
    });
    executable.expect("cargo says where it is")
}

fn start(command: &mut Command, package: &str) -> Child {
    let started = command.stdin(Stdio::null()).spawn();
    started.unwrap_or_else(|error| match error.kind() {
        ErrorKind::NotFound => panic!("not installed; on Debian: apt-get install {package}"),
        _ => panic!("{command:?}: {error}"),
    })
}

fn end(child: &mut Child) {
    // It may have ended.
    let _ = child.kill();
    let _ = child.wait();
}

fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_there() {
        assert!(Instant::now() < end, "{what} does not start");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A server, which writes what it says to a file.
pub(crate) struct Node {
    program: PathBuf,
    options: Vec<String>,
    said: PathBuf,
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Node {
    pub(crate) fn start(program: &Path, options: &[&str]) -> Self {
        let of = &pki().ecdsa_p256;
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let identity = [
            "--cert".to_owned(),
            text(&of.chain_file),
            "--key".to_owned(),
            text(&of.key_file),
        ];
        let options = options.iter().map(ToString::to_string);
        let options: Vec<_> = identity.into_iter().chain(options).collect();
        let said = scratch::file("said", "");
        let (child, address) = run(program, &options, &said, "127.0.0.1:0");
        Self {
            program: program.to_owned(),
            options,
            said,
            child,
            address,
        }
    }

    /// By SIGKILL.
    pub(crate) fn kill(&mut self) {
        end(&mut self.child);
    }

    pub(crate) fn restart(&mut self) {
        let address = self.address.to_string();
        (self.child, _) = run(&self.program, &self.options, &self.said, &address);
    }

    /// How often it has said this.
    pub(crate) fn count(&self, what: &str) -> usize {
        let said = fs::read_to_string(&self.said).unwrap();
        said.matches(what).count()
    }
}

fn run(program: &Path, options: &[String], said: &Path, listen: &str) -> (Child, SocketAddr) {
    let said = File::options().append(true).open(said).unwrap();
    let mut command = Command::new(program);
    command.args(["server", "--listen", listen]).args(options);
    let mut child = start(command.stdout(Stdio::piped()).stderr(said), "");
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let address = line
        .strip_prefix("READY ")
        .map(|address| address.trim().parse());
    let address = address.unwrap_or_else(|| panic!("{options:?} does not start"));
    (child, address.unwrap())
}

impl Drop for Node {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// HAProxy, which gives each connection to the next server, whoever the client is.
pub(crate) struct Balancer {
    child: Child,
    pub(crate) ports: Vec<u16>,
}

impl Balancer {
    pub(crate) fn start(groups: &[&[Node]]) -> Self {
        let free = groups
            .iter()
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let free: Vec<_> = free.collect();
        let ports: Vec<_> = free
            .iter()
            .map(|socket| socket.local_addr().unwrap().port())
            .collect();
        drop(free);
        let mut text = "global\n  maxconn 1000\ndefaults\n  mode tcp\n  balance roundrobin\n  retries 3\n  \
             option redispatch 1\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n"
            .to_owned();
        for (port, nodes) in ports.iter().zip(groups) {
            text += &format!("listen of-{port}\n  bind 127.0.0.1:{port}\n");
            for node in *nodes {
                text += &format!("  server at-{} {}\n", node.address.port(), node.address);
            }
        }
        let file = scratch::file("haproxy.cfg", text);
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-q").arg("-f").arg(file);
        let child = start(&mut command, "haproxy");
        for port in &ports {
            wait_for("haproxy", || {
                TcpStream::connect(("127.0.0.1", *port)).is_ok()
            });
        }
        Self { child, ports }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Redis, which keeps nothing when it is killed.
pub(crate) struct Redis {
    socket: PathBuf,
    child: Child,
}

impl Redis {
    pub(crate) fn start() -> Self {
        let socket = scratch::directory().join("redis");
        let child = redis(&socket);
        Self { socket, child }
    }

    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// It answers nothing until it is killed.
    pub(crate) fn stop(&self) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-STOP", &pid]).status();
        assert!(status.unwrap().success());
    }

    pub(crate) fn kill(&mut self) {
        end(&mut self.child);
        fs::remove_file(&self.socket).unwrap();
    }

    pub(crate) fn restart(&mut self) {
        self.child = redis(&self.socket);
    }
}

fn redis(socket: &Path) -> Child {
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--save", "", "--appendonly", "no"]);
    command.arg("--unixsocket").arg(socket);
    let child = start(command.stdout(Stdio::null()), "redis-server");
    wait_for("redis-server", || UnixStream::connect(socket).is_ok());
    child
}

impl Drop for Redis {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}
