//! Files that cannot be read, or are not what they have to be.

mod support;

use std::fs;

use support::{Certificates, run, sentence};

/// Whatever a file is for, and whether it is not there, is a folder, or has something else in it.
#[test]
fn an_error_about_a_file_names_it() {
    let made = Certificates::make();
    let (garbage, key, folder) = (made.path("garbage"), made.path("store-key"), made.path(""));
    fs::write(&garbage, "-----BEGIN nothing\nof use").unwrap();
    fs::write(&key, [7; 32]).unwrap();
    let missing = made.path("missing");
    let server = [
        "server",
        "--listen",
        "127.0.0.1:0",
        "--cert",
        &made.cert,
        "--key",
        &made.key,
    ];
    let server = |more: &[&str]| [&server[..], more].concat().join("\n");
    let client = |more: &[&str]| [&["client", "localhost:1"][..], more].concat().join("\n");
    let own = [
        "client",
        "localhost:1",
        "--cert",
        "FILE",
        "--key",
        &made.key,
    ]
    .join("\n");
    let with_client_key = [
        "client",
        "localhost:1",
        "--cert",
        &made.client_cert,
        "--key",
        "FILE",
    ];
    for line in [
        own,
        with_client_key.join("\n"),
        client(&["--cafile", "FILE"]),
        client(&["--crl", "FILE", "--cafile", &made.ca]),
        client(&["--psk-file", "FILE"]),
        client(&["--srp", "alice", "--srp-password-file", "FILE"]),
        client(&["--ech", "@FILE"]),
        client(&["--sess-in", "FILE"]),
        client(&[
            "--cert",
            &made.client_cert,
            "--key",
            &made.client_key,
            "--password-file",
            "FILE",
        ]),
        "server\n--listen\n127.0.0.1:0\n--cert\nFILE".to_owned(),
        server(&["--client-auth", "required", "--cafile", "FILE"]),
        server(&["--ocsp", "FILE"]),
        server(&[
            "--crl",
            "FILE",
            "--client-auth",
            "required",
            "--cafile",
            &made.ca,
        ]),
        server(&["--psk-file", "FILE"]),
        "server\n--listen\n127.0.0.1:0\n--srp-file\nFILE".to_owned(),
        server(&["--ech-keys", "FILE"]),
        server(&["--ticket-key", "FILE"]),
        server(&["--ticket-seed", "FILE", "--tickets"]),
        server(&[
            "--store",
            &format!("disk:{}", made.path("sessions")),
            "--store-key",
            "FILE",
        ]),
        server(&["--dir", "FILE"]),
        "cert\nverify\nFILE".to_owned(),
        ["cert", "verify", &made.cert, "--cafile", "FILE"].join("\n"),
        "cert\nfingerprint\nFILE".to_owned(),
        "cert\nbundle\nFILE".to_owned(),
        ["cert", "bundle", &made.cert, "--from", "FILE"].join("\n"),
        "cert\np12\nshow\nFILE".to_owned(),
        [
            "crl", "check", &made.cert, "--cafile", "FILE", "--crl", "http",
        ]
        .join("\n"),
        [
            "crl", "check", &made.cert, "--cafile", &made.ca, "--crl", "FILE",
        ]
        .join("\n"),
        "ticket-key\nrotate\nFILE".to_owned(),
        "ech\nshow\nFILE".to_owned(),
    ] {
        for file in [&missing, &folder, &garbage] {
            let is_dir = line.contains("--crl\nFILE") || line.contains("--dir");
            // Any line is a password.
            let is_right =
                is_dir && file == &folder || line.contains("password") && file == &garbage;
            if is_right {
                continue;
            }
            let arguments = line.replace("FILE", file);
            let arguments: Vec<&str> = arguments.split('\n').collect();
            let output = run(&arguments);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
            assert!(said.contains(file.as_str()), "{arguments:?}: {said}");
        }
    }
    // Base64, and nothing more.
    fs::write(&garbage, "AAAA").unwrap();
    let said = run(&["client", "localhost:1", "--ech", &format!("@{garbage}")]);
    let said = sentence(said, 2);
    assert!(said.contains(&garbage), "{said}");
    let log = format!("{missing}/log");
    let said = sentence(
        run(&["client", "localhost:1", "--insecure", "--keylog", &log]),
        2,
    );
    assert!(said.contains(&log), "{said}");
}
