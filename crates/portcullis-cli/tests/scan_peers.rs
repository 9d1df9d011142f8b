//! The scanner against servers that are set up in known ways: each setting is seen as it is, and nothing else.
//! `apt-get install openssl gnutls-bin erlang-ssl nginx-light`
//!
//! `scan/servers.toml` has the servers.

mod support;

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use support::{Certificates, Server, run};
use toml::de::{DeTable, DeValue};

/// A server of somebody else's, which is killed when dropped.
struct Peer {
    child: Child,
    port: u16,
}

impl Peer {
    fn start(program: &str, arguments: impl Fn(&str) -> Vec<String>) -> Self {
        let free = || {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port()
        };
        let listens = |port| TcpStream::connect(("127.0.0.1", port)).is_ok();
        Self::start_where(program, arguments, free, listens)
    }

    /// The same over UDP, where nobody can connect: a port that is taken is the server's.
    fn start_over_datagrams(program: &str, arguments: impl Fn(&str) -> Vec<String>) -> Self {
        let free = || {
            let free = UdpSocket::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port()
        };
        let listens = |port| UdpSocket::bind(("127.0.0.1", port)).is_err();
        Self::start_where(program, arguments, free, listens)
    }

    fn start_where(
        program: &str,
        arguments: impl Fn(&str) -> Vec<String>,
        free: impl Fn() -> u16,
        listens: impl Fn(u16) -> bool,
    ) -> Self {
        // Somebody else may take the port in between.
        for _ in 0..3 {
            let port = free();
            let mut child = Command::new(program)
                .args(arguments(&port.to_string()))
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap_or_else(|error| panic!("{program}: {error}"));
            for _ in 0..400 {
                if listens(port) {
                    return Self { child, port };
                }
                if child.try_wait().unwrap().is_some() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(25));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("{program} does not listen");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Certificates and parameters that are wanted by name.
fn made() -> Certificates {
    let made = Certificates::make();
    let openssl = |words: &str| {
        let mut command = Command::new("openssl");
        let ran = command
            .args(words.split(' '))
            .current_dir(made.folder.path())
            .stderr(Stdio::null())
            .status();
        assert!(ran.unwrap().success(), "{words}");
    };
    let new = "req -x509 -nodes -subj /CN=localhost -days 3";
    openssl(&format!(
        "{new} -newkey rsa:2048 -keyout rsa-key.pem -out rsa.pem"
    ));
    let p384 = "-newkey ec -pkeyopt ec_paramgen_curve:P-384";
    openssl(&format!("{new} {p384} -keyout p384-key.pem -out p384.pem"));
    // A short key, and a signature with a broken hash.
    let new = "req -x509 -nodes -days 3 -newkey rsa:2048";
    openssl(&format!(
        "{new} -subj /CN=weak-authority -keyout weak-ca-key.pem -out weak-ca.pem"
    ));
    openssl("req -nodes -newkey rsa:1024 -subj /CN=localhost -keyout weak-key.pem -out weak.csr");
    openssl(
        "x509 -req -in weak.csr -CA weak-ca.pem -CAkey weak-ca-key.pem -set_serial 7 -sha1 -days 3 -out weak.pem",
    );
    openssl("genpkey -genparam -algorithm DH -pkeyopt group:modp_1536 -out dh.pem");
    chains(&made, &openssl);
    statuses(&made, &openssl);
    made
}

/// A certificate below an authority that is below the one that is trusted, and those in two orders.
fn chains(made: &Certificates, openssl: &dyn Fn(&str)) {
    let write = |name: &str, text: &str| std::fs::write(made.path(name), text).unwrap();
    let read = |name: &str| std::fs::read_to_string(made.path(name)).unwrap();
    write("ca.ext", "basicConstraints=critical,CA:TRUE\n");
    write(
        "leaf.ext",
        "basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n",
    );
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    let sign = "-CAkey ca-key.pem -days 90";
    openssl(&format!(
        "req {key} -subj /CN=between -keyout between-key.pem -out between.csr"
    ));
    openssl(&format!(
        "x509 -req -in between.csr -CA ca.pem {sign} -set_serial 21 -extfile ca.ext -out between.pem"
    ));
    openssl(&format!(
        "req {key} -subj /CN=localhost -keyout below-key.pem -out below.csr"
    ));
    openssl(
        "x509 -req -in below.csr -CA between.pem -CAkey between-key.pem -days 90 -set_serial 22 -extfile leaf.ext -out below.pem",
    );
    let (between, root) = (read("between.pem"), read("ca.pem"));
    write("rooted.pem", &format!("{between}{root}"));
    write("reversed.pem", &format!("{root}{between}"));
    // One that is not to be shown without an OCSP response.
    let leaf = read("leaf.ext");
    write(
        "demanding.ext",
        &format!("{leaf}tlsfeature=status_request\n"),
    );
    openssl(&format!(
        "x509 -req -in below.csr -CA ca.pem {sign} -set_serial 23 -extfile demanding.ext -out demanding.pem"
    ));
}

/// What a responder says of that, and of another.
fn statuses(made: &Certificates, openssl: &dyn Fn(&str)) {
    for (name, line) in [
        ("good", "V\t400101000000Z\t\t17\tunknown\t/CN=localhost\n"),
        (
            "revoked",
            "R\t400101000000Z\t250101000000Z\t17\tunknown\t/CN=localhost\n",
        ),
        ("none", "V\t400101000000Z\t\t99\tunknown\t/CN=other\n"),
    ] {
        std::fs::write(made.path(&format!("{name}.txt")), line).unwrap();
        let responder = "-CA ca.pem -rsigner ca.pem -rkey ca-key.pem -ndays 3";
        openssl(&format!(
            "ocsp -index {name}.txt {responder} -issuer ca.pem -cert demanding.pem -no_nonce -respout {name}.ocsp"
        ));
    }
    let other = "-issuer between.pem -cert below.pem -CA between.pem -rsigner between.pem";
    openssl(&format!(
        "ocsp -index none.txt {other} -rkey between-key.pem -ndays 3 -no_nonce -respout other.ocsp"
    ));
}

/// Echoes nothing: it reads until the client closes.
fn erlang(made: &Certificates, port: &str, options: &str) -> Vec<String> {
    let program = format!(
        r#"ssl:start(),
        {{ok, L}} = ssl:listen({port}, [{{ip, {{127,0,0,1}}}}, {{certfile, "{}"}}, {{keyfile, "{}"}}, {{active, false}}, {{reuseaddr, true}}, {{log_level, none}} {options}]),
        Loop = fun Loop() ->
            {{ok, S}} = ssl:transport_accept(L),
            P = spawn(fun() -> receive go -> ok end, case ssl:handshake(S, 5000) of {{ok, T}} -> ssl:recv(T, 0, 5000), ssl:close(T); _ -> ok end end),
            ssl:controlling_process(S, P), P ! go,
            Loop()
        end,
        Loop()."#,
        made.cert, made.key
    );
    ["-noshell", "-eval", &program].map(str::to_owned).into()
}

/// One process, which writes nowhere but into the folder.
fn nginx(made: &Certificates, port: &str, options: &str) -> Vec<String> {
    let folder = made.folder.path().display().to_string();
    let file = format!("{folder}/nginx-{port}.conf");
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let kinds = kinds.map(|kind| format!("{kind}_temp_path {folder}/{kind};"));
    let text = format!(
        "daemon off; master_process off; pid {folder}/nginx-{port}.pid; error_log {folder}/nginx-{port}.log;
         events {{ worker_connections 64; }}
         http {{ access_log off; {}
         server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {}; ssl_certificate_key {}; {options} }} }}",
        kinds.join(" "),
        made.cert,
        made.key
    );
    std::fs::write(&file, text).unwrap();
    let log = format!("{folder}/nginx-{port}.log");
    ["-c", &file, "-e", &log].map(str::to_owned).into()
}

/// What a program is started with at a port.
type Arguments<'a> = &'a dyn Fn(&str) -> Vec<String>;

enum Running {
    Peer(Peer),
    Ours(Server),
}

impl Running {
    /// `{name}` in the options is a file of the folder.
    fn start(program: &str, options: &[String], made: &Certificates) -> Self {
        let folder = made.folder.path().display().to_string();
        let options = options.iter().map(|option| option.replace("{}", &folder));
        let options: Vec<String> = options.collect();
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let certificate = match program {
            "gnutls" => ["--x509certfile", &made.cert, "--x509keyfile", &made.key],
            _ => ["-cert", &made.cert, "-key", &made.key],
        };
        let certificate: Vec<String> = match options
            .iter()
            .any(|option| option == "-cert" || option == "--x509certfile")
        {
            true => Vec::new(),
            false => owned(&certificate),
        };
        let (name, arguments): (&str, Arguments<'_>) = match program {
            "openssl" | "openssl over datagrams" => ("openssl", &|port| {
                let accept = format!("127.0.0.1:{port}");
                let fixed = owned(&["s_server", "-quiet", "-accept", &accept]);
                [fixed, certificate.clone(), options.clone()].concat()
            }),
            "gnutls" => ("gnutls-serv", &|port| {
                [
                    owned(&["--echo", "-p", port]),
                    certificate.clone(),
                    options.clone(),
                ]
                .concat()
            }),
            "erlang" => ("erl", &|port| erlang(made, port, &options.concat())),
            "nginx" => ("/usr/sbin/nginx", &|port| {
                nginx(made, port, &options.concat())
            }),
            "ours" | "ours over datagrams" => {
                return Self::Ours(Server::start(
                    &[&made.server().map(str::to_owned)[..], &options].concat(),
                ));
            }
            other => panic!("{other}"),
        };
        Self::Peer(match is_over_datagrams(program) {
            true => Peer::start_over_datagrams(name, arguments),
            false => Peer::start(name, arguments),
        })
    }

