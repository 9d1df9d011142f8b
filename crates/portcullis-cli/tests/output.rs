//! What cannot be written: a pipe that nobody reads, a disk that is full.

#![cfg(unix)]

mod support;

use std::fs;
use std::io::pipe;
use std::process::Stdio;

use support::{Certificates, portcullis, printed, run};

/// Neither a panic nor silence.
#[test]
fn a_closed_pipe_ends_in_a_sentence() {
    let made = Certificates::make();
    let ech = made.path("ech.pem");
    let made_ech = ["ech", "new", "--public-name", "a.test", &ech];
    printed(run(&made_ech));
    for arguments in [
        &["cert", "show", &made.cert][..],
        &["cert", "show", "--json", &made.cert],
        &["cert", "fingerprint", &made.cert],
        &["cert", "verify", &made.cert, "--cafile", &made.ca],
        &["cert", "bundle", &made.cert],
        &["ech", "show", &ech],
        &["completions", "bash"],
        &["man"],
    ] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut command = portcullis(arguments);
        let output = command.stdin(Stdio::null()).stdout(writer).output();
        let output = output.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        let end = "portcullis: standard output: Broken pipe (os error 32)\n";
        assert!(said.ends_with(end), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    }
}

/// The exit code is there without it.
#[test]
fn closed_standard_error_is_no_panic() {
    let made = Certificates::make();
    for (arguments, code) in [
        (&["cert", "show", "missing.pem"][..], 2),
        (
            &["cert", "verify", &made.client_cert, "--cafile", &made.ca],
            3,
        ),
        (&["client", "127.0.0.1:1", "-vv"], 1),
    ] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut command = portcullis(arguments);
        let status = command.stdin(Stdio::null()).stderr(writer).output();
        assert_eq!(status.unwrap().status.code(), Some(code), "{arguments:?}");
    }
}

/// What was written in part goes again, and what was there stays.
#[test]
fn what_cannot_be_written_whole_is_not_left() {
    let made = Certificates::make();
    let names = || {
        let entries = fs::read_dir(made.folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let old = made.path("old.pem");
    fs::write(&old, "old").unwrap();
    let before = names();
    let (new, keys) = (made.path("new"), made.path("keys"));
    for arguments in [
        &["ech", "new", "--public-name", "a.test", &new][..],
        &["ticket-key", "new", &keys],
        &["cert", "bundle", &made.cert, "--out", &old],
    ] {
        // As a full disk, but without one: no file may have a byte.
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"]);
        let command = portcullis(arguments);
        shell.arg(command.get_program()).args(command.get_args());
        let output = shell.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains("File too large"), "{said}");
        assert_eq!(names(), before, "{arguments:?}");
    }
    assert_eq!(fs::read_to_string(&old).unwrap(), "old");
}

/// Nobody finds a part under the name of the file: what was there stays, and a file that was not there is not.
#[cfg(unix)]
#[test]
fn who_is_killed_while_it_writes_leaves_no_part_under_the_name() {
    use std::os::unix::process::ExitStatusExt as _;

    let made = Certificates::make();
    let (new, old) = (made.path("new"), made.path("old.pem"));
    fs::write(&old, "old").unwrap();
    for arguments in [
        &["ech", "new", "--public-name", "a.test", &new][..],
        &["ticket-key", "new", &new],
        &[
            "cert",
            "p12",
            "make",
            "--cert",
            &made.cert,
            "--key",
            &made.key,
            "--password-env",
            "P12",
            "--out",
            &new,
        ],
        &["cert", "bundle", &made.cert, "--out", &old],
    ] {
        // The system kills who writes a byte to a file.
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "ulimit -c 0; ulimit -f 0; exec \"$@\"", "sh"]);
        let command = portcullis(arguments);
        shell.arg(command.get_program()).args(command.get_args());
        shell.env("P12", "secret").stdin(Stdio::null());
        let output = shell.output().unwrap();
        assert!(
            output.status.signal().is_some(),
            "{arguments:?}: {output:?}"
        );
        assert!(!fs::exists(&new).unwrap(), "{arguments:?}");
    }
    assert_eq!(fs::read_to_string(&old).unwrap(), "old");
}
