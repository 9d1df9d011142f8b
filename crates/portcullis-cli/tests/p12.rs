//! Files of PKCS#12, which OpenSSL, GnuTLS and NSS write and read. `apt-get install openssl gnutls-bin libnss3-tools python3`

mod support;

use std::fs;
use std::process::Command;

use support::{Certificates, portcullis, printed, run, sentence};

const PASSWORD: &str = "Kürbis kern 7";

fn openssl(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").args(arguments).output();
    let output = output.expect("openssl is in Debian's package openssl");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    output.stdout
}

/// Certificates, and a file with the password.
fn made() -> (Certificates, String) {
    let made = Certificates::make();
    let password = made.path("password");
    fs::write(&password, format!("{PASSWORD}\nnot this line\n")).unwrap();
    (made, password)
}

/// The certificates of PEM, without what stands between them.
fn certificates(pem: &str) -> Vec<String> {
    let end = "-----END CERTIFICATE-----";
    let begins = pem.match_indices("-----BEGIN CERTIFICATE-----");
    let whole = begins.map(|(at, _)| &pem[at..at + pem[at..].find(end).unwrap() + end.len()]);
    whole.map(str::to_owned).collect()
}

fn key(file: &str) -> Vec<u8> {
    openssl(&["pkey", "-in", file, "-outform", "DER"])
}

#[cfg(unix)]
fn mode(file: &str) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_openssl_writes_is_read() {
    let (made, password) = made();
    let expected = [&made.client_cert, &made.ca].map(|file| fs::read_to_string(file).unwrap());
    let expected = certificates(&expected.concat());
    for (case, (empty, more)) in [
        // PBES2 and SHA-256.
        (false, &[][..]),
        // RC2 with 40 bits, 3DES and SHA-1.
        (false, &["-legacy"]),
        (false, &["-descert", "-legacy"]),
        (
            false,
            &[
                "-keypbe",
                "AES-128-CBC",
                "-certpbe",
                "AES-192-CBC",
                "-macalg",
                "sha512",
            ],
        ),
        (
            false,
            &["-certpbe", "NONE", "-keypbe", "NONE", "-macalg", "sha384"],
        ),
        (false, &["-macalg", "sha224"]),
        (false, &["-nomac"]),
        (true, &[]),
        (true, &["-legacy"]),
    ]
    .into_iter()
    .enumerate()
    {
        let file = made.path(&format!("{case}.p12"));
        let from = match empty {
            true => "pass:".to_owned(),
            false => format!("file:{password}"),
        };
        let fixed = [
            "pkcs12",
            "-export",
            "-in",
            &made.client_cert,
            "-inkey",
            &made.client_key,
        ];
        let ends = [
            "-certfile",
            &made.ca,
            "-name",
            "Alice",
            "-out",
            &file,
            "-passout",
            &from,
        ];
        openssl(&[&fixed[..], &ends, more].concat());
        let given: &[&str] = match empty {
            true => &[],
            false => &["--password-file", &password],
        };
        let shown = run(&[&["cert", "p12", "show", &file], given].concat());
        let warned = String::from_utf8_lossy(&shown.stderr).contains("has no MAC");
        assert_eq!(warned, more == ["-nomac"], "{more:?}");
        let shown = printed(shown);
        assert!(shown.contains("alice@a.test"), "{more:?}: {shown}");
        assert!(
            shown.ends_with("private key 1: of certificate 1, called Alice\n"),
            "{more:?}: {shown}"
        );
        assert!(!shown.contains("PRIVATE"), "{shown}");
        let out = made.path(&format!("{case}.pem"));
        let extract = [&["cert", "p12", "extract", &file, "--out", &out], given].concat();
        assert_eq!(printed(run(&extract)), "", "{more:?}");
        let text = fs::read_to_string(&out).unwrap();
        assert_eq!(certificates(&text), expected, "{more:?}");
        assert_eq!(key(&out), key(&made.client_key), "{more:?}");
        #[cfg(unix)]
        assert_eq!(mode(&out), 0o600);
        // What is there is kept.
        let again = run(&extract);
        let said = String::from_utf8_lossy(&again.stderr);
        assert_eq!(again.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("--out {out}: ")), "{said}");
        assert_eq!(fs::read_to_string(&out).unwrap(), text);
        let public = printed(run(&[
            &["cert", "p12", "extract", &file, "--no-key"],
            given,
        ]
        .concat()));
        assert_eq!(certificates(&public), expected, "{more:?}");
        assert!(!public.contains("PRIVATE"), "{public}");
    }
}