    fn port(&self) -> u16 {
        match self {
            Self::Peer(peer) => peer.port,
            Self::Ours(server) => server.port().parse().unwrap(),
        }
    }
}

fn is_over_datagrams(program: &str) -> bool {
    program.ends_with(" over datagrams")
}

fn scanned(port: u16, made: &Certificates, more: &[&str]) -> Value {
    let address = format!("127.0.0.1:{port}");
    let fixed = [
        "scan",
        &address,
        "--cafile",
        &made.ca,
        "--json",
        "--rate",
        "1000",
        "--timeout",
        "5",
    ];
    let output = run(&[&fixed[..], more].concat());
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["schema"], "portcullis.scan/1");
    assert!(report["connections"].as_u64().unwrap() < 300, "{report}");
    report
}

/// Words in order, for servers that choose in an order of theirs.
fn sorted<'a>(words: impl IntoIterator<Item = &'a Value>) -> String {
    let mut words: Vec<_> = words
        .into_iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    words.sort_unstable();
    words.join(" ")
}

fn names(list: &Value) -> String {
    let accepted = list["accepted"].as_array().unwrap();
    let mut names = sorted(accepted.iter().map(|entry| &entry["name"]));
    for more in ["unknown", "broken"] {
        if list[more].is_string() {
            names += &format!(" ({more})");
        }
    }
    names
}

