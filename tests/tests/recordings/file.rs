//! A recording as text: what was said by whom, in hexadecimal digits, and what came of it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::wire::Said;

/// What a file has.
pub(crate) struct Recording {
    /// Seconds since 1970: what this side took the time for.
    pub(crate) now: u64,
    pub(crate) said: Vec<Said>,
    pub(crate) result: Vec<String>,
}

/// Bytes in a line.
const WIDTH: usize = 50;

pub(crate) fn read(folder: &Path, name: &str) -> Recording {
    let path = folder.join(format!("{name}.txt"));
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut recording = Recording {
        now: 0,
        said: Vec::new(),
        result: Vec::new(),
    };
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let said = &mut recording.said;
        match line.split_once(' ') {
            Some(("now", seconds)) => recording.now = seconds.parse().expect("seconds"),
            Some((">", digits)) => said.push(Said::Ours(bytes(digits))),
            Some(("<", digits)) => said.push(Said::Theirs(bytes(digits))),
            Some(("", digits)) => match said.last_mut() {
                Some(Said::Ours(before) | Said::Theirs(before)) => before.extend(bytes(digits)),
                _ => panic!("{}: {line}", path.display()),
            },
            Some(("=", fact)) => recording.result.push(fact.to_owned()),
            None if line == "connected" => said.push(Said::Connected),
            None if line == "closed" => said.push(Said::Closed),
            _ => panic!("{}: {line}", path.display()),
        }
    }
    recording
}

fn bytes(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    let pairs = pairs.map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).expect("two digits"))
        .collect()
}

#[cfg_attr(not(feature = "interop"), allow(dead_code, reason = "for who records"))]
pub(crate) fn write(folder: &Path, name: &str, peer: &str, recording: &Recording) {
    let mut text = format!(
        "# {name}, recorded with {peer} by `cargo test -p portcullis-tests --features interop --test recordings -- --ignored`.\n\
         # > is what portcullis says, < the peer, and = what came of it.\nnow {}\n",
        recording.now
    );
    for said in &recording.said {
        match said {
            Said::Connected => text += "connected\n",
            Said::Closed => text += "closed\n",
            Said::Ours(bytes) => put(&mut text, '>', bytes),
            Said::Theirs(bytes) => put(&mut text, '<', bytes),
        }
    }
    for fact in &recording.result {
        let _ = writeln!(text, "= {fact}");
    }
    fs::write(folder.join(format!("{name}.txt")), text).expect("written");
}

fn put(text: &mut String, who: char, bytes: &[u8]) {
    text.push(who);
    for line in bytes.chunks(WIDTH) {
        text.push(' ');
        for byte in line {
            let _ = write!(text, "{byte:02x}");
        }
        text.push('\n');
    }
}
