//! A real redis-server on a socket in a folder of its own.

#![allow(dead_code, reason = "each program of tests needs some of it")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) struct RedisServer {
    folder: PathBuf,
    child: Child,
}

impl RedisServer {
    pub(crate) fn start(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("portcullis-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let child = run(&folder);
        let mut this = Self { folder, child };
        this.wait();
        this
    }

    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    fn wait(&mut self) {
        let end = Instant::now() + Duration::from_secs(10);
        while std::os::unix::net::UnixStream::connect(self.socket()).is_err() {
            assert!(Instant::now() < end, "redis-server does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([signal, &pid]).status();
        assert!(status.expect("there is kill").success());
    }

    pub(crate) fn stop(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
        std::fs::remove_file(self.socket()).expect("it was there");
    }

    /// Nothing of what it has saved is there when it starts again.
    pub(crate) fn forget(&self) {
        std::fs::remove_file(self.folder.join("dump.rdb")).expect("it has saved");
    }

    /// Starts again, with what it has saved when it was told to.
    pub(crate) fn restart(&mut self) {
        self.child = run(&self.folder);
        self.wait();
    }

    /// A command by a connection of its own.
    pub(crate) async fn command<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut connection).await.unwrap()
    }
}

fn run(folder: &Path) -> Child {
    Command::new("redis-server")
        .current_dir(folder)
        .args(["--port", "0", "--unixsocket", "socket", "--save", ""])
        .args(["--appendonly", "no"])
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is in the Debian package redis-server")
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // One that is stopped dies of it, too.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
