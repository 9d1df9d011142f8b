//! Files that change while connections are made of what is in them.

mod folder;

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use folder::*;
use portcullis::session::TicketKeys;
use portcullis::{
    ClientConfig, CrlInput, IdentityFiles, MemoryCrls, Misuse, Parts, Reloader, Roots,
    ServerConfig, TlsAcceptor, TlsConnector, TlsListener,
};

#[tokio::test]
async fn files_that_are_renamed_into_place_are_taken_over() {
    let folder = Folder::new();
    let (acceptor, mut watching) = start(folder.reloader()).await;
    assert!(serves(&acceptor, "first").await);
    for (generation, name) in [(1, "second"), (2, "third")] {
        folder.put(name);
        let (seen, changed) = published(&mut watching).await;
        assert_eq!(seen, generation);
        assert_eq!(changed, [folder.path("tls.crt"), folder.path("tls.key")]);
        assert!(serves(&acceptor, name).await);
    }
    assert!(!serves(&acceptor, "first").await);
    // What is written again as it is, and what is beside it, is no change.
    let same = fs::read_to_string(folder.path("tls.crt")).unwrap();
    folder.rename_into_place("tls.crt", &same);
    folder.rename_into_place("other", "x");
    nothing_happens(&mut watching).await;
    assert_eq!(acceptor.reloadable().generation(), 2);
}

