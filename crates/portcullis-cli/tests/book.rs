//! The commands of the book do what it says.
//!
//! Of each page of `docs/SUMMARY.md` what is in ```` ```console ```` is run, in order, by one shell in an empty folder,
//! and prints what stands below it:
//!
//! ```text
//! $ portcullis cert dev --out certs                what is run; `> ` goes on with it
//! certs/cert.pem[..]                               `[..]`: anything in a line
//! ...                                              any lines
//! $ portcullis server [..] &                       goes on until the page ends; its first lines are waited for
//! READY 127.0.0.1:4433
//! $ portcullis client localhost:1; echo "exit code $?"
//! ```
//!
//! A block of TOML that begins with `# NAME.toml` is that file. Ports are others when they are run, which nobody has, also
//! the one that servers have if none is said. ```` ```sh ```` is for readers alone, and [`NOT_RUN`] has the reason.
#![cfg(target_os = "linux")]

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;

/// How many blocks of a page are read and not run, and why.
const NOT_RUN: &[(&str, usize, &str)] = &[
    ("quick-start.md", 1, "builds the command that runs here"),
    (
        "how-to/starttls.md",
        1,
        "wants a mail server and a database of the reader's",
    ),
    ("how-to/revocation.md", 1, "takes OpenSSL, to make lists"),
    (
        "proxy.md",
        1,
        "addresses of the reader's; the file below it is read by the proxy's tests",
    ),
    (
        "performance.md",
        15,
        "measures for minutes or hours, beside other stacks",
    ),
    (
        "fuzzing.md",
        6,
        "runs for hours, with the nightly toolchain",
    ),
];

/// Pages that need a program besides. CI has it; elsewhere the page is passed over without.
const NEEDS: &[(&str, &str)] = &[
    ("how-to/hsm.md", "softhsm2-util"),
    ("how-to/service.md", "curl"),
    ("how-to/containers.md", "curl"),
];

/// Seconds for a page. Each command of it has far less to do.
const PATIENCE: u32 = 120;

/// Where programs are that pages use.
const PLACES: &str = "/usr/local/bin:/usr/bin:/bin";

/// What is said before a command's output, and behind it.
const MARK: char = '\u{1}';

fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn page(name: &str) -> String {
    let path = docs().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The pages of the book, in order.
fn pages() -> Vec<String> {
    let summary = page("SUMMARY.md");
    let links = summary.split("](").skip(1);
    let pages = links.map(|rest| rest.split(')').next().unwrap().to_owned());
    pages.collect()
}

/// The blocks of a page: what stands behind the fence, and the lines.
fn blocks(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let within = lines.by_ref().take_while(|line| *line != "```");
            blocks.push((kind, within.collect()));
        }
    }
    blocks
}

/// What a page does.
enum Deed {
    Write {
        name: String,
        text: String,
    },
    Run {
        command: String,
        expected: Vec<String>,
    },
}

fn deeds(text: &str) -> Vec<Deed> {
    let mut deeds = Vec::new();
    for (kind, lines) in blocks(text) {
        match (kind, lines.first()) {
            ("toml", Some(first)) => {
                if let Some(name) = first
                    .strip_prefix("# ")
                    .filter(|name| name.ends_with(".toml"))
                {
                    deeds.push(Deed::Write {
                        name: name.to_owned(),
                        text: lines.join("\n"),
                    });
                }
            }
            ("console", _) => {
                for line in lines {
                    if let Some(command) = line.strip_prefix("$ ") {
                        deeds.push(Deed::Run {
                            command: command.to_owned(),
                            expected: Vec::new(),
                        });
                        continue;
                    }
                    let Some(Deed::Run { command, expected }) = deeds.last_mut() else {
                        panic!("no command before {line}");
                    };
                    match line.strip_prefix("> ").filter(|_| expected.is_empty()) {
                        Some(more) => *command += &format!("\n{more}"),
                        None => expected.push(line.to_owned()),
                    }
                }
            }
            _ => {}
        }
    }
    deeds
}

/// What is run for a command: a server has its port in it.
fn with_address(command: &str) -> String {
    for server in ["portcullis server", "portcullis bench serve"] {
        if let Some(rest) = command
            .strip_prefix(server)
            .filter(|rest| !rest.contains("--listen"))
        {
            return format!("{server} --listen 127.0.0.1:4433{rest}");
        }
    }
    command.to_owned()
}

