//! Memory before the store on disk, in two processes: which of them has the file, what the other is told, and what is left of
//! one that ends.

#![cfg(unix)]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::SystemTime;

use portcullis_core::ProtocolVersion;
use portcullis_session_cache::{
    DiskStore, LayeredServerSessionStore, LayeredSessionStore, MemoryServerSessionStore,
    MemorySessionStore, ServerSessionStore, SessionStore, StoreErrorKind, StoreKeys,
};
use rustls_pki_types::UnixTime;

use support::{client_session, key, server_session, ticket};

const V12: ProtocolVersion = ProtocolVersion::TLS_1_2;
const V13: ProtocolVersion = ProtocolVersion::TLS_1_3;

fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    support::at(since.unwrap().as_secs())
}

fn keys() -> StoreKeys {
    StoreKeys::new([&[9; 32]]).unwrap()
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("portcullis-processes-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("sessions")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A client's and a server's sessions, with memory before what is on the disk.
struct Layered {
    disk: DiskStore,
    client: LayeredSessionStore,
    server: LayeredServerSessionStore,
}

impl Layered {
    fn new(disk: DiskStore) -> Self {
        let (far, authority) = (Arc::new(disk.clone()), Arc::new(disk.clone()));
        Self {
            disk,
            client: LayeredSessionStore::new(MemorySessionStore::default(), far),
            server: LayeredServerSessionStore::new(MemoryServerSessionStore::default(), authority),
        }
    }

    async fn put(&self, service: &str, version: ProtocolVersion, number: u32) {
        let session = client_session(version, number, now(), 600);
        self.client.put(&key(service), session).await;
    }

    async fn take(&self, service: &str) -> Vec<u32> {
        let taken = self.client.take(&key(service), now()).await;
        taken.iter().map(ticket).collect()
    }

    async fn put_id(&self, version: ProtocolVersion, id: u8) {
        let until = support::at(now().as_secs() + 600);
        let session = server_session(version, now(), 600);
        self.server.put(&[id; 32], session, until).await;
    }

    async fn claims(&self, id: u8) -> bool {
        self.server.claim(&[id; 32], now()).await.is_some()
    }

    async fn gets(&self, id: u8) -> bool {
        self.server.get(&[id; 32], now()).await.is_some()
    }
}

/// The other process, and what it says.
struct Other {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Other {
    /// `blocks` of 512 bytes are what its files may have.
    fn start(does: &str, file: &Path, blocks: Option<u64>) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = match blocks {
            None => Command::new(program),
            Some(blocks) => {
                let mut shell = Command::new("sh");
                let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
                shell.args(["-c", &limited]).arg(program);
                shell
            }
        };
        let mut child = command
            .args(["--exact", "other", "--ignored", "--nocapture"])
            .env("PORTCULLIS_OTHER_DOES", does)
            .env("PORTCULLIS_OTHER_FILE", file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// What it says behind this word.
    fn hear(&mut self, word: &str) -> String {
        for line in &mut self.lines {
            if let Some(rest) = line.unwrap().strip_prefix(word) {
                return rest.trim().to_owned();
            }
        }
        panic!("it has ended without {word}");
    }

    fn say(&mut self, word: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{word}").unwrap();
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn end(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

fn wait_for(word: &str) {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    assert!(line.is_empty() || line.trim() == word, "{line}");
}

/// The other process. Both roles put sessions, and some are used.
#[tokio::test]
#[ignore = "run by the other tests"]
async fn other() {
    let (Ok(does), Ok(file)) = (
        std::env::var("PORTCULLIS_OTHER_DOES"),
        std::env::var("PORTCULLIS_OTHER_FILE"),
    ) else {
        return;
    };
    let layered = Layered::new(DiskStore::open(file, keys()).await.unwrap());
    if does == "fill" {
        return fill(&layered).await;
    }
    for number in 1..=6 {
        layered.put("x", V13, number).await;
    }
    layered.put("y", V12, 7).await;
    assert_eq!(layered.take("x").await, [1], "from memory");
    assert_eq!(layered.take("x").await, [6], "from the disk");
    layered.put("x", V13, 8).await;
    for id in 1..=3 {
        layered.put_id(V13, id).await;
    }
    layered.put_id(V12, 4).await;
    assert!(layered.claims(2).await);
    assert!(layered.gets(4).await);
    say("ready");
    wait_for("close");
    layered.client.close().await;
    say("closed");
    wait_for("end");
}

/// Until the disk is full. What is in memory is taken all the same.
async fn fill(layered: &Layered) {
    layered.put("x", V13, 1).await;
    let mut full = None;
    for number in 0..20_000 {
        layered.put(&number.to_string(), V12, number).await;
        full = layered.disk.last_error();
        if full.is_some() {
            break;
        }
    }
    let error = full.expect("the disk is never full");
    assert_eq!(layered.take("x").await, [1]);
    layered.put("x", V13, 2).await;
    assert_eq!(layered.take("x").await, [2]);
    say(&format!("full {:?} {error}", error.kind()));
    wait_for("end");
}

/// One has the file. The other is told so, may have one of its own, and has the first one when that process has closed it or is
/// gone. Nothing is given twice; what was in the memory of a process that was killed is lost, and nothing else.
#[tokio::test]
async fn one_file_is_for_one_process_at_a_time() {
    for is_killed in [false, true] {
        let folder = Folder::new("one-file");
        let mut other = Other::start("work", &folder.file(), None);
        other.hear("ready");
        let error = DiskStore::open(folder.file(), keys()).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        let sentence = error.to_string();
        assert!(
            sentence.contains("in use, by another process"),
            "{sentence}"
        );
        assert!(
            sentence.contains(&*folder.file().to_string_lossy()),
            "{sentence}"
        );
        // Nor does a new one take its place.
        let anew = DiskStore::options().begin_anew(true);
        let error = anew.open(folder.file(), keys()).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        let own = DiskStore::open(folder.0.join("own"), keys()).await.unwrap();
        let own = Layered::new(own);
        assert!(own.take("x").await.is_empty() && !own.gets(4).await);
        own.put("x", V13, 9).await;
        assert_eq!(own.take("x").await, [9]);
        let mut alive = None;
        if is_killed {
            other.kill();
        } else {
            other.say("close");
            other.hear("closed");
            alive = Some(other);
        }
        let layered = Layered::new(DiskStore::open(folder.file(), keys()).await.unwrap());
        let mut given = Vec::new();
        for _ in 0..6 {
            given.extend(layered.take("x").await);
        }
        let expected: &[u32] = if is_killed {
            &[5, 4, 3, 2]
        } else {
            &[8, 5, 4, 3, 2]
        };
        assert_eq!(given, expected, "killed: {is_killed}");
        assert_eq!(layered.take("y").await, [7]);
        assert_eq!(layered.take("y").await, [7]);
        assert!(
            !layered.claims(2).await,
            "it was claimed in the other process"
        );
        for id in [1, 3] {
            assert!(layered.claims(id).await);
            assert!(!layered.claims(id).await);
        }
        assert!(layered.gets(4).await && layered.gets(4).await);
        assert_eq!(layered.disk.last_error(), None);
        assert_eq!(layered.disk.unopened(), 0);
        layered.client.close().await;
        if let Some(other) = alive {
            other.end();
        }
    }
}

/// The next process has other keys: it is told, and memory goes on.
#[tokio::test]
async fn the_other_process_had_other_keys() {
    let folder = Folder::new("keys");
    let mut other = Other::start("work", &folder.file(), None);
    other.hear("ready");
    other.kill();
    let keys = StoreKeys::new([&[8; 32]]).unwrap();
    let layered = Layered::new(DiskStore::open(folder.file(), keys).await.unwrap());
    assert!(layered.take("x").await.is_empty());
    assert!(layered.take("y").await.is_empty());
    assert!(!layered.gets(4).await && !layered.claims(1).await);
    let error = layered.disk.last_error().unwrap();
    assert_eq!(error.kind(), StoreErrorKind::Keys, "{error}");
    assert!(layered.disk.unopened() >= 3);
    layered.put("x", V13, 9).await;
    assert_eq!(layered.take("x").await, [9]);
    layered.client.close().await;
}

/// Something is done to the file between the two.
#[tokio::test]
async fn the_file_of_the_other_process_is_damaged() {
    let folder = Folder::new("damaged");
    let mut other = Other::start("work", &folder.file(), None);
    other.hear("ready");
    other.kill();
    let good = fs::read(folder.file()).unwrap();
    fs::write(folder.file(), &good[..good.len() / 2]).unwrap();
    let error = DiskStore::open(folder.file(), keys()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Damaged, "{error}");
    let anew = DiskStore::options().begin_anew(true);
    let layered = Layered::new(anew.open(folder.file(), keys()).await.unwrap());
    assert!(folder.0.join("sessions.damaged").exists());
    assert!(layered.take("x").await.is_empty() && !layered.gets(4).await);
    layered.put("x", V13, 9).await;
    layered.put("x", V13, 10).await;
    assert_eq!(layered.take("x").await, [9]);
    assert_eq!(layered.take("x").await, [10]);
    layered.client.close().await;
}

/// A process whose disk is full says so and goes on with its memory, and the next one opens the file.
#[tokio::test]
async fn the_disk_of_the_other_process_is_full() {
    let folder = Folder::new("full");
    let empty = DiskStore::open(folder.file(), keys()).await.unwrap();
    SessionStore::close(&empty).await;
    let blocks = fs::metadata(folder.file()).unwrap().len() / 512 + 64;
    let mut other = Other::start("fill", &folder.file(), Some(blocks));
    let told = other.hear("full");
    assert!(told.starts_with("Unavailable"), "{told}");
    assert!(told.contains(&*folder.file().to_string_lossy()), "{told}");
    other.kill();
    let layered = Layered::new(DiskStore::open(folder.file(), keys()).await.unwrap());
    assert_eq!(layered.disk.last_error(), None);
    // What was put first was on the disk when that was over.
    assert_eq!(layered.take("0").await, [0]);
    layered.client.close().await;
}
