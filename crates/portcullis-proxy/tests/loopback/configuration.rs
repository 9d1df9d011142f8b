//! What is said of a configuration that is wrong: all of it, with its places.

use portcullis_proxy::{Config, Mode, Simple};

use crate::support::Files;

/// A configuration that is right; each mistake is one change of it.
const RIGHT: &str = r#"version = 1
admin = { listen = "127.0.0.1:9180" }
timeouts = { idle = "60s" }
[[listen]]
name = "public"
address = ["127.0.0.1:0"]
[[listen]]
name = "db"
address = ["127.0.0.1:1"]
[[identity]]
name = "api"
certificate = "@/api.pem"
key = "@/api.key"
[[backend]]
name = "mail"
servers = ["127.0.0.1:25"]
[[route]]
listen = "public"
names = ["api.example.com"]
identity = ["api"]
backend = "mail"
[[route]]
listen = "public"
names = ["mail.example.com"]
tls = "pass"
backend = "mail"
[[route]]
listen = "db"
tls = "off"
backend = "mail"
"#;

/// What is said of a text; `@/` is the folder.
fn said(files: &Files, text: &str) -> Result<String, String> {
    let folder = format!("{}/", files.path("").display());
    let shown = |text: String| text.replace(&folder, "@/");
    let text = text.replace("@/", &folder);
    Config::parse("proxy.toml", &text)
        .map(|config| shown(config.summary()))
        .map_err(|problems| shown(problems.to_string()))
}

fn files() -> Files {
    let files = Files::new();
    files.server("api", &["api.example.com"]);
    files.server("other", &["api.example.net"]);
    std::fs::write(files.path("tickets"), [7; 48]).unwrap();
    files
}

