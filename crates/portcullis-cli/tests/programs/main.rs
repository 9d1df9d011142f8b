//! The command beside the programs that it has to get along with: OpenSSL, GnuTLS, curl, Python,
//! PostgreSQL, Redis, bash and man. `apt-get install openssl gnutls-bin curl python3 postgresql redis-server man-db`

#[path = "../support/mod.rs"]
mod support;

mod certificates;
mod connections;
mod keys;
mod redis;
mod terminal;

use std::ffi::OsStr;
use std::process::{Command, Output, Stdio};

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