/// A port that nobody has, and that the system gives nobody who asks for any.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 10_000).unwrap();
    loop {
        let port = 15_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 15_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// The ports that a page names, `:4433`, and those that are used in their place.
fn ports(deeds: &[Deed]) -> Vec<(String, String)> {
    let mut ports = vec![(":4433".to_owned(), format!(":{}", free_port()))];
    for deed in deeds {
        let (Deed::Write { text, .. } | Deed::Run { command: text, .. }) = deed;
        for rest in text.split(':').skip(1) {
            let end = rest.find(|sign: char| !sign.is_ascii_digit());
            let number = &rest[..end.unwrap_or(rest.len())];
            let port = format!(":{number}");
            if number.len() == 4 && ports.iter().all(|(known, _)| *known != port) {
                ports.push((port, format!(":{}", free_port())));
            }
        }
    }
    ports
}

/// All of a page as one program. Whoever goes on in the background is waited for until as many lines are there as are
/// expected; what comes later nobody sees.
fn script(deeds: &[Deed], ports: &[(String, String)]) -> String {
    let with_ports = |text: &str| {
        let replace = |text: String, (port, other): &(String, String)| text.replace(port, other);
        ports.iter().fold(text.to_owned(), replace)
    };
    let mut script = String::from("exec 2>&1\ntrap 'kill $(jobs -p) 2>/dev/null' EXIT\n");
    for (number, deed) in deeds.iter().enumerate() {
        match deed {
            // Written when it is its turn: a file may stand twice on a page.
            Deed::Write { name, text } => {
                writeln!(
                    script,
                    "cat >'{name}' <<'END OF FILE'\n{}\nEND OF FILE",
                    with_ports(text)
                )
                .unwrap();
            }
            Deed::Run { command, expected } => {
                let command = with_ports(&with_address(command));
                writeln!(script, "printf '{MARK}'").unwrap();
                match command.strip_suffix('&').filter(|rest| rest.ends_with(' ')) {
                    None => writeln!(script, "{command}").unwrap(),
                    Some(command) => {
                        let lines = expected.len();
                        let log = format!(".output-{number}");
                        writeln!(script, ": >{log}\n{command} >{log} 2>&1 </dev/null &").unwrap();
                        writeln!(
                            script,
                            "for _ in {{1..600}}; do [ $(wc -l <{log}) -ge {lines} ] && break; kill -0 $! 2>/dev/null || break; sleep 0.05; done\n\
                             head -n {lines} {log}; [ $(wc -l <{log}) -ge {lines} ]"
                        )
                        .unwrap();
                    }
                }
                writeln!(script, "printf '{MARK}%s\\n{MARK}' $?").unwrap();
            }
        }
    }
    script
}

/// Whether a line is as the pattern, in which `[..]` is anything.
fn fits_line(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split("[..]");
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap()) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Whether lines are as the patterns, of which `...` is any lines.
fn fit(patterns: &[String], lines: &[&str]) -> bool {
    match patterns.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=lines.len()).any(|skipped| fit(rest, &lines[skipped..]))
        }
        Some((first, rest)) => match lines.split_first() {
            Some((line, lines)) => fits_line(first, line) && fit(rest, lines),
            None => false,
        },
    }
}

/// Runs a page. What goes wrong is what is given back, with what was seen.
fn run(name: &str, deeds: &[Deed]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let programs = folder.path().join(".programs");
    fs::create_dir(&programs).unwrap();
    symlink(
        env!("CARGO_BIN_EXE_portcullis"),
        programs.join("portcullis"),
    )
    .unwrap();
    let path = format!("{}:{PLACES}", programs.display());
    let ports = ports(deeds);
    let mut shell = Command::new("timeout")
        .args([&PATIENCE.to_string(), "bash", "-c"])
        .arg(script(deeds, &ports))
        .current_dir(folder.path())
        .env_clear()
        .envs([("PATH", &*path), ("HOME", folder.path().to_str().unwrap())])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = Vec::new();
    shell.stdout.take().unwrap().read_to_end(&mut said).unwrap();
    shell.wait().unwrap();
    let said = String::from_utf8(said).unwrap();
    let back = |text: String, (port, other): &(String, String)| text.replace(other, port);
    let said = ports.iter().fold(said, back);
    // Output, status, what is between commands, output, …
    let mut parts = said.split(MARK).skip(1);
    let mut wrong = String::new();
    for deed in deeds {
        let Deed::Run { command, expected } = deed else {
            continue;
        };
        let output = parts.next().unwrap_or_default();
        let status = parts.next().unwrap_or_default().trim();
        parts.next();
        let lines: Vec<&str> = output.lines().collect();
        if status != "0" || !fit(expected, &lines) {
            let expected = expected.join("\n");
            let status = if status.is_empty() {
                "none: time ran out"
            } else {
                status
            };
            wrong += &format!(
                "docs/{name}: $ {command}\nexit code: {status}\n--- expected\n{expected}\n--- seen\n{output}\n"
            );
        }
    }
    wrong
}