/// A value that is one: what is not told is a word, too.
fn word(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(word) => word.clone(),
        other if other["unknown"].is_string() => "unknown".to_owned(),
        other => other.to_string(),
    }
}

/// All that a report says, by name.
fn facts(report: &Value) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    let mut put = |name: String, value: String| assert!(facts.insert(name, value).is_none());
    for name in ["complete", "trusted"] {
        put(name.to_owned(), word(&report[name]));
    }
    let all = |list: &str| report[list].as_array().unwrap().clone();
    for protocol in all("protocols") {
        put(
            protocol["version"].as_str().unwrap().to_owned(),
            word(&protocol["offered"]),
        );
    }
    for suites in all("suites") {
        let version = suites["version"].as_str().unwrap();
        put(format!("suites.{version}"), names(&suites));
        put(format!("order.{version}"), word(&suites["order"]));
    }
    for groups in all("groups") {
        let version = groups["version"].as_str().unwrap();
        put(format!("groups.{version}"), names(&groups));
    }
    for schemes in all("signature_schemes") {
        let version = schemes["version"].as_str().unwrap();
        put(format!("schemes.{version}"), names(&schemes));
    }
    put(
        "findings".to_owned(),
        sorted(all("findings").iter().map(|finding| &finding["id"])),
    );
    let others = || {
        let others = report["other_certificates"].as_array();
        others.into_iter().flatten()
    };
    let proved = others().map(|other| &other["proved"]);
    let proved = [&report["certificates_proved"]].into_iter().chain(proved);
    let proved: Vec<_> = proved.map(word).collect();
    put("proved".to_owned(), proved.join(" "));
    let leaves = others().map(|other| &other["chain"][0]["key"]);
    put("other_keys".to_owned(), sorted(leaves));
    put(
        "keys".to_owned(),
        sorted(
            all("certificates")
                .iter()
                .map(|certificate| &certificate["key"]),
        ),
    );
    for (name, value) in report["facts"].as_object().unwrap() {
        match value.as_object().filter(|_| value["unknown"].is_null()) {
            Some(of) => {
                for (more, value) in of {
                    put(format!("{name}.{more}"), word(value));
                }
            }
            None => put(name.clone(), word(value)),
        }
    }
    facts
}

