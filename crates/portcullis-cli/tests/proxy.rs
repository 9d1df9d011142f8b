//! `portcullis proxy`: its arguments, what it says of files, and signals.

#![cfg(unix)]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use support::{Certificates, client, portcullis, printed, run, sentence};

/// A proxy that runs; it is killed when dropped.
struct Proxy {
    child: Child,
    address: String,
}

impl Proxy {
    fn start(arguments: &[&str]) -> Self {
        let mut command = portcullis(&["proxy"]);
        Self::of(command.args(arguments).spawn().unwrap())
    }

    fn of(mut child: Child) -> Self {
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.as_mut().unwrap());
        output.read_line(&mut line).unwrap();
        let address = line.strip_prefix("READY ").unwrap_or_else(|| {
            let mut said = String::new();
            child
                .stderr
                .as_mut()
                .unwrap()
                .read_to_string(&mut said)
                .unwrap();
            panic!("{line}{said}")
        });
        Self {
            address: address.trim().to_owned(),
            child,
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([name, &pid]).status();
        assert!(status.unwrap().success());
    }

    /// The next line that it says to people.
    fn says(&mut self) -> String {
        let mut line = String::new();
        let mut byte = [0];
        while !line.ends_with('\n') {
            let read = self.child.stderr.as_mut().unwrap().read(&mut byte).unwrap();
            assert_eq!(read, 1, "{line}");
            line.push(char::from(byte[0]));
        }
        line
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that says its name, then gives back what it gets.
fn echo(name: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for io in listener.incoming() {
            let mut io = io.unwrap();
            std::thread::spawn(move || {
                let _ = io.write_all(name.as_bytes());
                let mut from = io.try_clone().unwrap();
                let _ = std::io::copy(&mut from, &mut io);
                let _ = io.shutdown(std::net::Shutdown::Write);
            });
        }
    });
    address
}

#[test]
fn arguments_are_enough_for_the_simple_cases() {
    let made = Certificates::make();
    let backend = echo("one:");
    let [_, cert, _, key] = made.server();
    let terminating = Proxy::start(&[
        "--listen",
        "127.0.0.1:0",
        "--to",
        &backend,
        "--cert",
        cert,
        "--key",
        key,
    ]);
    let output = client(&[&terminating.address, "--cafile", &made.ca], b"hello");
    assert_eq!(printed(output), "one:hello");

    // One that originates, before it.
    let both = Proxy::start(&[
        "--listen",
        "127.0.0.1:0",
        "--to",
        &terminating.address,
        "--originate",
        "--server-name",
        "localhost",
        "--cafile",
        &made.ca,
    ]);
    let mut io = TcpStream::connect(&both.address).unwrap();
    io.write_all(b"plain").unwrap();
    io.shutdown(std::net::Shutdown::Write).unwrap();
    let mut all = String::new();
    io.read_to_string(&mut all).unwrap();
    assert_eq!(all, "one:plain");

    // One that passes, before that which terminates.
    let passing = Proxy::start(&[
        "--listen",
        "127.0.0.1:0",
        "--to",
        &terminating.address,
        "--pass",
    ]);
    let output = client(&[&passing.address, "--cafile", &made.ca], b"hello");
    assert_eq!(printed(output), "one:hello");
}

#[test]
fn what_is_wrong_with_a_file_is_an_exit_code_and_a_list() {
    let made = Certificates::make();
    let [_, cert, _, key] = made.server();
    let file = made.path("proxy.toml");
    let printing = [
        "proxy",
        "--listen",
        "127.0.0.1:0",
        "--to",
        "127.0.0.1:1",
        "--cert",
        cert,
        "--key",
        key,
        "--print-config",
    ];
    let text = printed(run(&printing));
    fs::write(&file, &text).unwrap();
    let ok = printed(run(&["proxy", "--check", &file]));
    let expected = "ok: 1 listener, 1 route, 1 backend, 1 identity (own: ";
    assert!(ok.starts_with(expected), "{ok}");

    fs::write(&file, text.replace("127.0.0.1:1", "nowhere")).unwrap();
    let said = sentence(run(&["proxy", "--check", &file]), 2);
    assert!(
        said.contains(&format!("{file}:11:12: \"nowhere\": a server is HOST:PORT")),
        "{said}"
    );
    let output = run(&["proxy", "--check", "--json", &file]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stderr.is_empty());
    let page: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(page["ok"], false);
    assert_eq!(page["problems"][0]["line"], 11);
    // Nor does it run.
    sentence(run(&["proxy", &file]), 2);
    sentence(run(&["proxy", &made.path("none.toml")]), 2);
}