/// Of OpenSSL 4, which `tests/peers/fetch.sh` makes: MACs whose key PBKDF2 derives (RFC 9879), with each hash for either.
#[test]
fn macs_of_openssl_4_are_verified() {
    let (made, password) = made();
    let fetch = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/peers/fetch.sh");
    let fetched = Command::new(fetch).arg("openssl4").output().unwrap();
    assert!(fetched.status.success(), "{fetched:?}");
    let program = String::from_utf8(fetched.stdout).unwrap();
    let program = program.trim_end();
    let wrong = made.path("wrong");
    fs::write(&wrong, "Melone").unwrap();
    for (case, (mac, prf)) in [
        ("sha256", "sha256"),
        ("sha1", "sha512"),
        ("sha224", "sha224"),
        ("sha384", "sha1"),
        ("sha512", "sha384"),
    ]
    .into_iter()
    .enumerate()
    {
        for is_empty in [false, true] {
            let file = made.path(&format!("{case}-{is_empty}.p12"));
            let from = match is_empty {
                true => "pass:".to_owned(),
                false => format!("file:{password}"),
            };
            let mut export = Command::new(program);
            export.args(["pkcs12", "-export", "-in", &made.client_cert]);
            export.args(["-inkey", &made.client_key, "-out", &file, "-passout", &from]);
            export.args(["-macalg", mac, "-pbmac1_pbkdf2", "-pbmac1_pbkdf2_md", prf]);
            let output = export.output().unwrap();
            assert!(output.status.success(), "{output:?}");
            let given: &[&str] = match is_empty {
                true => &[],
                false => &["--password-file", &password],
            };
            let show = ["cert", "p12", "show", &file];
            let shown = run(&[&show[..], given].concat());
            assert_eq!(shown.stderr, b"", "{mac} {prf}: {shown:?}");
            let shown = printed(shown);
            assert!(shown.contains("private key 1: of certificate 1"), "{shown}");
            let with = ["--password-file", wrong.as_str()];
            let said = sentence(run(&[&show[..], &with].concat()), 2);
            assert!(said.contains("does not open it"), "{said}");
        }
    }
}

/// RFC 9879 §A.1, and what its invalid files are: another number of iterations, another salt, no length of the key.
#[test]
fn the_rfcs_vector_and_what_it_is_not() {
    let made = Certificates::make();
    let valid = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/rfc9879-a1.p12");
    let password = made.path("1234");
    fs::write(&password, "1234").unwrap();
    let show = |file: &str| {
        let given = ["--password-file", password.as_str()];
        run(&[&["cert", "p12", "show", file][..], &given].concat())
    };
    let shown = show(valid);
    assert_eq!(shown.stderr, b"");
    assert!(printed(shown).contains("private key 1: of certificate 1"));
    let bytes = fs::read(valid).unwrap();
    // The last salt of eight bytes is that of the MAC; behind it are iterations and the length of the key.
    let parameters = b"\x04\x08\x6f\x47\x3c\x38\xb0\x2e\x31\x73\x02\x02\x08\x00\x02\x01\x20";
    let found = bytes
        .windows(parameters.len())
        .rposition(|part| part == parameters);
    let at = found.expect("the parameters of the MAC");
    for (name, change, why) in [
        ("iterations", (at + 12, 7), "does not open it"),
        ("salt", (at + 2, 0), "does not open it"),
        // An element of another kind, as if it were a PRF.
        ("length", (at + 14, 5), "damaged"),
        ("short", (at + 16, 19), "20 to 64 bytes"),
    ] {
        let mut other = bytes.clone();
        let (place, byte) = change;
        assert_ne!(other[place], byte, "{name}");
        other[place] = byte;
        let file = made.path(name);
        fs::write(&file, other).unwrap();
        let said = sentence(show(&file), 2);
        assert!(said.contains(why), "{name}: {said}");
    }
}

