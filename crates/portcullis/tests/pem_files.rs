//! PEM files that are read once, and again when they have changed.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis::{IdentityFiles, PemFiles};

fn write(path: &PathBuf, name: &str) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    fs::write(path, made.cert.pem() + &made.signing_key.serialize_pem()).unwrap();
}

async fn name(files: &PemFiles, path: &PathBuf) -> String {
    let identity = files.identity(&IdentityFiles::new(path)).await.unwrap();
    identity.names().next().unwrap().to_owned()
}

#[tokio::test]
async fn a_file_is_read_again_when_it_is_time_and_it_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("both.pem");
    write(&path, "first.test");
    let files = PemFiles::new().recheck_every(Duration::from_millis(200));
    let first = files.identity(&IdentityFiles::new(&path)).await.unwrap();
    write(&path, "second.test");
    // It is not time.
    assert_eq!(name(&files, &path).await, "first.test");
    assert_eq!(
        name(&files.clone().bypass(true), &path).await,
        "second.test"
    );
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(name(&files, &path).await, "second.test");
    let second = files.identity(&IdentityFiles::new(&path)).await.unwrap();
    assert!(!first.same(&second));
    // It is time, and nothing has changed: it is the same value.
    tokio::time::sleep(Duration::from_millis(250)).await;
    let again = files.identity(&IdentityFiles::new(&path)).await.unwrap();
    assert!(again.same(&second));
    assert_eq!(files.len(), 1);
}

#[tokio::test]
async fn what_is_wrong_changes_nothing_until_it_is_cleared() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("both.pem");
    let files = PemFiles::new().recheck_every(Duration::ZERO);
    let error = files
        .identity(&IdentityFiles::new(&path))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("cannot read"), "{error}");
    write(&path, "first.test");
    assert_eq!(name(&files, &path).await, "first.test");
    fs::write(&path, "-----BEGIN CERTIFICATE-----\n").unwrap();
    assert_eq!(name(&files, &path).await, "first.test");
    fs::remove_file(&path).unwrap();
    assert_eq!(name(&files, &path).await, "first.test");
    write(&path, "second.test");
    assert_eq!(name(&files, &path).await, "second.test");
    fs::remove_file(&path).unwrap();
    files.clear();
    assert!(files.is_empty());
    files
        .identity(&IdentityFiles::new(&path))
        .await
        .unwrap_err();
}

#[tokio::test]
async fn roots_are_kept_too_and_files_have_a_bound() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
    let files = PemFiles::new();
    for number in 0..1_100 {
        let path = folder.path().join(format!("{number}.pem"));
        fs::write(&path, made.cert.pem()).unwrap();
        assert_eq!(files.roots(&path).await.unwrap().len(), 1);
    }
    assert_eq!(files.len(), 1_000);
}

/// The key's, too, as whoever reads both without them.
#[tokio::test]
async fn what_is_wrong_is_said_of_both_files() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
    let other = rcgen::KeyPair::generate().unwrap();
    let (chain, key) = (
        folder.path().join("chain.pem"),
        folder.path().join("key.pem"),
    );
    fs::write(&chain, made.cert.pem()).unwrap();
    fs::write(&key, other.serialize_pem()).unwrap();
    for files in [PemFiles::new(), PemFiles::new().bypass(true)] {
        let identity = files.identity(&IdentityFiles::new(&chain).key(&key)).await;
        let said = identity.unwrap_err().to_string();
        let both = format!("{} with the key {}: ", chain.display(), key.display());
        assert!(said.starts_with(&both), "{said}");
    }
}

/// Those who come meanwhile wait for it.
#[tokio::test]
async fn many_at_once_read_and_decrypt_once() {
    let folder = [
        env!("CARGO_MANIFEST_DIR"),
        "../portcullis-core/src/x509/tests/reports",
    ];
    let folder: PathBuf = folder.iter().collect();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let own = IdentityFiles::new(folder.join("pem/chain.pem"))
        .key(folder.join("encrypted/default.pem"))
        .ask_password(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok::<_, std::io::Error>("Gruß aus 7")
            }
        });
    let files = PemFiles::new();
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (files, own) = (files.clone(), own.clone());
        all.spawn(async move { files.identity(&own).await.unwrap() });
    }
    assert_eq!(all.join_all().await.len(), 100);
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}