#[test]
fn signals_reload_and_end() {
    let made = Certificates::make();
    let [_, cert, _, key] = made.server();
    let file = made.path("proxy.toml");
    let text = |backend: &str| {
        format!(
            "version = 1\nlog = {{ access = \"off\" }}\ntimeouts = {{ drain = \"5s\" }}\n[[listen]]\nname = \"in\"\n\
             address = \"127.0.0.1:0\"\n[[identity]]\nname = \"own\"\ncertificate = \"{cert}\"\nkey = \"{key}\"\n[[route]]\n\
             identity = \"own\"\nbackend = {{ servers = [\"{backend}\"] }}\n"
        )
    };
    fs::write(&file, text(&echo("one:"))).unwrap();
    let mut proxy = Proxy::start(&[&file]);
    let ask = |proxy: &Proxy| printed(client(&[&proxy.address, "--cafile", &made.ca], b""));
    assert_eq!(ask(&proxy), "one:");

    fs::write(&file, "version = 1\n").unwrap();
    proxy.signal("-HUP");
    let said = proxy.says();
    assert!(
        said.contains("not reloaded, what was there goes on: "),
        "{said}"
    );
    assert_eq!(ask(&proxy), "one:");

    fs::write(&file, text(&echo("two:"))).unwrap();
    proxy.signal("-HUP");
    let said = proxy.says();
    assert!(said.contains("reloaded: 1 listener"), "{said}");
    assert_eq!(ask(&proxy), "two:");

    // A connection that is there is served to its end.
    let mut held = portcullis(&["client", &proxy.address, "--cafile", &made.ca]);
    let mut held = held.stderr(Stdio::null()).spawn().unwrap();
    let mut first = [0; 4];
    held.stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut first)
        .unwrap();
    proxy.signal("-TERM");
    for _ in 0..100 {
        if TcpStream::connect(&proxy.address).is_err() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(proxy.child.try_wait().unwrap().is_none());
    held.stdin.take().unwrap().write_all(b"last").unwrap();
    let mut rest = String::new();
    held.stdout
        .as_mut()
        .unwrap()
        .read_to_string(&mut rest)
        .unwrap();
    assert_eq!((&first, rest.as_str()), (b"two:", "last"));
    held.wait().unwrap();
    assert_eq!(proxy.child.wait().unwrap().code(), Some(0));
}

/// One listener without TLS.
fn plain(more: &str, address: &str, backend: &str) -> String {
    format!(
        "version = 1\n{more}\n[[listen]]\nname = \"in\"\naddress = \"{address}\"\n[[route]]\ntls = \"off\"\n\
         backend = {{ servers = [\"{backend}\"] }}\n"
    )
}

/// Connects, and hears the name of the server.
fn hears(address: &str) -> (TcpStream, String) {
    let mut io = TcpStream::connect(address).unwrap();
    let mut name = [0; 4];
    io.read_exact(&mut name).unwrap();
    (io, String::from_utf8_lossy(&name).into_owned())
}