/// Keys of every format and kind, and a password that is not ASCII.
#[test]
fn what_is_made_openssl_and_gnutls_read() {
    let (made, password) = made();
    let from = format!("file:{password}");
    let (rsa, rsa_cert) = (made.path("rsa.pem"), made.path("rsa-cert.pem"));
    openssl(&[
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", &rsa, "-out", &rsa_cert,
        "-subj", "/CN=rsa",
    ]);
    let (pkcs1, sec1) = (made.path("pkcs1.pem"), made.path("sec1.pem"));
    openssl(&["rsa", "-in", &rsa, "-traditional", "-out", &pkcs1]);
    openssl(&["ec", "-in", &made.client_key, "-out", &sec1]);
    for (kind, begins) in [(&pkcs1, "BEGIN RSA"), (&sec1, "BEGIN EC")] {
        assert!(fs::read_to_string(kind).unwrap().contains(begins));
    }
    for (case, (cert, key_file, chain)) in [
        (&made.client_cert, &made.client_key, 1),
        (&made.client_cert, &sec1, 1),
        (&rsa_cert, &pkcs1, 1),
    ]
    .into_iter()
    .enumerate()
    {
        let file = made.path(&format!("{case}.p12"));
        let make = [
            "cert", "p12", "make", "--cert", cert, "--key", key_file, "--out", &file,
        ];
        let named = ["--name", "Zoë", "--password-env", "P12"];
        let mut command = portcullis(&[&make[..], &named].concat());
        let output = command.env("P12", PASSWORD).output().unwrap();
        assert_eq!(printed(output), "");
        #[cfg(unix)]
        assert_eq!(mode(&file), 0o600);
        let both = openssl(&["pkcs12", "-in", &file, "-passin", &from, "-nodes"]);
        // It prints the name in Latin-1.
        let both = String::from_utf8_lossy(&both).into_owned();
        assert!(both.contains("friendlyName: Zo"), "{both}");
        assert_eq!(certificates(&both).len(), chain);
        let out = made.path(&format!("{case}.pem"));
        fs::write(&out, &both).unwrap();
        assert_eq!(key(&out), key(key_file), "{key_file}");
        let info = openssl(&[
            "pkcs12", "-in", &file, "-passin", &from, "-noout", "-nokeys",
        ]);
        assert_eq!(info, b"");
        // GnuTLS takes the password from its command line.
        let info = [
            "--p12-info",
            "--inder",
            "--infile",
            &file,
            "--password",
            PASSWORD,
        ];
        let output = Command::new("certtool").args(info).output();
        let output = output.expect("certtool is in Debian's package gnutls-bin");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{output:?}");
        assert!(
            text.contains("BEGIN CERTIFICATE") && text.contains("BEGIN"),
            "{text}"
        );
        // And here.
        let shown = printed(run(&[
            "cert",
            "p12",
            "show",
            &file,
            "--password-file",
            &password,
        ]));
        assert!(
            shown.ends_with("private key 1: of certificate 1, called Zoë\n"),
            "{shown}"
        );
    }
}

