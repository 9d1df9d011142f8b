//! Lists in a directory as OpenSSL's `rehash` lays it out.

mod authority;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use authority::{Authority, verdict};
use portcullis_core::x509::{Crl, crl_issuer_hash};
use portcullis_crl_fetch::HashDirCrls;

/// A directory that is gone when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("portcullis-crls-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, contents: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, contents).unwrap();
        path
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn called(list: &[u8], number: usize) -> String {
    let list = Crl::from_der(list).unwrap();
    format!("{:08x}.r{number}", crl_issuer_hash(list.issuer()).unwrap())
}

#[tokio::test]
async fn files_are_found_by_their_issuers_hash() {
    let ca = Authority::new();
    let scratch = Scratch::new();
    let crls = HashDirCrls::with_recheck(scratch.path(), Duration::ZERO);
    let (good, bad) = (ca.leaf(8, &[]), ca.leaf(9, &["http://crl.test/"]));
    assert!(verdict(&ca, &good, &crls).await.is_err());
    let list = ca.list(1, &[9]);
    scratch.write(&called(&list, 0), &list);
    assert!(verdict(&ca, &good, &crls).await.is_ok());
    let error = verdict(&ca, &bad, &crls).await.unwrap_err();
    assert!(error.to_string().contains("was revoked"), "{error}");
}

#[tokio::test]
async fn what_is_of_no_use_hides_nothing() {
    let ca = Authority::new();
    let scratch = Scratch::new();
    let list = ca.list(1, &[9]);
    let hash = called(&list, 0);
    // Damaged, over, of another who has the name, of another issuer under this name, and then the one.
    scratch.write(&hash, b"no list");
    scratch.write(&called(&list, 1), &ca.old_list(7));
    scratch.write(&called(&list, 2), &Authority::new().list(8, &[]));
    scratch.write(&called(&list, 3), &Authority::named("Other").list(8, &[]));
    scratch.write(&called(&list, 4), &list);
    let crls = HashDirCrls::new(scratch.path());
    assert!(verdict(&ca, &ca.leaf(8, &[]), &crls).await.is_ok());
    assert!(verdict(&ca, &ca.leaf(9, &[]), &crls).await.is_err());
    // Behind a gap it is not looked for.
    std::fs::remove_file(scratch.path().join(called(&list, 2))).unwrap();
    assert!(
        verdict(&ca, &ca.leaf(8, &[]), &crls).await.is_ok(),
        "remembered"
    );
    let crls = HashDirCrls::new(scratch.path());
    let error = verdict(&ca, &ca.leaf(8, &[]), &crls).await.unwrap_err();
    assert!(error.to_string().contains("cannot be told"), "{error}");
}

#[tokio::test]
async fn a_file_that_changes_is_read_again() {
    let ca = Authority::new();
    let scratch = Scratch::new();
    let list = ca.list(1, &[]);
    let path = scratch.write(&called(&list, 0), &list);
    let crls = HashDirCrls::new(scratch.path());
    let leaf = ca.leaf(9, &[]);
    assert!(verdict(&ca, &leaf, &crls).await.is_ok());
    let next = scratch.write("next", &ca.list(2, &[9]));
    std::fs::rename(next, path).unwrap();
    assert!(
        verdict(&ca, &leaf, &crls).await.is_ok(),
        "not looked at yet"
    );
    crls.recheck();
    assert!(verdict(&ca, &leaf, &crls).await.is_err());
}

/// Where there is no list, the error says what may be the reason.
#[tokio::test]
async fn what_cannot_be_read_is_said() {
    let ca = Authority::new();
    let scratch = Scratch::new();
    let missing = scratch.path().join("no/such");
    let error = verdict(&ca, &ca.leaf(8, &[]), &HashDirCrls::new(&missing)).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains(missing.to_str().unwrap()), "{error}");
    let crls = HashDirCrls::with_recheck(scratch.path(), Duration::ZERO);
    // An empty directory is as it should be.
    let error = verdict(&ca, &ca.leaf(8, &[]), &crls).await.unwrap_err();
    let empty = scratch.path().to_str().unwrap();
    assert!(!error.to_string().contains(empty), "{error}");
    let list = ca.list(1, &[9]);
    scratch.write(&called(&list, 0), b"no list");
    let error = verdict(&ca, &ca.leaf(8, &[]), &crls).await.unwrap_err();
    assert!(error.to_string().contains(&called(&list, 0)), "{error}");
}