#[test]
fn ten_mistakes_are_told_with_place_and_remedy() {
    let files = files();
    let summary = said(&files, RIGHT).unwrap();
    assert!(
        summary.starts_with("2 listeners, 3 routes, 1 backend, 1 identity (api: "),
        "{summary}"
    );
    let mut different = Vec::new();
    for (right, wrong, expected) in [
        (
            "tls = \"off\"\n",
            "tls = \"off\"\ntimeout = \"5s\"\n",
            "proxy.toml:30:1: unknown key `timeout` in [[route]]. Keys here: listen, names, tls, identity, alpn, clients, \
             early_data, backend, truncation",
        ),
        (
            "timeouts =",
            "timeout =",
            "proxy.toml:3:1: unknown key `timeout` in the file; did you mean `timeouts`? Keys here: version, admin, log, process, reload, tickets, \
             timeouts, limits, listen, identity, backend, route",
        ),
        (
            "tls = \"pass\"\nbackend = \"mail\"",
            "tls = \"pass\"\nbackend = \"mial\"",
            "proxy.toml:26:11: [[route]] 2 (mail.example.com): there is no backend \"mial\"; did you mean \"mail\"?",
        ),
        (
            "name = \"mail\"",
            "name = \"route 3\"",
            "proxy.toml:15:8: a backend that stands in a route alone is called so; give this one another name\n\
             proxy.toml:21:11: [[route]] 1 (api.example.com): there is no backend \"mail\"\n\
             proxy.toml:26:11: [[route]] 2 (mail.example.com): there is no backend \"mail\"\n\
             proxy.toml:30:11: [[route]] 3: there is no backend \"mail\"",
        ),
        (
            "idle = \"60s\"",
            "idle = 60",
            "proxy.toml:3:21: idle = 60: a duration is text with a unit, e.g. \"60s\", \"5m\", \"1h\"",
        ),
        (
            "@/api.key",
            "@/other.key",
            "proxy.toml:13:7: identity \"api\": @/api.pem with the key @/other.key: the private key does not belong to the \
             certificate: their public keys differ; give the key the certificate was requested with",
        ),
        (
            "@/api.pem\"\nkey = \"@/api.key",
            "@/other.pem\"\nkey = \"@/other.key",
            "proxy.toml:20:13: identity \"api\": the certificate is for \"api.example.net\"; [[route]] 1 (api.example.com) \
             answers for \"api.example.com\" and would show it to clients that refuse it",
        ),
        (
            "\"mail.example.com\"]",
            "\"api.example.com\"]",
            "proxy.toml:24:10: \"api.example.com\" is named by route 1 (line 17) and route 2 of the same listener \"public\"",
        ),
        (
            "127.0.0.1:0",
            "127.0.0.1:1",
            "proxy.toml:9:12: listeners \"public\" and \"db\" both have the address 127.0.0.1:1",
        ),
        (
            "tls = \"pass\"\n",
            "tls = \"pass\"\nclients = { roots = \"@/ca.pem\" }\n",
            "proxy.toml:26:11: tls = \"pass\" does not use `clients`: whoever passes TLS through sees no certificate. Remove \
             `clients`, or terminate",
        ),
        (
            "127.0.0.1:9180",
            "0.0.0.0:9180",
            "proxy.toml:2:20: admin.listen = \"0.0.0.0:9180\" lets everybody read the metrics; use a loopback address, or say \
             allow_remote = true",
        ),
        (
            "tls = \"off\"\n",
            "tls = \"off\"\nearly_data = { backend_is_idempotent = true }\n",
            "proxy.toml:30:14: tls = \"off\" does not use `early_data`: there is no TLS on this side. Remove `early_data`, or \
             terminate",
        ),
    ] {
        assert!(RIGHT.contains(right), "{right}");
        let said = said(&files, &RIGHT.replacen(right, wrong, 1)).unwrap_err();
        if said != expected {
            different.push(format!("{said}\ninstead of\n{expected}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n\n"));
}

#[test]
fn all_that_is_wrong_is_told_in_the_order_of_the_file() {
    let files = files();
    let wrong = RIGHT
        .replace("idle = \"60s\"", "idle = 60")
        .replace("127.0.0.1:25", "127.0.0.1")
        .replace("@/api.key", "@/none.key")
        .replace("listen = \"db\"", "listen = \"bd\"");
    let said = said(&files, &wrong).unwrap_err();
    let places: Vec<_> = said
        .lines()
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    let expected = ["3:21", "13:7", "16:12", "28:10"].map(|place| format!("proxy.toml:{place}"));
    assert_eq!(places, expected, "{said}");
}

#[test]
fn what_else_is_refused() {
    let files = files();
    for (right, wrong, expected) in [
        (
            "version = 1\n",
            "",
            "the file has no `version`: write version = 1",
        ),
        (
            "version = 1",
            "version = 2",
            "version = 2: this is a number from 1 to 1",
        ),
        ("version = 1", "version = ", "this is not TOML: "),
        (
            "tls = \"pass\"",
            "tls = \"through\"",
            "this is \"terminate\" or \"pass\" or \"off\"",
        ),
        ("tls = \"pass\"\n", "", "what becomes of TLS?"),
        (
            "tls = \"pass\"",
            "tls = \"terminate\"",
            "to terminate TLS it takes an `identity`",
        ),
        (
            "tls = \"off\"",
            "tls = \"off\"\nnames = [\"x\"]",
            "without TLS there is no hello",
        ),
        (
            "\"mail.example.com\"",
            "\"Mail.example.com\"",
            "a name is that of a host in lower case",
        ),
        (
            "\"mail.example.com\"",
            "\"*\"",
            "a name is that of a host in lower case",
        ),
        (
            "\"mail.example.com\"",
            "\"a.*.com\"",
            "a name is that of a host in lower case",
        ),
        (
            "names = [\"mail.example.com\"]",
            "names = []",
            "the list is empty; leave the key out",
        ),
        (
            "idle = \"60s\"",
            "idle = \"0s\"",
            "no time at all would end every connection",
        ),
        (
            "idle = \"60s\"",
            "idle = \"60\"",
            "a duration is text with a unit",
        ),
        (
            "idle = \"60s\"",
            "idle = \"99999999999999999999h\"",
            "a duration is text with a unit",
        ),
        (
            "idle = \"60s\"",
            "idle = \"9999d\"",
            "the longest is 366 days",
        ),
        (
            "127.0.0.1:0",
            "127.0.0.1",
            "an address to listen on is IP:PORT",
        ),
        (
            "name = \"db\"",
            "name = \"public\"",
            "there are two listeners \"public\", the first in line 5",
        ),
        (
            "listen = \"db\"",
            "listen = \"public\"",
            "listener \"db\" has no route",
        ),
        (
            "identity = [\"api\"]",
            "identity = [\"api\"]\nclients = { roots = \"@/ca.pem\", allow = [] }",
            "the list is empty; leave the key out",
        ),
        (
            "identity = [\"api\"]",
            "identity = [\"api\"]\nclients = { roots = \"@/ca.pem\", allow = [{}] }",
            "this rule says nothing and would allow everybody",
        ),
        (
            "identity = [\"api\"]",
            "identity = [\"api\"]\nclients = { roots = \"@/ca.pem\", allow = [{ uri = \"spiffe://*/x\" }] }",
            "scheme and authority of a URI are exact",
        ),
        (
            "version = 1\n",
            "version = 1\nprocess = { group = \"daemon\" }\n",
            "a `group` without a `user` would leave the proxy who it was started as",
        ),
        (
            "identity = [\"api\"]",
            "identity = [\"api\"]\nearly_data = { limit = 1 }",
            "early_data has no `backend_is_idempotent = true`: early data may be replayed",
        ),
        (
            "identity = [\"api\"]",
            "identity = [\"api\"]\nearly_data = { backend_is_idempotent = false }",
            "say that the backend does no harm when it gets what a client has said a second time",
        ),
        (
            "identity = [\"api\"]",
            "identity = [\"api\"]\nearly_data = { backend_is_idempotent = true, limit = 65_537 }",
            "limit = 65537: this is a number from 1 to 65536",
        ),
        (
            "servers = [\"127.0.0.1:25\"]\n[[route]]",
            "servers = [\"127.0.0.1:25\"]\nsend_proxy = \"v2\"\n[[route]]\nearly_data = { backend_is_idempotent = true }",
            "early data does not go with send_proxy = \"v2\"",
        ),
        (
            "[[route]]",
            "[tickets]\nfile = \"@/tickets\"\n[[route]]\nearly_data = { backend_is_idempotent = true }",
            "early_data with ticket keys from a file and no replay guard: the same early data could be accepted by several",
        ),
        (
            "version = 1\n",
            "version = 1\ntickets = { replay_guard = \"redis://h\" }\n",
            "tickets has no `file`: name the file that `portcullis ticket-key new` has made, or a `store`",
        ),
        (
            "version = 1\n",
            "version = 1\ntickets = { file = \"@/tickets\", store = \"redis://h\", store_key = \"@/tickets\" }\n",
            "leave `file` or `store` out",
        ),
        (
            "version = 1\n",
            "version = 1\ntickets = { store = \"redis://h\" }\n",
            "sessions outside of the process are sealed; name a `store_key`",
        ),
        (
            "version = 1\n",
            "version = 1\ntickets = { file = \"@/tickets\", store_key = \"@/tickets\" }\n",
            "without a `store` there is nothing to seal",
        ),
        (
            "version = 1\n",
            "version = 1\ntickets = { file = \"@/tickets\", replay_guard = \"redis://h\" }\n",
            "no route has `early_data`, so there is nothing to remember",
        ),
        (
            "version = 1\n",
            "version = 1\ntickets = { file = \"@/tickets\", redis_roots = \"@/ca.pem\" }\n",
            "only a Redis at rediss:// shows a certificate",
        ),
        (
            "version = 1\n",
            "version = 1\ntickets = { file = \"@/tickets\", redis_password_file = \"@/ca.pem\" }\n",
            "there is no Redis that wants a password",
        ),
        (
            "version = 1\n",
            "version = 1\ntickets = { file = \"@/none\" }\n",
            "none",
        ),
        (
            "identity = [\"api\"]",
            "identity = [\"ap\"]",
            "there is no identity \"ap\"; did you mean \"api\"?",
        ),
    ] {
        assert!(RIGHT.contains(right), "{right}");
        let said = said(&files, &RIGHT.replacen(right, wrong, 1)).unwrap_err();
        assert!(said.contains(expected), "{wrong}\n{said}");
    }
}

#[test]
fn what_works_and_is_to_be_known_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;

    let files = files();
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(files.path("api.key"), mode).unwrap();
    let folder = format!("{}/", files.path("").display());
    let said = |text: &str| -> Vec<_> {
        let config = Config::parse("proxy.toml", &text.replace("@/", &folder)).unwrap();
        config.warnings().iter().map(ToString::to_string).collect()
    };
    let expected = format!(
        "proxy.toml:13:7: identity \"api\": others can read the key {folder}api.key; chmod 600 it"
    );
    assert_eq!(said(RIGHT), [expected]);
    // More than any system gives descriptors for.
    let more = RIGHT.to_owned() + "\n[limits]\nconnections = 1_000_000\n";
    let said = said(&more);
    let of_limits = said.iter().find(|it| it.contains("connections = 1000000"));
    let told = of_limits.unwrap_or_else(|| panic!("{said:?}"));
    assert!(told.contains("takes 2000100 open files"), "{told}");
}

#[test]
fn simple_cases_are_files_too() {
    let files = files();
    let simple = Simple {
        listen: vec!["127.0.0.1:0".to_owned()],
        to: vec!["127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned()],
        mode: Mode::Terminate {
            cert: files.path("api.pem"),
            key: Some(files.path("api.key")),
            client_roots: Some(files.path("ca.pem")),
            alpn: vec!["h2".to_owned()],
            originate: None,
        },
    };
    let config = simple.load().unwrap();
    assert!(
        config
            .summary()
            .starts_with("1 listener, 1 route, 1 backend, 1 identity")
    );
    Config::parse("printed.toml", &simple.to_toml()).unwrap();
    // Datagrams, if both sides are.
    let udp = |to: &str| Simple {
        listen: vec!["udp:127.0.0.1:0".to_owned()],
        to: vec![to.to_owned()],
        ..simple.clone()
    };
    udp("udp:127.0.0.1:1").load().unwrap();
    let said = udp("127.0.0.1:1").load().unwrap_err().to_string();
    assert!(said.contains("leads from datagrams"), "{said}");
    let simple = Simple {
        listen: vec!["a \"b\"\n\\".to_owned()],
        mode: Mode::Pass,
        ..simple
    };
    let said = simple.load().unwrap_err().to_string();
    assert!(
        said.contains("an address to listen on is IP:PORT"),
        "{said}"
    );
}

/// Whatever stands in a file, it is refused with places inside of it, or works.
#[test]
fn no_text_is_too_much() {
    let files = files();
    let folder = format!("{}/", files.path("").display());
    let text = RIGHT.replace("@/", &folder);
    for at in (0..text.len()).step_by(7) {
        for garbage in ["\"", "[", "= ", "\u{fffd}", "0"] {
            let mut broken = text.clone();
            broken.replace_range(at..at + 1, garbage);
            if let Err(problems) = Config::parse("x", &broken) {
                assert!(!problems.0.is_empty());
                let lines = broken.lines().count() + 1;
                assert!(problems.0.iter().all(|it| it.line <= lines), "{problems}");
            }
        }
    }
}

/// What is said of Redis has nothing of its address, where a password may be.
#[cfg(feature = "redis")]
#[test]
fn the_address_of_a_redis_is_not_told() {
    let files = files();
    std::fs::write(files.path("key"), [7; 32]).unwrap();
    std::fs::write(files.path("password"), "hidden\n").unwrap();
    std::fs::write(files.path("long"), [b'h'; 4_097]).unwrap();
    for (tickets, expected) in [
        (
            "store = \"redis://:hidden@\", store_key = \"@/key\"",
            "the URL of Redis cannot be used",
        ),
        (
            "store = \"hidden\", store_key = \"@/key\"",
            "this is redis://HOST:PORT/DATABASE",
        ),
        (
            "store = \"redis://:hidden@h\", store_key = \"@/api.pem\"",
            "no file of store keys",
        ),
        (
            "store = \"redis://:hidden@h\", store_key = \"@/none\"",
            "@/none: ",
        ),
        (
            "store = \"redis://:hidden@h\", store_key = \"@/key\", redis_password_file = \"@/password\"",
            "@/password: the password cannot be used: the URL of Redis has one already",
        ),
        (
            "store = \"redis://h\", store_key = \"@/key\", redis_password_file = \"@/none\"",
            "@/none: ",
        ),
        (
            "store = \"redis://h\", store_key = \"@/key\", redis_password_file = \"@/long\"",
            "@/long: longer than 4096 bytes",
        ),
    ] {
        let text = RIGHT.replacen('\n', &format!("\ntickets = {{ {tickets} }}\n"), 1);
        let said = said(&files, &text).unwrap_err();
        assert!(
            said.contains(expected) && !said.contains("hidden"),
            "{said}"
        );
    }
    let right = "\ntickets = { store = \"rediss://:hidden@h:1/2\", store_key = \"@/key\", redis_roots = \"@/ca.pem\" }\n";
    said(&files, &RIGHT.replacen('\n', right, 1)).unwrap();
    let right = "\ntickets = { store = \"redis://me@h\", store_key = \"@/key\", redis_password_file = \"@/password\" }\n";
    said(&files, &RIGHT.replacen('\n', right, 1)).unwrap();
}

#[cfg(not(feature = "redis"))]
#[test]
fn what_is_not_built_in_is_refused() {
    let files = files();
    let text = "\ntickets = { store = \"redis://h\", store_key = \"@/tickets\" }\n";
    let said = said(&files, &RIGHT.replacen('\n', text, 1)).unwrap_err();
    assert!(said.contains("built without Redis"), "{said}");
}