/// Each says which file, and nothing that is secret.
#[test]
fn what_cannot_be_done_is_said() {
    let (made, password) = made();
    let from = format!("file:{password}");
    let file = made.path("good.p12");
    let fixed = [
        "pkcs12",
        "-export",
        "-in",
        &made.client_cert,
        "-inkey",
        &made.client_key,
    ];
    let export = |out: &str, more: &[&str]| {
        openssl(&[&fixed[..], &["-out", out, "-passout", &from], more].concat());
    };
    export(&file, &[]);
    let (rc4, bare, two) = (
        made.path("rc4.p12"),
        made.path("bare.p12"),
        made.path("two"),
    );
    export(&rc4, &["-legacy", "-keypbe", "PBE-SHA1-RC4-128"]);
    openssl(&[
        "pkcs12", "-export", "-nokeys", "-in", &made.ca, "-out", &bare, "-passout", &from,
    ]);
    fs::write(&two, b"\x30\x80\x02\x01\x03").unwrap();
    let wrong = made.path("wrong");
    fs::write(&wrong, "Melone").unwrap();
    let cut = made.path("cut.p12");
    let whole = fs::read(&file).unwrap();
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let missing = made.path("missing.p12");
    let right = ["--password-file", &password];
    for (file, given, why) in [
        (&file, &[][..], "it has a password, and none was given"),
        (&file, &["--password-file", &wrong], "the wrong one"),
        (&file, &["--password-file", &missing], "No such file"),
        (&rc4, &right, "RC4, which is broken"),
        (&bare, &right, "no private key in it"),
        (&two, &[], "damaged"),
        (&cut, &[], "damaged"),
        (&rc4, &[], "it has a password, and none was given"),
        (&missing, &right, "No such file"),
        (&made.client_cert, &right, "it is PEM"),
        (&file, &right, "never printed"),
    ] {
        let said = sentence(run(&[&["cert", "p12", "extract", file], given].concat()), 2);
        assert!(said.contains(why), "{said}");
        let is_named = said.contains(file.as_str()) || said.contains(&missing);
        assert!(is_named || why == "never printed", "{said}");
        // Where another password would change nothing, none is asked for.
        assert_eq!(
            said.contains("--password-file or"),
            why.contains("none was given"),
            "{said}"
        );
        assert!(
            !said.contains("Melone") && !said.contains("Kürbis"),
            "{said}"
        );
    }
    let encrypted = made.path("encrypted.pem");
    openssl(&[
        "pkcs8",
        "-topk8",
        "-in",
        &made.client_key,
        "-out",
        &encrypted,
        "-passout",
        &from,
    ]);
    let out = made.path("new.p12");
    for (key, given, why) in [
        (&made.client_key, &[][..], "no password"),
        (&made.key, &right, "the private key"),
        (&encrypted, &right, "encrypted"),
        (&made.ca, &right, "no private key"),
    ] {
        let make = [
            "cert",
            "p12",
            "make",
            "--cert",
            &made.client_cert,
            "--key",
            key,
            "--out",
            &out,
        ];
        let said = sentence(run(&[&make[..], given].concat()), 2);
        assert!(said.contains(why), "{said}");
        assert!(said.contains(key.as_str()) || given.is_empty(), "{said}");
        assert!(!fs::exists(&out).unwrap());
    }
}