#[tokio::test]
async fn between_two_files_the_last_pair_is_served() {
    let folder = Folder::new();
    let (acceptor, mut watching) = start(folder.reloader()).await;
    for (generation, order, name) in [
        (1, ["tls.crt", "tls.key"], "chain-first"),
        (2, ["tls.key", "tls.crt"], "key-first"),
    ] {
        let (chain, key) = CA.leaf(name);
        for file in order {
            let text = if file == "tls.crt" { &chain } else { &key };
            assert!(!serves(&acceptor, name).await);
            folder.rename_into_place(file, text);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        assert_eq!(published(&mut watching).await.0, generation);
        assert!(serves(&acceptor, name).await);
    }
}

#[tokio::test]
async fn a_file_that_is_half_written_waits_for_the_rest() {
    let folder = Folder::new();
    let (chain, key) = CA.leaf("second");
    let both = format!("{chain}{key}");
    let bundle = folder.path("both.pem");
    let (first, first_key) = CA.leaf("first");
    fs::write(&bundle, format!("{first}{first_key}")).unwrap();
    let (acceptor, mut watching) = start(quick().identity(IdentityFiles::new(&bundle))).await;
    let mut file = fs::File::create(&bundle).unwrap();
    for part in both.as_bytes().chunks(both.len() / 5) {
        file.write_all(part).unwrap();
        file.flush().unwrap();
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert!(serves(&acceptor, "localhost").await);
    }
    drop(file);
    assert_eq!(published(&mut watching).await.0, 1);
    assert!(serves(&acceptor, "second").await);
}

#[tokio::test]
async fn what_is_wrong_is_said_once_and_changes_nothing() {
    let folder = Folder::new();
    let (acceptor, mut watching) = start(folder.reloader()).await;
    let (_, stranger) = CA.leaf("stranger");
    folder.rename_into_place("tls.key", &stranger);
    let error = rejected(&mut watching).await;
    assert!(
        error.contains("does not belong to the certificate"),
        "{error}"
    );
    assert!(error.contains("tls.crt with the key "), "{error}");
    watching.look_now();
    nothing_happens(&mut watching).await;
    assert!(serves(&acceptor, "first").await);

    fs::write(folder.path("tls.crt"), "no certificate").unwrap();
    let error = rejected(&mut watching).await;
    assert!(error.contains("there is no certificate"), "{error}");
    fs::remove_file(folder.path("tls.crt")).unwrap();
    let error = rejected(&mut watching).await;
    assert!(error.contains("cannot read"), "{error}");
    assert!(serves(&acceptor, "first").await);

    folder.put("second");
    assert_eq!(published(&mut watching).await.0, 1);
    assert!(serves(&acceptor, "second").await);
}

/// An alarm that was given is taken back: where the old file is there again, whatever was wrong with the new one.
#[tokio::test]
async fn what_is_as_it_was_is_said() {
    let folder = Folder::new();
    let (acceptor, mut watching) = start(folder.reloader()).await;
    let old = fs::read_to_string(folder.path("tls.crt")).unwrap();
    fs::write(folder.path("tls.crt"), "no certificate").unwrap();
    let error = rejected(&mut watching).await;
    assert!(error.contains("there is no certificate"), "{error}");
    folder.rename_into_place("tls.crt", &old);
    restored(&mut watching).await;
    // Once.
    watching.look_now();
    nothing_happens(&mut watching).await;

    fs::remove_file(folder.path("tls.crt")).unwrap();
    let error = rejected(&mut watching).await;
    assert!(error.contains("cannot read"), "{error}");
    folder.rename_into_place("tls.crt", &old);
    restored(&mut watching).await;
    assert!(serves(&acceptor, "first").await);
    // What is new says so itself.
    folder.put("second");
    assert_eq!(published(&mut watching).await.0, 1);
    nothing_happens(&mut watching).await;
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_not_taken() {
    let folder = Folder::new();
    let (acceptor, mut watching) = start(folder.reloader()).await;
    let (chain, key) = CA.leaf_with("old", |params| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    folder.rename_into_place("tls.key", &key);
    folder.rename_into_place("tls.crt", &chain);
    let error = rejected(&mut watching).await;
    assert!(error.contains("the certificate has expired"), "{error}");
    assert!(serves(&acceptor, "first").await);
}

/// Files are links through `..data`, which is replaced; and the whole volume is behind a link.
#[cfg(unix)]
#[tokio::test]
async fn volumes_of_kubernetes() {
    use std::os::unix::fs::symlink;
    let base = tempfile::tempdir().unwrap();
    let volume = base.path().join("volume");
    let fill = |version: &str| {
        let (chain, key) = CA.leaf(version);
        let folder = volume.join(format!("..{version}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("tls.crt"), chain).unwrap();
        fs::write(folder.join("tls.key"), key).unwrap();
        symlink(format!("..{version}"), volume.join("..data_tmp")).unwrap();
        fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
    };
    fill("first");
    for name in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{name}"), volume.join(name)).unwrap();
    }
    let certs = base.path().join("certs");
    symlink(&volume, &certs).unwrap();
    let files = IdentityFiles::new(certs.join("tls.crt")).key(certs.join("tls.key"));
    let (acceptor, mut watching) = start(quick().identity(files)).await;
    for (generation, version) in [(1, "second"), (2, "third")] {
        fill(version);
        assert_eq!(published(&mut watching).await.0, generation);
        assert!(serves(&acceptor, version).await);
    }
    // Now the link to the volume itself.
    let elsewhere = base.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let (chain, key) = CA.leaf("fourth");
    fs::write(elsewhere.join("tls.crt"), chain).unwrap();
    fs::write(elsewhere.join("tls.key"), key).unwrap();
    symlink(&elsewhere, base.path().join("certs_tmp")).unwrap();
    fs::rename(base.path().join("certs_tmp"), &certs).unwrap();
    assert_eq!(published(&mut watching).await.0, 3);
    assert!(serves(&acceptor, "fourth").await);
}

#[tokio::test]
async fn a_file_that_is_deleted_and_made_again() {
    let folder = Folder::new();
    let (acceptor, mut watching) = start(folder.reloader()).await;
    for name in ["tls.crt", "tls.key"] {
        fs::remove_file(folder.path(name)).unwrap();
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(serves(&acceptor, "first").await);
    folder.put("second");
    assert_eq!(published(&mut watching).await.0, 1);
    assert!(serves(&acceptor, "second").await);
}

/// The system says nothing of a folder that was not there when it began to watch.
#[tokio::test]
async fn a_folder_that_is_deleted_and_made_again() {
    let base = tempfile::tempdir().unwrap();
    let folder = base.path().join("certs");
    let put = |name: &str| {
        fs::create_dir(&folder).unwrap();
        let (chain, key) = CA.leaf(name);
        fs::write(folder.join("both.pem"), chain + &key).unwrap();
    };
    put("first");
    let files = IdentityFiles::new(folder.join("both.pem"));
    let (acceptor, mut watching) = start(quick().identity(files)).await;
    for name in ["second", "third"] {
        fs::remove_dir_all(&folder).unwrap();
        if name == "third" {
            // It is missed, and that is said.
            let portcullis::ReloadEvent::Rejected { .. } = event(&mut watching).await else {
                panic!("nothing was missed");
            };
            let portcullis::ReloadEvent::NotWatched { .. } = event(&mut watching).await else {
                panic!("the folder is watched");
            };
            // Nothing that has been told is looked at any more.
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        put(name);
        published(&mut watching).await;
        assert!(serves(&acceptor, name).await);
        // Whatever comes is told again.
        let (chain, key) = CA.leaf("next");
        rename_into_place(&folder.join("both.pem"), &(chain + &key));
        published(&mut watching).await;
        assert!(serves(&acceptor, "next").await);
    }
}

/// Nobody waits for whoever would write into it.
#[cfg(unix)]
#[tokio::test]
async fn a_pipe_is_no_file() {
    let folder = Folder::new();
    let path = folder.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let reloader = folder.reloader().roots(&path);
    let error = tokio::time::timeout(SOON, reloader.load(config)).await;
    // Whoever waits for a writer is let go: a test that hangs says nothing.
    drop(fs::File::options().read(true).write(true).open(&path));
    let error = error.unwrap().err().unwrap().to_string();
    assert!(error.contains("is no file"), "{error}");
}

/// Nothing tells of it, as on a network file system: here because the file is written by its name in another folder.
#[cfg(unix)]
#[tokio::test]
async fn files_are_also_looked_at_from_time_to_time() {
    let folder = Folder::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let (chain, key) = CA.leaf("first");
    let (here, there) = (folder.path("both.pem"), elsewhere.path().join("both.pem"));
    fs::write(&there, chain + &key).unwrap();
    fs::hard_link(&there, &here).unwrap();
    let files = IdentityFiles::new(&here);
    for (every, is_seen) in [(NEVER, false), (Duration::from_millis(100), true)] {
        let reloader = quick().identity(files.clone()).poll_every(every);
        let (acceptor, mut watching) = start(reloader).await;
        let (chain, key) = CA.leaf("second");
        fs::write(&there, chain + &key).unwrap();
        match is_seen {
            true => assert_eq!(published(&mut watching).await.0, 1),
            false => nothing_happens(&mut watching).await,
        }
        assert_eq!(acceptor.reloadable().generation(), u64::from(is_seen));
        // Whoever knows may say so.
        let (chain, key) = CA.leaf("third");
        fs::write(&there, chain + &key).unwrap();
        watching.look_now();
        published(&mut watching).await;
        assert!(serves(&acceptor, "third").await);
    }
}

fn list(ca: &Ca, number: u64) -> String {
    let params = rcgen::CertificateRevocationListParams {
        this_update: rcgen::date_time_ymd(2026, 1, 1),
        next_update: rcgen::date_time_ymd(2099, 1, 1),
        crl_number: number.into(),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    };
    params.signed_by(&ca.issuer).unwrap().pem().unwrap()
}

/// Roots, ticket keys and revocation lists are of the same time as the rest, and a part that is wrong keeps all back.
#[tokio::test]
async fn all_parts_are_taken_over_together() {
    let folder = Folder::new();
    let (ca, other) = (Ca::new("clients"), Ca::new("other clients"));
    let secret = [1; TicketKeys::SECRET_LEN];
    folder.rename_into_place("ca.crt", &ca.pem);
    folder.rename_into_place("ca.crl", &list(&ca, 1));
    fs::write(folder.path("tickets"), secret).unwrap();
    let crls = MemoryCrls::new();
    let reloader = folder.reloader().roots(folder.path("ca.crt"));
    let reloader = reloader.crls(folder.path("ca.crl"), &crls);
    let reloader = reloader.ticket_keys(folder.path("tickets"));
    let loaded = reloader
        .load(|parts| {
            let (Some(roots), Some(keys)) = (parts.roots(), parts.ticket_keys()) else {
                return Err(Misuse::new("parts are missing"));
            };
            assert_eq!(parts.identities().len(), 1);
            let clients = portcullis::ClientAuthentication::Optional(roots.clone());
            ServerConfig::builder()
                .identity(parts.identity()?)
                .client_authentication(clients)
                .ticket_keys(keys.clone())
                .build()
        })
        .await
        .unwrap();
    assert_eq!(crls.len(), 1);
    let acceptor = TlsAcceptor::new(loaded.config());
    let mut watching = loaded.watch(acceptor.reloadable());
    tokio::time::sleep(Duration::from_millis(50)).await;

    // One that is wrong keeps back the others.
    fs::write(folder.path("tickets"), "short").unwrap();
    folder.rename_into_place("ca.crl", &list(&other, 7));
    folder.put("second");
    let error = rejected(&mut watching).await;
    assert!(error.contains("the file has 5 bytes"), "{error}");
    assert!(!serves(&acceptor, "second").await);
    assert!(serves(&acceptor, "first").await);

    fs::write(
        folder.path("tickets"),
        [[2; TicketKeys::SECRET_LEN], secret].concat(),
    )
    .unwrap();
    folder.rename_into_place("ca.crt", &other.pem);
    let (generation, changed) = published(&mut watching).await;
    assert_eq!(generation, 1);
    assert_eq!(changed.len(), 5, "{changed:?}");
    assert!(serves(&acceptor, "second").await);
    // The list that is not in the file any more has gone.
    assert_eq!(crls.len(), 1);
    fs::write(folder.path("ca.crl"), list(&ca, 2) + &list(&other, 8)).unwrap();
    assert_eq!(published(&mut watching).await.1, [folder.path("ca.crl")]);
    assert_eq!(crls.len(), 2);
}

/// Whoever could put an old file back would bring back who was revoked since.
#[tokio::test]
async fn an_older_list_takes_no_newer_one_away() {
    let folder = Folder::new();
    let ca = Ca::new("clients");
    let newer = list(&ca, 5);
    folder.rename_into_place("ca.crl", &newer);
    let crls = MemoryCrls::new();
    let reloader = folder.reloader().crls(folder.path("ca.crl"), &crls);
    let (_acceptor, mut watching) = start(reloader).await;
    folder.rename_into_place("ca.crl", &list(&ca, 4));
    published(&mut watching).await;
    let portcullis::ReloadEvent::Warning { path, warning } = event(&mut watching).await else {
        panic!("no warning");
    };
    let warning = warning.to_string();
    assert!(path.ends_with("ca.crl"), "{path:?}");
    assert!(
        warning.contains("CRL 4 of CN=clients is older than the CRL 5"),
        "{warning}"
    );
    let newer = CrlInput::Pem(newer.into_bytes());
    assert_eq!((crls.remove(&newer).unwrap(), crls.len()), (1, 0));
    crls.exchange(&[], &newer.read().unwrap()).unwrap();
    // What is of no kind that the file has goes.
    folder.rename_into_place("ca.crl", &list(&Ca::new("others"), 1));
    published(&mut watching).await;
    assert_eq!(crls.len(), 1);
    assert_eq!(
        crls.remove(&CrlInput::File(folder.path("ca.crl"))).unwrap(),
        1
    );
}

/// Of two files of lists as of others: all or none.
#[tokio::test]
async fn lists_for_which_there_is_no_room_change_nothing() {
    let folder = Folder::new();
    let (ca, other) = (Ca::new("clients"), Ca::new("other clients"));
    folder.rename_into_place("ca.crl", &list(&ca, 1));
    folder.rename_into_place("other.crl", &list(&other, 1));
    let one = CrlInput::File(folder.path("ca.crl")).read().unwrap();
    // Room for one in each place, and for its renewal.
    let (crls, others) = (
        MemoryCrls::with_room(one[0].bytes() * 3 / 2),
        MemoryCrls::with_room(one[0].bytes() * 3 / 2),
    );
    let reloader = folder
        .reloader()
        .crls(folder.path("ca.crl"), &crls)
        .crls(folder.path("other.crl"), &others);
    let (_acceptor, mut watching) = start(reloader).await;
    fs::write(
        folder.path("other.crl"),
        list(&other, 2) + &list(&Ca::new("third"), 1),
    )
    .unwrap();
    folder.rename_into_place("ca.crl", &list(&ca, 2));
    let error = rejected(&mut watching).await;
    assert!(error.contains("there is room for"), "{error}");
    assert_eq!((crls.len(), others.len()), (1, 1));
    let before = CrlInput::Der(one[0].as_der().to_vec());
    assert_eq!(crls.remove(&before).unwrap(), 1);
}

/// A handshake resumes with a ticket of before, although the certificate is another one.
#[tokio::test]
async fn tickets_outlive_a_reload() {
    let folder = Folder::new();
    fs::write(folder.path("tickets"), [1; TicketKeys::SECRET_LEN]).unwrap();
    let reloader = folder.reloader().ticket_keys(folder.path("tickets"));
    let loaded = reloader
        .load(|parts| {
            let builder = ServerConfig::builder().identity(parts.identity()?);
            let keys = parts.ticket_keys().cloned();
            builder
                .ticket_keys(keys.ok_or_else(|| Misuse::new("no keys"))?)
                .build()
        })
        .await
        .unwrap();
    let listener = TlsListener::bind("127.0.0.1:0", loaded.config())
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let mut watching = loaded.watch(listener.reloadable());
    tokio::time::sleep(Duration::from_millis(50)).await;
    let serving = tokio::spawn(async move {
        loop {
            let incoming = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut stream = incoming.handshake().await.unwrap();
                let _ = stream.send(&[b"x"]).await;
                let _ = stream.recv(0).await;
            });
        }
    });
    let roots = Roots::from_pem(&CA.pem).unwrap();
    let connector = TlsConnector::new(ClientConfig::builder(roots).build().unwrap());
    for (round, resumed) in [(0, false), (1, true)] {
        let mut stream = connector.connect(address, "localhost").await.unwrap();
        assert_eq!(stream.information().is_resumed(), resumed);
        assert_eq!(&stream.recv(1).await.unwrap()[..], b"x");
        if round == 0 {
            // Another key and certificate for the same names.
            folder.put("first");
            published(&mut watching).await;
        }
    }
    serving.abort();
}

fn openssl(name: &str) -> PathBuf {
    let folder = [
        env!("CARGO_MANIFEST_DIR"),
        "../portcullis-core/src/x509/tests/reports",
    ];
    folder.iter().collect::<PathBuf>().join(name)
}

#[tokio::test]
async fn a_password_is_asked_for_once_for_each_content() {
    let folder = Folder::new();
    let copy = |from: &str, to: &str| {
        fs::copy(openssl(from), folder.path(to)).unwrap();
    };
    copy("pem/chain.pem", "tls.crt");
    copy("encrypted/default.pem", "tls.key");
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let key = folder.path("tls.key");
    let files = IdentityFiles::new(folder.path("tls.crt"))
        .key(&key)
        .ask_password(move |path| {
            assert_eq!(path, key);
            // The second time it is wrong.
            let password = match count.fetch_add(1, Ordering::Relaxed) {
                1 => "something else",
                _ => "Gruß aus 7",
            };
            async move { Ok::<_, std::io::Error>(password) }
        });
    let (acceptor, mut watching) = start(quick().identity(files)).await;
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    watching.look_now();
    copy("encrypted/aes128_sha1.pem", "tls.key");
    let error = rejected(&mut watching).await;
    assert!(error.contains("the password does not open"), "{error}");
    assert!(!error.contains("something else"), "{error}");
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    copy("encrypted/aes192_sha384.pem", "tls.key");
    published(&mut watching).await;
    assert_eq!(asked.load(Ordering::Relaxed), 3);
    // One in the clear needs none.
    copy("pem/key.pem", "tls.key");
    published(&mut watching).await;
    assert_eq!(asked.load(Ordering::Relaxed), 3);
    assert_eq!(acceptor.reloadable().generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_has_the_password_may_fail_or_be_late() {
    let files = IdentityFiles::new(openssl("pem/chain.pem")).key(openssl("encrypted/default.pem"));
    let error = files.load().await.unwrap_err().to_string();
    assert!(error.contains("encrypted: give its password"), "{error}");
    files.clone().password("Gruß aus 7").load().await.unwrap();
    let failing = files
        .clone()
        .ask_password(|_| async { Err::<String, _>("the vault is sealed") });
    let error = failing.load().await.unwrap_err().to_string();
    assert!(error.contains("the vault is sealed"), "{error}");
    let late = files.ask_password(|_| std::future::pending::<Result<String, String>>());
    let error = late.load().await.unwrap_err().to_string();
    assert!(error.contains("not given within 60s"), "{error}");
}

#[tokio::test]
async fn what_cannot_be_loaded_is_said_at_once() {
    let error = Reloader::new().load(config).await.unwrap_err().to_string();
    assert!(error.contains("1 to 256 files, and not 0"), "{error}");
    let folder = Folder::new();
    fs::remove_file(folder.path("tls.key")).unwrap();
    let error = folder
        .reloader()
        .load(config)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("cannot read"), "{error}");
    folder.put("first");
    let refusing = |_: &Parts| Err::<ServerConfig, _>(Misuse::new("not today"));
    let error = folder
        .reloader()
        .load(refusing)
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(error, "not today");
}