/// A link whose file has gone hides nothing behind it, and is the reason where nothing is.
#[cfg(unix)]
#[tokio::test]
async fn a_link_to_nowhere_is_passed_over() {
    use std::os::unix::fs::symlink;
    let ca = Authority::new();
    let scratch = Scratch::new();
    let list = ca.list(1, &[9]);
    symlink("gone.crl", scratch.path().join(called(&list, 0))).unwrap();
    let crls = HashDirCrls::with_recheck(scratch.path(), Duration::ZERO);
    let error = verdict(&ca, &ca.leaf(8, &[]), &crls).await.unwrap_err();
    assert!(error.to_string().contains(&called(&list, 0)), "{error}");
    scratch.write(&called(&list, 1), &list);
    assert!(verdict(&ca, &ca.leaf(8, &[]), &crls).await.is_ok());
    let error = verdict(&ca, &ca.leaf(9, &[]), &crls).await.unwrap_err();
    assert!(error.to_string().contains("was revoked"), "{error}");
    // Its file may come back, with a newer list.
    scratch.write("gone.crl", &ca.list(2, &[8]));
    assert!(verdict(&ca, &ca.leaf(8, &[]), &crls).await.is_err());
    // A link to itself neither.
    std::fs::remove_file(scratch.path().join(called(&list, 0))).unwrap();
    symlink(called(&list, 0), scratch.path().join(called(&list, 0))).unwrap();
    assert!(verdict(&ca, &ca.leaf(8, &[]), &crls).await.is_ok());
}

/// Neither what may be read since nor what was made of it changes when a file was written.
#[cfg(unix)]
#[tokio::test]
async fn a_file_that_could_not_be_read_is_read_again() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let ca = Authority::new();
    let scratch = Scratch::new();
    let list = ca.list(1, &[9]);
    let path = scratch.write(&called(&list, 0), &list);
    let mode = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    let crls = HashDirCrls::with_recheck(scratch.path(), Duration::ZERO);
    mode(0);
    // Whoever may do everything may also read this.
    if std::fs::read(&path).is_err() {
        let error = verdict(&ca, &ca.leaf(8, &[]), &crls).await.unwrap_err();
        assert!(error.to_string().contains("ermission"), "{error}");
    }
    mode(0o600);
    assert!(verdict(&ca, &ca.leaf(8, &[]), &crls).await.is_ok());
    // A pipe is not waited for.
    let next = scratch.path().join(called(&list, 1));
    let pipe = scratch.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if made.is_ok_and(|status| status.success()) {
        symlink(&pipe, next).unwrap();
        let leaf = ca.leaf(8, &[]);
        let seen = tokio::time::timeout(Duration::from_secs(20), verdict(&ca, &leaf, &crls)).await;
        // Whoever waits for a writer is let go: a test that hangs says nothing.
        drop(std::fs::File::options().read(true).write(true).open(&pipe));
        assert!(seen.unwrap().is_ok());
    }
}

/// OpenSSL makes the names, and the links.
#[tokio::test]
async fn a_directory_of_rehash() {
    use std::process::Command;
    let ca = Authority::named("Ünïcode  And SPACES ");
    let scratch = Scratch::new();
    let list = ca.list(1, &[9]);
    let der = scratch.write("list.der", &list);
    let openssl = Command::new("openssl")
        .args(["crl", "-inform", "DER", "-hash", "-in"])
        .arg(&der)
        .arg("-out")
        .arg(scratch.path().join("list.pem"))
        .output();
    let Ok(output) = openssl else {
        println!("openssl is not there");
        return;
    };
    assert!(output.status.success(), "{output:?}");
    let issuer = Crl::from_der(list).unwrap();
    let hash = format!("{:08x}", crl_issuer_hash(issuer.issuer()).unwrap());
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).lines().next(),
        Some(&*hash)
    );
    let status = Command::new("openssl")
        .arg("rehash")
        .arg(scratch.path())
        .status()
        .unwrap();
    assert!(status.success());
    let crls = HashDirCrls::new(scratch.path());
    assert!(verdict(&ca, &ca.leaf(8, &[]), &crls).await.is_ok());
    assert!(verdict(&ca, &ca.leaf(9, &[]), &crls).await.is_err());
}