/// What Firefox has: BER whose lengths are not said beforehand, and strings in pieces.
#[test]
fn what_nss_writes_is_read() {
    let (made, password) = made();
    let run_nss = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        let output = output.expect("it is in Debian's package libnss3-tools");
        assert!(output.status.success(), "{output:?}");
    };
    let (database, from) = (made.path("nss"), made.path("from.p12"));
    fs::create_dir(&database).unwrap();
    run_nss("certutil", &["-N", "-d", &database, "--empty-password"]);
    openssl(&[
        "pkcs12",
        "-export",
        "-in",
        &made.client_cert,
        "-inkey",
        &made.client_key,
        "-certfile",
        &made.ca,
        "-name",
        "Alice",
        "-out",
        &from,
        "-passout",
        &format!("file:{password}"),
    ]);
    let import = ["-i", &from, "-d", &database, "-W", PASSWORD];
    run_nss("pk12util", &import);
    let old = [
        "-c",
        "PKCS #12 V2 PBE With SHA-1 And 3KEY Triple DES-CBC",
        "-C",
        "PKCS #12 V2 PBE With SHA-1 And 40 Bit RC2 CBC",
    ];
    for (case, (given, more)) in [(PASSWORD, &[][..]), (PASSWORD, &old), ("", &[]), ("", &old)]
        .into_iter()
        .enumerate()
    {
        let (file, out) = (
            made.path(&format!("{case}.p12")),
            made.path(&format!("{case}.pem")),
        );
        let export = ["-o", &file, "-n", "Alice", "-d", &database, "-W", given];
        run_nss("pk12util", &[&export[..], more].concat());
        assert!(fs::read(&file).unwrap().starts_with(&[0x30, 0x80]));
        let with: &[&str] = match given {
            "" => &[],
            _ => &["--password-file", &password],
        };
        let extract = ["cert", "p12", "extract", &file, "--out", &out];
        printed(run(&[&extract[..], with].concat()));
        assert_eq!(key(&out), key(&made.client_key), "{more:?}");
        let text = fs::read_to_string(&out).unwrap();
        let own = certificates(&fs::read_to_string(&made.client_cert).unwrap());
        assert_eq!(certificates(&text).first(), own.first());
        // It puts the authority first.
        assert_eq!(certificates(&text).len(), 2);
    }
}

/// As programs do that link libcrypto: without a password, which is another one than that without characters.
#[test]
fn what_libcrypto_writes_without_a_password_is_read() {
    const CREATE: &str = r#"
import ctypes, ctypes.util, sys
c = ctypes.CDLL(ctypes.util.find_library("crypto"))
p, i = ctypes.c_void_p, ctypes.c_int
def call(name, kinds, *arguments):
    function = getattr(c, name)
    function.restype, function.argtypes = p, kinds
    return function(*arguments)
def read(name, path):
    file = call("BIO_new_file", [ctypes.c_char_p] * 2, path.encode(), b"r")
    return call(name, [p] * 4, file, None, None, None)
key, cert, out, old, word = sys.argv[1:]
call("OSSL_PROVIDER_load", [p, ctypes.c_char_p], None, b"legacy")
call("OSSL_PROVIDER_load", [p, ctypes.c_char_p], None, b"default")
# NID_pbe_WithSHA1And3_Key_TripleDES_CBC and NID_pbe_WithSHA1And40BitRC2_CBC, or what is usual.
kinds = (146, 149) if old == "old" else (0, 0)
made = call("PKCS12_create", [ctypes.c_char_p] * 2 + [p] * 3 + [i] * 5,
    None if word == "none" else b"", b"Alice", read("PEM_read_bio_PrivateKey", key), read("PEM_read_bio_X509", cert), None,
    *kinds, 0, 0, 0)
file = call("BIO_new_file", [ctypes.c_char_p] * 2, out.encode(), b"wb")
assert made and call("i2d_PKCS12_bio", [p] * 2, file, made)
call("BIO_free_all", [p], file)
"#;
    let made = Certificates::make();
    for (old, word) in [
        ("new", "none"),
        ("new", "empty"),
        ("old", "none"),
        ("old", "empty"),
    ] {
        let (file, out) = (
            made.path(&format!("{old}-{word}.p12")),
            made.path(&format!("{old}-{word}.pem")),
        );
        let files = [&made.client_key, &made.client_cert, &file];
        let mut python = Command::new("python3");
        let python = python.args(["-c", CREATE]).args(files).args([old, word]);
        let output = python.output().expect("python3 is in Debian");
        assert!(output.status.success(), "{output:?}");
        printed(run(&["cert", "p12", "extract", &file, "--out", &out]));
        assert_eq!(key(&out), key(&made.client_key), "{old} {word}");
    }
}

