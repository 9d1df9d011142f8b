//! What is seen on a terminal: the summary, completions in bash and manual pages.

use std::fs;

use crate::support::{Certificates, Server, path, printed, run};
use crate::{program, ran};

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