#[test]
fn the_log_may_be_moved_away_and_an_end_at_once_loses_none_of_it() {
    let made = Certificates::make();
    let [file, log, moved] = ["proxy.toml", "access.log", "access.log.1"].map(|it| made.path(it));
    let more =
        format!("log = {{ access = \"{log}\" }}\ntimeouts = {{ drain = \"60s\", idle = \"60s\" }}");
    fs::write(&file, plain(&more, "127.0.0.1:0", &echo("one:"))).unwrap();
    let mut proxy = Proxy::start(&[&file]);
    for signal in ["-USR1", "-HUP"] {
        fs::rename(&log, &moved).unwrap();
        proxy.signal(signal);
        for _ in 0..500 {
            if fs::exists(&log).unwrap() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert!(fs::exists(&log).unwrap(), "{signal}");
    }
    let said = proxy.says();
    assert!(said.contains("reloaded: 1 listener"), "{said}");
    let held = [hears(&proxy.address), hears(&proxy.address)];
    proxy.signal("-TERM");
    // The second counts when the first was seen.
    for _ in 0..500 {
        if TcpStream::connect(&proxy.address).is_err() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    proxy.signal("-TERM");
    assert_eq!(proxy.child.wait().unwrap().code(), Some(0));
    let said = proxy.says();
    assert!(said.contains("connections were cut"), "{said}");
    let lines = fs::read_to_string(&log).unwrap();
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let drained = lines.filter(|line| line["outcome"] == "drained");
    assert!(drained.count() >= 2);
    drop(held);
}

#[test]
fn one_takes_over_from_another() {
    let made = Certificates::make();
    let [file, next, socket] = ["proxy.toml", "next.toml", "take.sock"].map(|it| made.path(it));
    let more = format!("log = {{ access = \"off\" }}\nprocess = {{ take_over = \"{socket}\" }}");
    fs::write(&file, plain(&more, "127.0.0.1:0", &echo("one:"))).unwrap();
    let mut before = Proxy::start(&[&file]);
    assert_eq!(hears(&before.address).1, "one:");
    fs::write(&next, plain(&more, &before.address, &echo("two:"))).unwrap();
    // Without asking it has no place.
    let said = sentence(run(&["proxy", &next]), 1);
    assert!(said.contains("listening on"), "{said}");
    let after = Proxy::start(&[&next, "--take-over", &socket]);
    assert_eq!(after.address, before.address);
    assert_eq!(before.child.wait().unwrap().code(), Some(0));
    assert_eq!(before.says(), "portcullis: another has taken over\n");
    assert_eq!(hears(&after.address).1, "two:");
}

/// As systemd does it: `python3`.
#[cfg(feature = "interop")]
#[test]
fn sockets_of_systemd_are_taken() {
    const SCRIPT: &str = "import os, socket, sys\n\
        listener = socket.socket()\n\
        listener.bind(('127.0.0.1', 0))\n\
        listener.listen()\n\
        text = open(sys.argv[3]).read()\n\
        if sys.argv.pop() == 'named':\n\
        \x20   text = text.replace('127.0.0.1:0', '127.0.0.1:%d' % listener.getsockname()[1])\n\
        open(sys.argv[3], 'w').write(text)\n\
        os.dup2(listener.fileno(), 3)\n\
        os.set_inheritable(3, True)\n\
        os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))\n\
        os.execv(sys.argv[1], sys.argv[1:])\n";
    let made = Certificates::make();
    let file = made.path("proxy.toml");
    let start = |how: &str| {
        let more = "log = { access = \"off\" }";
        fs::write(&file, plain(more, "127.0.0.1:0", &echo("one:"))).unwrap();
        let program = env!("CARGO_BIN_EXE_portcullis");
        let mut command = Command::new("python3");
        command.args(["-c", SCRIPT, program, "proxy", &file, how]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let proxy = Proxy::of(start("named").spawn().unwrap());
    assert_eq!(hears(&proxy.address).1, "one:");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(&proxy.address), "{text}");
    // Whoever waits at a socket that the file does not have is never served.
    let refused = start("other").output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("no [[listen]] has that address"), "{said}");
}

/// A file may be on a disk that does not answer.
#[test]
fn a_reload_that_hangs_keeps_nobody_from_ending_it() {
    let made = Certificates::make();
    let [_, cert, _, key] = made.server();
    let [file, copy] = [made.path("proxy.toml"), made.path("copy.pem")];
    fs::copy(cert, &copy).unwrap();
    let backend = echo("one:");
    let text = format!(
        "version = 1\nlog = {{ access = \"off\" }}\n[[listen]]\nname = \"in\"\naddress = \"127.0.0.1:0\"\n[[identity]]\n\
         name = \"own\"\ncertificate = \"{copy}\"\nkey = \"{key}\"\n[[route]]\nidentity = \"own\"\n\
         backend = {{ servers = [\"{backend}\"] }}\n"
    );
    fs::write(&file, text).unwrap();
    let mut proxy = Proxy::start(&[&file]);
    fs::remove_file(&copy).unwrap();
    let made = Command::new("mkfifo").arg(&copy).status().unwrap();
    assert!(made.success());
    proxy.signal("-HUP");
    std::thread::sleep(std::time::Duration::from_millis(200));
    proxy.signal("-TERM");
    for _ in 0..250 {
        if let Some(ended) = proxy.child.try_wait().unwrap() {
            assert_eq!(ended.code(), Some(0));
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("it has not ended after 5 seconds");
}

/// A user that is in no group but its own, on every system.
#[cfg(target_os = "linux")]
const NOBODY: &str = "nobody";

#[cfg(target_os = "linux")]
fn succeeds(program: &str, arguments: &[&str]) -> String {
    printed(Command::new(program).args(arguments).output().unwrap())
}

/// What each of its threads is.
#[cfg(target_os = "linux")]
fn of_threads(proxy: &Proxy, key: &str) -> std::collections::BTreeSet<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", proxy.child.id())).unwrap();
    let of_task = |task: std::io::Result<fs::DirEntry>| {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let mut lines = status.lines();
        let found = lines.find_map(|line| line.strip_prefix(key));
        let words = found.unwrap().split_whitespace();
        words.collect::<Vec<_>>().join(" ")
    };
    tasks.map(of_task).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn it_becomes_another_user_who_can_read_all_of_it_again() {
    use std::os::unix::fs::MetadataExt as _;

    let made = Certificates::make();
    let [_, cert, _, key] = made.server();
    let [file, log, take_over] = ["proxy.toml", "log", "take.sock"].map(|it| made.path(it));
    let text = |more: &str, address: &str| {
        format!(
            "version = 1\nprocess = {{ user = \"{NOBODY}\", take_over = \"{take_over}\" }}\n\
             log = {{ access = \"{log}\" }}\n{more}\n[[listen]]\nname = \"in\"\naddress = \"{address}\"\n\
             [[identity]]\nname = \"own\"\ncertificate = \"{cert}\"\nkey = \"{key}\"\n[[route]]\nidentity = \"own\"\n\
             backend = {{ servers = [\"{}\"] }}\n",
            echo("one:")
        )
    };
    fs::write(&file, text("", "127.0.0.1:0")).unwrap();
    if succeeds("id", &["-u"]).trim() != "0" {
        let output = run(&["proxy", &file]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains("whether that user can read the files"),
            "{said}"
        );
        assert!(
            said.contains("becoming \"nobody\" (process.user): "),
            "{said}"
        );
        return;
    }
    let [user, group] = ["-u", "-g"].map(|it| succeeds("id", &[it, NOBODY]).trim().to_owned());
    let lets = |mode: &str, path: &str| succeeds("chmod", &[mode, path]);
    let folder = made.folder.path().to_str().unwrap();

    // Nobody comes into the folder, so a reload would find nothing of it.
    lets("700", folder);
    let output = run(&["proxy", "--check", &file]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    for path in [&file, cert, key] {
        let expected = format!("\"nobody\", whom the proxy is to become, cannot read {path}, and");
        assert!(said.contains(&expected), "{said}");
    }
    lets("755", folder);
    lets("644", &file);
    lets("644", cert);
    lets("600", key);
    let said = sentence(run(&["proxy", &file]), 2);
    assert!(said.contains(&format!("cannot read {key}, and")), "{said}");
    assert!(said.contains("proxy.toml:11:7: "), "{said}");
    succeeds("chgrp", &[&group, key]);
    lets("640", key);
    printed(run(&["proxy", "--check", &file]));

    // The log is opened anew some day.
    let said = sentence(run(&["proxy", &file]), 1);
    assert!(
        said.contains("log.access as \"nobody\", who opens it anew: "),
        "{said}"
    );
    fs::write(&log, "").unwrap();
    succeeds("chown", &[NOBODY, &log]);
    let mut proxy = Proxy::start(&[&file]);
    let one = |words: &str| std::collections::BTreeSet::from([words.to_owned()]);
    assert_eq!(of_threads(&proxy, "Uid:"), one(&[&*user; 4].join(" ")));
    assert_eq!(of_threads(&proxy, "Gid:"), one(&[&*group; 4].join(" ")));
    assert_eq!(of_threads(&proxy, "Groups:"), one(&group));
    assert_eq!(of_threads(&proxy, "CapPrm:"), one(&"0".repeat(16)));
    assert_eq!(fs::metadata(&take_over).unwrap().uid().to_string(), user);
    let ask = |proxy: &Proxy| printed(client(&[&proxy.address, "--cafile", &made.ca], b""));
    assert_eq!(ask(&proxy), "one:");
    proxy.signal("-HUP");
    assert!(proxy.says().contains("reloaded: 1 listener"));
    // As it is now, it is who reads the key.
    lets("600", key);
    proxy.signal("-HUP");
    let said = proxy.says();
    assert!(
        said.contains("not reloaded") && said.contains("proxy.toml:11:7: "),
        "{said}"
    );
    lets("640", key);

    // One that root has started takes its place, and becomes that user, too.
    fs::write(&file, text("", &proxy.address)).unwrap();
    let after = Proxy::start(&[&file, "--take-over", &take_over]);
    assert_eq!(proxy.child.wait().unwrap().code(), Some(0));
    assert_eq!(of_threads(&after, "Uid:"), one(&[&*user; 4].join(" ")));
    assert_eq!(ask(&after), "one:");
}

/// Whether this is root; who is not cannot test what root has to leave alone.
#[cfg(target_os = "linux")]
fn is_root() -> bool {
    let is_root = succeeds("id", &["-u"]).trim() == "0";
    if !is_root {
        eprintln!("SKIPPED: only root can become somebody else");
    }
    is_root
}

/// Runs it to its end, which has to come soon: it is not to be started.
#[cfg(target_os = "linux")]
fn refused(arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new("timeout");
    command.args(["20", env!("CARGO_BIN_EXE_portcullis")]);
    command.args(arguments).output().unwrap()
}

/// A folder of that user's has a link in the place of the log: it leads to nothing that the user may not write to.
#[cfg(target_os = "linux")]
#[test]
fn root_opens_no_file_by_a_link_of_somebody_else() {
    if !is_root() {
        return;
    }
    let made = Certificates::make();
    let folder = made.folder.path().to_str().unwrap();
    succeeds("chmod", &["755", folder]);
    let [file, secret, theirs] = ["proxy.toml", "secret", "theirs"].map(|it| made.path(it));
    fs::write(&secret, "").unwrap();
    succeeds("chmod", &["600", &secret]);
    fs::create_dir(&theirs).unwrap();
    std::os::unix::fs::symlink(&secret, format!("{theirs}/log")).unwrap();
    succeeds("chown", &["-h", NOBODY, &theirs, &format!("{theirs}/log")]);
    let more =
        format!("process = {{ user = \"{NOBODY}\" }}\nlog = {{ access = \"{theirs}/log\" }}");
    fs::write(&file, plain(&more, "127.0.0.1:0", &echo("one:"))).unwrap();
    succeeds("chmod", &["644", &file]);
    let said = sentence(refused(&["proxy", &file]), 1);
    assert!(
        said.contains("log.access as \"nobody\", who opens it anew: "),
        "{said}"
    );
    assert_eq!(fs::read(&secret).unwrap(), b"");
    // Where there is nothing yet, nothing is made for root.
    fs::remove_file(&secret).unwrap();
    let said = sentence(refused(&["proxy", &file]), 1);
    assert!(said.contains("log.access as \"nobody\""), "{said}");
    assert!(!fs::exists(&secret).unwrap());
}

/// Whose the path is that root takes sockets over from does not say who is trusted.
#[cfg(target_os = "linux")]
#[test]
fn root_takes_sockets_from_root_and_from_whom_it_becomes_alone() {
    use std::os::unix::process::CommandExt as _;

    if !is_root() {
        return;
    }
    let made = Certificates::make();
    succeeds("chmod", &["755", made.folder.path().to_str().unwrap()]);
    let [theirs, before, after] = ["theirs", "before.toml", "after.toml"].map(|it| made.path(it));
    fs::create_dir(&theirs).unwrap();
    succeeds("chown", &[NOBODY, &theirs]);
    let path = format!("{theirs}/take.sock");
    let more = format!("process = {{ take_over = \"{path}\" }}\nlog = {{ access = \"off\" }}");
    let backend = echo("one:");
    fs::write(&before, plain(&more, "127.0.0.1:0", &backend)).unwrap();
    succeeds("chmod", &["644", &before]);
    let [user, group] =
        ["-u", "-g"].map(|it| succeeds("id", &[it, NOBODY]).trim().parse().unwrap());
    let program = made.path("portcullis");
    fs::copy(env!("CARGO_BIN_EXE_portcullis"), &program).unwrap();
    // It is nobody from the beginning, and so is its socket.
    let mut command = Command::new(&program);
    let command = command.args(["proxy", &before]).uid(user).gid(group);
    let (stdout, stderr) = (Stdio::piped(), Stdio::piped());
    let mut proxy = Proxy::of(command.stdout(stdout).stderr(stderr).spawn().unwrap());
    fs::write(&after, plain(&more, &proxy.address, &backend)).unwrap();
    let said = sentence(refused(&["proxy", &after, "--take-over", &path]), 1);
    let whose = format!("who listens there runs as user {user}, whose sockets are not taken");
    assert!(said.contains(&whose), "{said}");
    assert_eq!(hears(&proxy.address).1, "one:");
    // It becomes that user itself.
    let more = more.replace(
        "take_over = ",
        &format!("user = \"{NOBODY}\", take_over = "),
    );
    fs::write(&after, plain(&more, &proxy.address, &backend)).unwrap();
    succeeds("chmod", &["644", &after]);
    let next = Proxy::start(&[&after, "--take-over", &path]);
    assert_eq!(proxy.child.wait().unwrap().code(), Some(0));
    assert_eq!(hears(&next.address).1, "one:");
}

/// Who is that user already, and has groups of root all the same, does not go on; other groups it may have.
#[cfg(target_os = "linux")]
#[test]
fn groups_that_are_left_of_root_are_not_kept() {
    if !is_root() {
        return;
    }
    let made = Certificates::make();
    succeeds("chmod", &["755", made.folder.path().to_str().unwrap()]);
    let [file, program] = ["proxy.toml", "portcullis"].map(|it| made.path(it));
    fs::copy(env!("CARGO_BIN_EXE_portcullis"), &program).unwrap();
    let more = format!("process = {{ user = \"{NOBODY}\" }}\nlog = {{ access = \"off\" }}");
    fs::write(&file, plain(&more, "127.0.0.1:0", &echo("one:"))).unwrap();
    succeeds("chmod", &["644", &file]);
    let [user, group] = ["-u", "-g"].map(|it| succeeds("id", &[it, NOBODY]).trim().to_owned());
    let words = |groups: &str, more: &[&str]| {
        let words = [
            "setpriv", "--reuid", &user, "--regid", &group, "--groups", groups,
        ];
        let all = [&words[..], more, &[&program, "proxy", &file]].concat();
        all.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let started = |groups: &str, more: &[&str]| {
        let words = words(groups, more);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Proxy::of(command.spawn().unwrap())
    };
    let mut command = Command::new("timeout");
    let output = command
        .arg("20")
        .args(words("0,12345", &[]))
        .output()
        .unwrap();
    let said = sentence(output, 1);
    assert!(
        said.contains("has groups of root all the same ([0])"),
        "{said}"
    );
    let other = started("12345", &[]);
    assert_eq!(hears(&other.address).1, "one:");
    assert!(of_threads(&other, "Groups:").contains("12345"));
    // Where it may leave them, it does.
    let capability = ["--inh-caps", "+setgid", "--ambient-caps", "+setgid"];
    let left = started("0,12345", &capability);
    let groups = of_threads(&left, "Groups:");
    assert_eq!(groups, std::collections::BTreeSet::from([group.clone()]));
}