/// A certificate that was renewed has the same key: the file says which of them is its key's.
#[test]
fn the_certificate_of_a_key_is_found() {
    let (made, password) = made();
    let from = format!("file:{password}");
    let renewed = ["one", "two"].map(|name| {
        let file = made.path(name);
        let subject = format!("/CN={name}");
        let key = made.client_key.as_str();
        openssl(&[
            "req", "-x509", "-new", "-key", key, "-out", &file, "-subj", &subject,
        ]);
        file
    });
    let [one, two] = &renewed;
    let others = [&made.ca, one].map(|file| fs::read_to_string(file).unwrap());
    let (bundle, file, out) = (
        made.path("bundle"),
        made.path("two.p12"),
        made.path("two.pem"),
    );
    fs::write(&bundle, others.concat()).unwrap();
    let key = ["-inkey", made.client_key.as_str()];
    let export = ["pkcs12", "-export", "-in", two, "-certfile", &bundle];
    let to = |out: &'static str| made.path(out);
    let ends = ["-passout", &from, "-out", &file];
    openssl(&[&export[..], &key, &ends].concat());
    let given = ["--password-file", &password];
    let extract = ["cert", "p12", "extract", &file, "--out", &out];
    let output = run(&[&extract[..], &given].concat());
    assert_eq!(output.stderr, b"");
    let subject = |file: &str| openssl(&["x509", "-in", file, "-noout", "-subject"]);
    assert_eq!(subject(&out), b"subject=CN = two\n");

    // The other way round, by hand: the order is that of the file, and the id that of the second.
    let shown = |file: &str| printed(run(&[&["cert", "p12", "show", file][..], &given].concat()));
    assert!(shown(&file).ends_with("private key 1: of certificate 1\n"));
    let alone = to("alone.p12");
    let bare = [
        "pkcs12", "-export", "-nokeys", "-in", &bundle, "-out", &alone,
    ];
    openssl(&[&bare[..], &["-passout", &from]].concat());
    let said = sentence(
        run(&[
            &["cert", "p12", "extract", &alone, "--out", "x"][..],
            &given,
        ]
        .concat()),
        2,
    );
    assert!(said.contains("no private key in it"), "{said}");

    // A key of nobody there is written all the same, and said.
    let (stranger, out) = (to("stranger.p12"), to("stranger.pem"));
    pkcs12_of_strangers(&made, &stranger);
    let output = run(&["cert", "p12", "extract", &stranger, "--out", &out]);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("the private key belongs to none of the 1 certificates in it"),
        "{said}"
    );
}

/// A key, and the certificate of another, which OpenSSL's command does not put together.
fn pkcs12_of_strangers(made: &Certificates, out: &str) {
    let der = |file: &str| openssl(&["x509", "-in", file, "-outform", "DER"]);
    let key = openssl(&[
        "pkcs8",
        "-topk8",
        "-nocrypt",
        "-in",
        &made.client_key,
        "-outform",
        "DER",
    ]);
    let element = |tag: u8, contents: &[u8]| {
        let length = u16::try_from(contents.len()).unwrap().to_be_bytes();
        [&[tag, 0x82], &length[..], contents].concat()
    };
    let bag = |kind: u8, value: &[u8]| {
        let oid = [
            &b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01"[..],
            &[kind],
        ]
        .concat();
        element(0x30, &[oid, element(0xa0, value)].concat())
    };
    let certificate = element(0xa0, &element(0x04, &der(&made.ca)));
    let x509 = b"\x06\x0a\x2a\x86\x48\x86\xf7\x0d\x01\x09\x16\x01";
    let certificate = element(0x30, &[&x509[..], &certificate].concat());
    let bags = element(0x30, &[bag(1, &key), bag(3, &certificate)].concat());
    let data = |value: &[u8]| {
        let oid = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
        let value = element(0xa0, &element(0x04, value));
        element(0x30, &[&oid[..], &value].concat())
    };
    let safe = element(0x30, &data(&bags));
    let file = element(0x30, &[&b"\x02\x01\x03"[..], &data(&safe)].concat());
    fs::write(out, file).unwrap();
}