/// A server of the table.
struct Row {
    program: String,
    options: Vec<String>,
    /// The options of the one from which it differs, if that is not the first of the program.
    like: Option<Vec<String>>,
    /// The name that the server is asked for by, if it is not by its address.
    name: Option<String>,
    /// Facts that there are none of.
    without: Vec<String>,
    seen: BTreeMap<String, String>,
}

impl Row {
    fn read(row: &DeTable<'_>) -> Self {
        let text = |value: &DeValue<'_>| value.as_str().unwrap().to_owned();
        let texts = |name: &str| {
            let list = row.get(name)?.get_ref().as_array().unwrap();
            Some(list.iter().map(|value| text(value.get_ref())).collect())
        };
        let seen = row.get("seen").and_then(|seen| seen.get_ref().as_table());
        let seen = seen.into_iter().flatten();
        Self {
            program: text(row["program"].get_ref()),
            options: texts("options").unwrap(),
            like: texts("like"),
            name: row.get("name").map(|name| text(name.get_ref())),
            without: texts("without").unwrap_or_default(),
            seen: seen
                .map(|(name, value)| (name.get_ref().to_string(), text(value.get_ref())))
                .collect(),
        }
    }
}

fn table() -> Vec<Row> {
    let table = DeTable::parse(include_str!("scan/servers.toml")).unwrap();
    let rows = table.get_ref()["server"].get_ref().as_array().unwrap();
    let rows = rows.iter().map(|row| row.get_ref().as_table().unwrap());
    let rows: Vec<_> = rows.map(Row::read).collect();
    assert!(rows.len() >= 40, "{}", rows.len());
    rows
}

