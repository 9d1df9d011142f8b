//! The command as a person uses it: its own client against its own server, and its mistakes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Output, Stdio};

fn portcullis(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A server that serves one connection, and where it listens.
fn server(arguments: &[&str]) -> (Child, String) {
    let mut server = portcullis(&["server", "--listen", "127.0.0.1:0", "--once"]);
    listening(server.args(arguments).spawn().unwrap())
}

/// A server that has been started, and where it listens.
fn listening(mut server: Child) -> (Child, String) {
    let mut line = String::new();
    BufReader::new(server.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line
        .strip_prefix("READY ")
        .expect("READY first")
        .trim()
        .to_owned();
    (server, address)
}

fn client(arguments: &[&str], input: &[u8]) -> Output {
    let mut client = portcullis(&["client"]).args(arguments).spawn().unwrap();
    // A client that fails closes its input early.
    let _ = client.stdin.take().unwrap().write_all(input);
    client.wait_with_output().unwrap()
}

/// A folder with `ca.pem`, `cert.pem` and `key.pem`.
fn certificates() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let made = portcullis(&["cert", "dev", "--out", folder.path().to_str().unwrap()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    folder
}

fn path(folder: &tempfile::TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

#[test]
fn echo_with_verification_and_json() {
    let folder = certificates();
    let (cert, key, ca) = (
        path(&folder, "cert.pem"),
        path(&folder, "key.pem"),
        path(&folder, "ca.pem"),
    );
    let log = path(&folder, "keys.log");
    let (mut server, address) = server(&[
        "--cert",
        &cert,
        "--key",
        &key,
        "--alpn",
        "echo,other",
        "--groups",
        "x25519",
        "--keylog",
        &log,
    ]);
    let output = client(
        &[&address, "--cafile", &ca, "--json", "--alpn", "echo"],
        b"hello over there\n",
    );
    assert!(output.status.success(), "{output:?}");
    assert!(server.wait().unwrap().success());
    let text = String::from_utf8(output.stdout).unwrap();
    let (json, echo) = text.split_once('\n').unwrap();
    assert_eq!(echo, "hello over there\n");
    let facts: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(facts["version"], "TLSv1.3");
    assert_eq!(facts["group"], "x25519");
    assert_eq!(facts["alpn"], "echo");
    let log = std::fs::read_to_string(log).unwrap();
    for label in [
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET ",
        "SERVER_TRAFFIC_SECRET_0 ",
        "EXPORTER_SECRET ",
    ] {
        assert!(log.contains(label), "{log}");
    }
}

#[test]
fn mutual_authentication_is_required_and_given() {
    let folder = certificates();
    let (cert, key, ca) = (
        path(&folder, "cert.pem"),
        path(&folder, "key.pem"),
        path(&folder, "ca.pem"),
    );
    let arguments = [
        "--cert",
        &cert,
        "--key",
        &key,
        "--client-auth",
        "required",
        "--cafile",
        &ca,
    ];
    let (mut with, address) = server(&arguments);
    let output = client(
        &[&address, "--cafile", &ca, "--cert", &cert, "--key", &key],
        b"x",
    );
    assert_eq!(
        (output.status.code(), &output.stdout[..]),
        (Some(0), &b"x"[..]),
        "{output:?}"
    );
    assert!(with.wait().unwrap().success());

    let (mut without, address) = server(&arguments);
    let output = client(&[&address, "--cafile", &ca], b"x");
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("certificate_required"),
        "{output:?}"
    );
    assert_eq!(without.wait().unwrap().code(), Some(4));
}

#[test]
fn an_unknown_server_is_refused_unless_that_is_wanted() {
    let (mut refused, address) = server(&[]);
    let folder = certificates();
    let ca = path(&folder, "ca.pem");
    let output = client(&[&address, "--cafile", &ca], b"");
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(refused.wait().unwrap().code(), Some(4));

    let (mut accepted, address) = server(&["--www"]);
    let output = client(&[&address, "--insecure"], b"GET / HTTP/1.0\r\n\r\n");
    let page = String::from_utf8_lossy(&output.stdout);
    assert!(
        page.starts_with("HTTP/1.0 200 OK\r\n") && page.contains("X25519MLKEM768"),
        "{output:?}"
    );
    assert!(accepted.wait().unwrap().success());
}

#[test]
fn mistakes_get_one_sentence_and_exit_code_2() {
    let sentence = |output: Output| {
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let output = client(&["nowhere"], b"");
    assert_eq!(sentence(output).lines().count(), 1);
    let output = client(&["localhost:1", "--cafile", "/does/not/exist.pem"], b"");
    assert!(sentence(output).contains("/does/not/exist.pem"));
    let output = client(&["localhost:1", "--groups", "x25519,brainpool"], b"");
    assert!(sentence(output).contains("choose from X25519MLKEM768"));
    let folder = certificates();
    let again = portcullis(&["cert", "dev", "--out", folder.path().to_str().unwrap()])
        .output()
        .unwrap();
    assert!(sentence(again).contains("--force"));
}

#[test]
fn a_transport_that_is_not_there_is_exit_code_1() {
    let output = client(&["127.0.0.1:1", "--insecure"], b"");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn a_client_reconnects_and_resumes() {
    let folder = certificates();
    let (cert, key, ca) = (
        path(&folder, "cert.pem"),
        path(&folder, "key.pem"),
        path(&folder, "ca.pem"),
    );
    for (tickets, how) in [(true, "resumed"), (false, "full handshake")] {
        let mut server = portcullis(&["server", "--listen", "127.0.0.1:0"]);
        server.args(["--cert", &cert, "--key", &key]);
        if tickets {
            server.arg("--tickets");
        }
        let (mut server, address) = listening(server.spawn().unwrap());
        let output = client(&[&address, "--cafile", &ca, "--reconnect", "2"], b"hello\n");
        server.kill().unwrap();
        server.wait().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(output.stdout, b"hello\n");
        let told = String::from_utf8(output.stderr).unwrap();
        let expected =
            format!("connection 1: full handshake\nconnection 2: {how}\nconnection 3: {how}\n");
        assert_eq!(told, expected);
    }
}

#[test]
fn a_wrong_name_is_blamed_and_not_the_host() {
    let output = client(&["localhost:1", "--insecure", "--name", "not a name"], b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("--name \"not a name\""), "{said}");
    assert!(!said.contains("localhost"), "{said}");
}

#[cfg(unix)]
#[test]
fn files_are_replaced_whole_and_only_their_owner_may_read_them() {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let folder = certificates();
    let key = folder.path().join("key.pem");
    let elsewhere = folder.path().join("elsewhere");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let open = fs::File::open(&key).unwrap();
    let before = fs::read(&key).unwrap();
    fs::write(&elsewhere, "mine").unwrap();
    fs::remove_file(folder.path().join("cert.pem")).unwrap();
    symlink(&elsewhere, folder.path().join("cert.pem")).unwrap();

    let out = folder.path().to_str().unwrap();
    let made = portcullis(&["cert", "dev", "--force", "--out", out])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    for name in ["ca.pem", "cert.pem", "key.pem"] {
        let metadata = fs::symlink_metadata(folder.path().join(name)).unwrap();
        assert!(metadata.is_file(), "{name}");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
    }
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "mine");
    assert_eq!(std::io::read_to_string(open).unwrap().as_bytes(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
}
