//! The examples as programs, for others to speak with.

use std::path::PathBuf;
use std::process::Command;

use portcullis_tests::peers::Program;
use portcullis_tests::scratch;

fn cargo(words: &[&str]) -> Vec<String> {
    let fixed = ["--quiet", "--locked", "--package", "portcullis-examples"];
    let words = [&words[..1], &fixed, &words[1..]].concat();
    words.into_iter().map(str::to_owned).collect()
}

/// Makes it: that takes longer than a program may take to start, or a peer waits.
pub(crate) fn build(name: &str) {
    let built = Command::new(env!("CARGO"))
        .args(cargo(&["build", "--example", name]))
        .status();
    assert!(built.unwrap().success());
}

/// An example that runs with these arguments.
pub(crate) fn example(name: &str, arguments: &[&str]) -> Program {
    build(name);
    let words = [&["run", "--example", name, "--"], arguments].concat();
    Program::start(env!("CARGO"), "cargo", cargo(&words))
}

/// One that serves: with what it says first, and the certificate behind that in a file.
pub(crate) async fn serving(name: &str, arguments: &[&str]) -> (Program, String, PathBuf) {
    let mut program = example(name, arguments);
    program.wait_for_line("END CERTIFICATE").await;
    let printed = program.output().stdout;
    let (first, root) = printed.split_once('\n').unwrap();
    let root = scratch::file("root.pem", root);
    (program, first.to_owned(), root)
}

/// A script of `tests/peers/python`, run by Debian's Python, which has Debian's packages.
pub(crate) fn python(script: &str, package: &'static str, arguments: &[&str]) -> Program {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/python/");
    let script = format!("{path}{script}");
    let words = [&[script.as_str()], arguments].concat();
    Program::start("/usr/bin/python3", package, words)
}