/// Every server of a program is seen as the table says; all that differs is told.
fn are_seen_as_they_are_set(program: &str) {
    let made = made();
    let rows: Vec<_> = table()
        .into_iter()
        .filter(|row| row.program == program)
        .collect();
    let mut known: Vec<(Vec<String>, BTreeMap<String, String>)> = Vec::new();
    let mut wrong = String::new();
    for row in rows {
        let like = match &row.like {
            Some(like) => known.iter().find(|(options, _)| options == like),
            None => known.first(),
        };
        assert!(like.is_some() || row.like.is_none(), "{:?}", row.like);
        let mut expected = like.map_or_else(BTreeMap::new, |(_, seen)| seen.clone());
        for name in &row.without {
            assert!(expected.remove(name).is_some(), "{name}: {:?}", row.options);
        }
        expected.extend(row.seen);
        known.push((row.options.clone(), expected.clone()));
        let running = Running::start(program, &row.options, &made);
        let mut more = Vec::new();
        if is_over_datagrams(program) {
            more.push("--dtls");
        }
        if let Some(name) = &row.name {
            more.extend(["--name", name]);
        }
        let seen = facts(&scanned(running.port(), &made, &more));
        let all: std::collections::BTreeSet<_> = expected.keys().chain(seen.keys()).collect();
        for name in all {
            let (expected, seen) = (expected.get(name), seen.get(name));
            if expected != seen {
                let seen = seen.map_or("-", |seen| seen);
                wrong += &format!(
                    "{program} {:?}\n    {name:?} = {seen:?} # not {expected:?}\n",
                    row.options
                );
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn openssl_is_seen_as_it_is_set() {
    are_seen_as_they_are_set("openssl");
}

#[test]
fn gnutls_is_seen_as_it_is_set() {
    are_seen_as_they_are_set("gnutls");
}

#[test]
fn erlang_is_seen_as_it_is_set() {
    are_seen_as_they_are_set("erlang");
}

#[test]
fn nginx_is_seen_as_it_is_set() {
    are_seen_as_they_are_set("nginx");
}

#[test]
fn our_own_server_is_seen_as_it_is_set() {
    are_seen_as_they_are_set("ours");
}

#[test]
fn openssl_over_datagrams_is_seen_as_it_is_set() {
    are_seen_as_they_are_set("openssl over datagrams");
}

#[test]
fn our_own_server_over_datagrams_is_seen_as_it_is_set() {
    are_seen_as_they_are_set("ours over datagrams");
}

/// What is seen is the same each time.
#[test]
fn two_scans_are_one() {
    let made = made();
    let running = Running::start("openssl", &[], &made);
    let mut reports = [(); 2].map(|()| scanned(running.port(), &made, &[]));
    for report in &mut reports {
        report.as_object_mut().unwrap().remove("seconds");
    }
    assert_eq!(reports[0], reports[1]);
}

/// OpenSSL's names of all suites are ours, and none of them is without.
#[test]
fn suites_are_called_as_openssl_calls_them() {
    let made = made();
    let listed = Command::new("openssl")
        .args([
            "ciphers",
            "-V",
            "-stdname",
            "ALL:COMPLEMENTOFALL:@SECLEVEL=0",
        ])
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    // 0xC0,0x30 - TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 - ECDHE-RSA-AES256-GCM-SHA384 …
    let names: BTreeMap<String, &str> = listed
        .lines()
        .filter_map(|line| {
            let (code, rest) = line.trim().split_once(" - ")?;
            let code = code.replace(",0x", "").to_lowercase();
            Some((code, rest.split_whitespace().next()?))
        })
        .collect();
    assert!(names.len() > 100, "{listed}");
    let options =
        "-cert {}/rsa.pem -key {}/rsa-key.pem -tls1_2 -cipher ALL:COMPLEMENTOFALL:@SECLEVEL=0";
    let options: Vec<_> = options.split(' ').map(str::to_owned).collect();
    let running = Running::start("openssl", &options, &made);
    let report = scanned(running.port(), &made, &[]);
    let suites = report["suites"][0]["accepted"].as_array().unwrap();
    assert!(suites.len() > 60, "{report}");
    for suite in suites {
        let code = suite["id"].as_str().unwrap();
        assert_eq!(suite["name"], names[code], "{code}");
    }
}