/// Whether a page cannot be run here, which is said.
fn lacks_a_program(name: &str) -> bool {
    let Some((_, program)) = NEEDS.iter().find(|(page, _)| *page == name) else {
        return false;
    };
    let is_there = PLACES
        .split(':')
        .any(|place| Path::new(place).join(program).exists());
    let is_ci = std::env::var_os("CI").is_some();
    assert!(is_there || !is_ci, "docs/{name} needs {program}");
    if !is_there {
        println!("docs/{name} was not run: there is no {program}");
    }
    !is_there
}

#[test]
fn commands_of_the_book_do_what_it_says() {
    let mut count = 0;
    let pages: Vec<(String, Vec<Deed>)> = pages()
        .into_iter()
        .map(|name| {
            let deeds = deeds(&page(&name));
            (name, deeds)
        })
        .collect();
    let mut wrong = String::new();
    thread::scope(|scope| {
        let mut running = Vec::new();
        for (name, deeds) in &pages {
            let commands = deeds
                .iter()
                .filter(|deed| matches!(deed, Deed::Run { .. }))
                .count();
            if lacks_a_program(name) {
                continue;
            }
            if commands > 0 {
                count += commands;
                running.push(scope.spawn(move || run(name, deeds)));
            }
        }
        for page in running {
            wrong += &page.join().unwrap();
        }
    });
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count > 30, "{count}");
}

/// A command that nobody runs is in the list, with its reason, and nothing else is.
#[test]
fn what_is_not_run_is_known() {
    for name in pages() {
        let text = page(&name);
        let count = |fence: &str| {
            let of_kind = blocks(&text).into_iter().filter(|(kind, _)| *kind == fence);
            of_kind.count()
        };
        let known = NOT_RUN.iter().find(|(page, ..)| *page == name);
        let (_, expected, reason) = known.copied().unwrap_or_default();
        assert_eq!(count("sh"), expected, "{name}: {reason}");
        for (kind, _) in blocks(&text) {
            let is_known = matches!(
                kind,
                "console"
                    | "erlang"
                    | "ini"
                    | "rust"
                    | "rust,no_run"
                    | "sh"
                    | "text"
                    | "toml"
                    | "yaml"
            );
            assert!(is_known, "{name}: ```{kind}");
        }
    }
}

/// Else the tests above could not fail.
#[test]
fn what_is_otherwise_is_noticed() {
    for (pattern, line, fits) in [
        ("a[..]c", "abc", true),
        ("a[..]c", "ac", true),
        ("a[..]c", "ab", false),
        ("a[..]a", "a", false),
        ("[..]b[..]", "abc", true),
        ("[..]b[..]", "ac", false),
        ("abc", "abcd", false),
    ] {
        assert_eq!(fits_line(pattern, line), fits, "{pattern} {line}");
    }
    for (text, is_wrong) in [
        ("$ echo one; echo two\none\ntwo", false),
        ("$ echo one; echo two\n...\ntwo", false),
        ("$ echo one; echo two\n...", false),
        ("$ echo one; echo two\n...\none", true),
        ("$ echo one; echo two\none", true),
        ("$ echo one", true),
        ("$ false", true),
        ("$ echo one >&2\none", false),
        ("$ echo one &\none", false),
        ("$ echo one &\ntwo", true),
        ("$ false &\none", true),
        ("$ exit", true),
        ("$ cat <<END\n> one\n> END\none", false),
    ] {
        let page = format!("```console\n{text}\n```\n");
        let wrong = run("none", &deeds(&page));
        assert_eq!(!wrong.is_empty(), is_wrong, "{text}: {wrong}");
    }
}
