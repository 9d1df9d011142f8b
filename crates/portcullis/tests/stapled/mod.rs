//! OCSP responses of identities that are replaced.

#[path = "../../../portcullis-crl-fetch/tests/responder/mod.rs"]
mod responder;

use std::fs;
use std::time::{Duration, Instant};

use portcullis::x509::OcspStatus;
use portcullis::{
    ClientConfig, IdentityFiles, LoadedFiles, OcspPolicy, ReloadEvent, ReloadWarning, Reloader,
    Roots, ServerConfig, Stapler, TlsAcceptor, TlsConnector, Watching,
};
use responder::{Answer, Pki, Responder};
use tempfile::TempDir;
use tokio::io::duplex;
use tokio::time::timeout;

use crate::folder::{NEVER, SOON, config, event, nothing_happens, quick, rename_into_place};

/// Certificates in a folder, and the responder of their authority.
struct Site {
    pki: Pki,
    responder: Responder,
    folder: TempDir,
}

impl Site {
    /// Whose first certificate has number 1 and a response.
    async fn new(first_demands: bool) -> Self {
        let site = Self {
            pki: Pki::new(),
            responder: Responder::start(Answer::Fails).await,
            folder: tempfile::tempdir().unwrap(),
        };
        site.responder.say(1, Answer::Is(site.pki.good(1)));
        site.put(1, first_demands);
        site
    }

    fn put(&self, number: u8, demands: bool) {
        self.put_as("tls", number, demands);
    }

    fn put_as(&self, name: &str, number: u8, demands: bool) {
        let (chain, key) = self.pki.pem(number, demands, &format!("number{number}"));
        let path = |end| self.folder.path().join(format!("{name}.{end}"));
        rename_into_place(&path("key"), &key);
        rename_into_place(&path("crt"), &chain);
    }

    fn good(&self, number: u8) {
        self.responder
            .say(number, Answer::Is(self.pki.good(number)));
    }

    /// The next attempt comes after a second.
    fn files(&self, name: &str) -> IdentityFiles {
        let url = self.responder.url();
        let path = |end| self.folder.path().join(format!("{name}.{end}"));
        IdentityFiles::new(path("crt"))
            .key(path("key"))
            .stapler(move |identity| {
                let stapler = Stapler::new(identity).responder(&url);
                stapler.retry_after(Duration::from_secs(1))
            })
    }

    fn reloader(&self) -> Reloader {
        quick().identity(self.files("tls"))
    }

    /// What a client sees that asks for this name.
    async fn seen(&self, acceptor: &TlsAcceptor, number: u8) -> Seen {
        let roots = Roots::from_pem(self.pki.ca_pem()).unwrap();
        let config = ClientConfig::builder(roots).ocsp(OcspPolicy::Accept);
        let connector = TlsConnector::new(config.build().unwrap()).without_resumption();
        let (near, far) = duplex(64 * 1024);
        let name = format!("number{number}");
        let (client, _server) =
            tokio::join!(connector.upgrade(near, &*name), acceptor.upgrade(far));
        let Ok(client) = client else {
            return Seen::Refused;
        };
        match client.information().ocsp_verdict() {
            None => Seen::Bare,
            Some(verdict) => {
                assert_eq!(verdict.as_ref().unwrap().status(), OcspStatus::Good);
                Seen::Good
            }
        }
    }

    async fn becomes(&self, acceptor: &TlsAcceptor, number: u8, expected: Seen) {
        let come = async {
            while self.seen(acceptor, number).await != expected {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(SOON, come).await.expect("in time");
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// By the name, or for want of a response that the certificate demands.
    Refused,
    /// Without a response.
    Bare,
    Good,
}

async fn start(reloader: Reloader) -> (TlsAcceptor, Watching) {
    let loaded: LoadedFiles<ServerConfig> = reloader.load(config).await.unwrap();
    let acceptor = TlsAcceptor::new(loaded.config());
    let watching = loaded.watch(acceptor.reloadable());
    tokio::time::sleep(Duration::from_millis(50)).await;
    (acceptor, watching)
}

async fn published(watching: &mut Watching, generation: u64) {
    match event(watching).await {
        ReloadEvent::Published {
            generation: seen, ..
        } => assert_eq!(seen, generation),
        other => panic!("{other:?}"),
    }
}

async fn lack(watching: &mut Watching) -> String {
    match event(watching).await {
        ReloadEvent::Warning { path, warning } => {
            assert!(path.ends_with("tls.crt"), "{path:?}");
            assert!(
                matches!(warning, ReloadWarning::NoOcspResponse { .. }),
                "{warning:?}"
            );
            warning.to_string()
        }
        other => panic!("{other:?}"),
    }
}

async fn rejected(watching: &mut Watching) -> String {
    match event(watching).await {
        ReloadEvent::Rejected { error, serving } => {
            assert_eq!(serving, 0);
            error.to_string()
        }
        other => panic!("{other:?}"),
    }
}

/// Of this runtime.
fn tasks() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}

async fn tasks_become(expected: usize) {
    let come = async {
        while tasks() != expected {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = timeout(SOON, come).await;
    assert!(in_time.is_ok(), "{} tasks, and not {expected}", tasks());
}

/// Each identity comes with its response, and what fetched that of the one before stops.
#[tokio::test]
async fn an_identity_that_is_taken_over_has_its_own_response() {
    let site = Site::new(true).await;
    let (acceptor, mut watching) = start(site.reloader()).await;
    assert_eq!(site.seen(&acceptor, 1).await, Seen::Good);
    let before = tasks();
    for number in 2..6 {
        site.good(number);
        site.put(number, number % 2 == 0);
        published(&mut watching, u64::from(number) - 1).await;
        assert_eq!(site.seen(&acceptor, number).await, Seen::Good);
        assert_eq!(site.seen(&acceptor, number - 1).await, Seen::Refused);
        assert_eq!(site.responder.asked(number), 1);
        tasks_become(before).await;
    }
}

/// One that fetches nothing goes on trying, until it is replaced.
#[tokio::test]
async fn the_responder_is_not_asked_about_who_was_replaced() {
    let site = Site::new(false).await;
    site.responder.say(1, Answer::Fails);
    let (acceptor, mut watching) = start(site.reloader()).await;
    // Nothing better is there.
    let warning = lack(&mut watching).await;
    assert!(warning.contains("503"), "{warning}");
    assert_eq!(site.seen(&acceptor, 1).await, Seen::Bare);
    let again = async {
        while site.responder.asked(1) < 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(SOON, again).await.unwrap();
    site.good(2);
    site.put(2, false);
    published(&mut watching, 1).await;
    let asked = site.responder.asked(1);
    // The next attempt would be two seconds after the second.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(site.responder.asked(1), asked);
}

/// It is served without when its time is over, and has it when it comes.
#[tokio::test]
async fn a_first_response_that_is_late() {
    let site = Site::new(false).await;
    let reloader = quick().identity(site.files("tls").staple_within(Duration::from_millis(400)));
    let (acceptor, mut watching) = start(reloader).await;
    site.responder.say(2, Answer::Hangs);
    let begun = Instant::now();
    site.put(2, false);
    published(&mut watching, 1).await;
    assert!(begun.elapsed() >= Duration::from_millis(400));
    let warning = lack(&mut watching).await;
    assert!(warning.contains("not answered within 400ms"), "{warning}");
    assert_eq!(site.seen(&acceptor, 2).await, Seen::Bare);
    site.good(2);
    site.becomes(&acceptor, 2, Seen::Good).await;
    assert_eq!(site.responder.asked(2), 1);
    // One that is waited for is there when its certificate is.
    site.responder.say(3, Answer::Hangs);
    let reloader = site.reloader();
    drop(watching);
    let (acceptor, mut watching) = start(reloader).await;
    site.put(3, false);
    nothing_happens(&mut watching).await;
    assert_eq!(site.seen(&acceptor, 2).await, Seen::Good);
    site.good(3);
    published(&mut watching, 1).await;
    assert_eq!(site.seen(&acceptor, 3).await, Seen::Good);
}

/// Without must-staple: it is served, that it lacks a response is said once, and it is tried again.
#[tokio::test]
async fn a_responder_that_is_down_keeps_no_certificate() {
    let site = Site::new(true).await;
    let (acceptor, mut watching) = start(site.reloader()).await;
    site.put(2, false);
    published(&mut watching, 1).await;
    let warning = lack(&mut watching).await;
    assert!(warning.contains("503"), "{warning}");
    assert!(warning.contains(&site.responder.url()), "{warning}");
    assert_eq!(site.seen(&acceptor, 2).await, Seen::Bare);
    site.good(2);
    site.becomes(&acceptor, 2, Seen::Good).await;
    nothing_happens(&mut watching).await;
}

/// RFC 7633: clients refuse it without, so what was good last stays until there is one. It comes by itself.
#[tokio::test]
async fn a_certificate_that_demands_a_response_waits_for_it() {
    let site = Site::new(true).await;
    let (acceptor, mut watching) = start(site.reloader()).await;
    let before = tasks();
    site.put(2, true);
    let error = rejected(&mut watching).await;
    assert!(error.contains("demands an OCSP response"), "{error}");
    assert!(
        error.contains("tls.crt: ") && error.contains("503"),
        "{error}"
    );
    nothing_happens(&mut watching).await;
    assert_eq!(site.seen(&acceptor, 1).await, Seen::Good);
    assert_eq!(site.seen(&acceptor, 2).await, Seen::Refused);
    site.good(2);
    published(&mut watching, 1).await;
    assert_eq!(site.seen(&acceptor, 2).await, Seen::Good);
    tasks_become(before).await;
    // What waits is given up for what comes then, and for what was there.
    site.put(3, true);
    let ReloadEvent::Rejected { serving: 1, .. } = event(&mut watching).await else {
        panic!("it has no response");
    };
    tasks_become(before + 1).await;
    site.good(4);
    site.put(4, true);
    published(&mut watching, 2).await;
    assert_eq!(site.seen(&acceptor, 4).await, Seen::Good);
    let last = ["key", "crt"].map(|end| {
        let path = site.folder.path().join(format!("tls.{end}"));
        (fs::read_to_string(&path).unwrap(), path)
    });
    site.put(5, true);
    let ReloadEvent::Rejected { serving: 2, .. } = event(&mut watching).await else {
        panic!("it has no response");
    };
    for (text, path) in last {
        rename_into_place(&path, &text);
    }
    tasks_become(before).await;
    assert_eq!(site.seen(&acceptor, 4).await, Seen::Good);
}

/// Whoever knows that the responder is there again says so: nobody waits for the next attempt.
#[tokio::test]
async fn who_asks_has_the_responder_asked() {
    let site = Site::new(true).await;
    let url = site.responder.url();
    let files = site.files("tls");
    // After a minute, as by default.
    let files = files.stapler(move |identity| Stapler::new(identity).responder(&url));
    let (acceptor, mut watching) = start(quick().identity(files)).await;
    site.put(2, true);
    rejected(&mut watching).await;
    watching.look_now();
    let again = async {
        while site.responder.asked(2) < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, again).await.unwrap();
    // Said once.
    nothing_happens(&mut watching).await;
    site.good(2);
    watching.look_now();
    published(&mut watching, 1).await;
    assert_eq!(site.seen(&acceptor, 2).await, Seen::Good);
    assert_eq!(site.responder.asked(2), 3);
    // Of who has one nobody is asked.
    watching.look_now();
    nothing_happens(&mut watching).await;
    assert_eq!((site.responder.asked(1), site.responder.asked(2)), (1, 3));
}

/// Files are other ones, and say the same: the response and what fetches it stay.
#[tokio::test]
async fn an_identity_that_is_the_same_keeps_its_response() {
    let site = Site::new(true).await;
    let clients = Pki::new();
    fs::write(site.folder.path().join("roots.pem"), clients.ca_pem()).unwrap();
    let roots = site.folder.path().join("roots.pem");
    let (acceptor, mut watching) = start(site.reloader().roots(&roots)).await;
    let before = tasks();
    site.responder.say(1, Answer::Fails);
    for (generation, (name, more)) in (1..).zip([
        ("tls.crt", "# a comment\n"),
        ("tls.key", "\n"),
        ("roots.pem", "\n"),
    ]) {
        let path = site.folder.path().join(name);
        let text = fs::read_to_string(&path).unwrap();
        rename_into_place(&path, &(more.to_owned() + &text));
        published(&mut watching, generation).await;
        assert_eq!(site.seen(&acceptor, 1).await, Seen::Good);
        assert_eq!((site.responder.asked(1), tasks()), (1, before));
    }
}

/// Two identities are waited for at once, and while files are waited for that change again, the last ones count.
#[tokio::test]
async fn two_reloads_at_once() {
    let site = Site::new(false).await;
    site.good(11);
    site.put_as("other", 11, true);
    let within = Duration::from_millis(1_500);
    let reloader = quick()
        .identity(site.files("tls").staple_within(within))
        .identity(site.files("other").staple_within(within));
    let loaded = reloader.load(|parts| {
        let mut builder = ServerConfig::builder();
        for identity in parts.identities() {
            builder = builder.identity(identity.clone());
        }
        builder.build()
    });
    let loaded: LoadedFiles<ServerConfig> = loaded.await.unwrap();
    let acceptor = TlsAcceptor::new(loaded.config());
    let mut watching = loaded.watch(acceptor.reloadable());
    tokio::time::sleep(Duration::from_millis(50)).await;
    let before = tasks();
    for number in [2, 12] {
        site.responder.say(number, Answer::Hangs);
    }
    site.put_as("other", 12, true);
    site.put(2, false);
    let asked = async {
        while site.responder.asked(2) + site.responder.asked(12) < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, asked).await.unwrap();
    assert_eq!(site.seen(&acceptor, 1).await, Seen::Good);
    // Both change again, and somebody asks, while the first ones are waited for.
    for number in [3, 13] {
        site.good(number);
    }
    site.put_as("other", 13, true);
    site.put(3, false);
    watching.look_now();
    while site.seen(&acceptor, 3).await != Seen::Good
        || site.seen(&acceptor, 13).await != Seen::Good
    {
        if let ReloadEvent::Rejected { error, .. } = event(&mut watching).await {
            // The one that demands it, although both have none.
            assert!(error.to_string().contains("other.crt"), "{error}");
        }
    }
    for number in [2, 12] {
        site.responder.say(number, Answer::Fails);
    }
    tasks_become(before).await;
}

/// Dropped at whatever time, nothing is left that asks; what is served stays.
#[tokio::test]
async fn nothing_is_left_of_a_reloader_that_is_dropped() {
    let site = Site::new(true).await;
    let before = tasks();
    let (acceptor, watching) = start(site.reloader()).await;
    assert!(tasks() > before);
    drop(watching);
    tasks_become(before).await;
    assert_eq!(site.seen(&acceptor, 1).await, Seen::Good);
    // While a response is waited for, and while one is missing.
    for (number, answer) in [(2, Answer::Hangs), (3, Answer::Fails)] {
        let (acceptor, mut watching) = start(site.reloader()).await;
        site.responder.say(number, answer.clone());
        site.put(number, true);
        match answer {
            Answer::Fails => drop(rejected(&mut watching).await),
            _ => {
                let asked = async {
                    while site.responder.asked(number) == 0 {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                };
                timeout(SOON, asked).await.unwrap();
            }
        }
        drop(watching);
        site.responder.say(number, Answer::Fails);
        tasks_become(before).await;
        assert_eq!(site.seen(&acceptor, 1).await, Seen::Good);
        site.put(1, true);
    }
    // Also while it is loaded.
    site.responder.say(1, Answer::Hangs);
    let loading = timeout(Duration::from_millis(500), site.reloader().load(config)).await;
    assert!(loading.is_err(), "it waits");
    site.responder.say(1, Answer::Fails);
    tasks_become(before).await;
}

#[tokio::test]
async fn what_cannot_be_fetched_is_said_at_once() {
    let site = Site::new(true).await;
    let (chain, key) = (
        site.folder.path().join("tls.crt"),
        site.folder.path().join("tls.key"),
    );
    let files = IdentityFiles::new(&chain).key(&key).stapler(Stapler::new);
    // Nobody would keep it.
    for error in [
        files.load().await.unwrap_err().to_string(),
        portcullis::PemFiles::new()
            .identity(&files)
            .await
            .unwrap_err()
            .to_string(),
    ] {
        assert!(error.contains("is for a Reloader"), "{error}");
    }
    // It names no responder.
    let error = quick().identity(files).load(config).await.unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("tls.crt: the certificate names no OCSP responder"),
        "{error}"
    );
    // Of one that comes later that is a warning, or the reason why it does not.
    let url = site.responder.url();
    let files = IdentityFiles::new(&chain).key(&key);
    let files = files.stapler(move |identity| {
        let is_first = identity.names().any(|name| name == "number1");
        match is_first {
            true => Stapler::new(identity).responder(&url),
            false => Stapler::new(identity),
        }
    });
    let reloader = quick().identity(files).poll_every(NEVER);
    let (acceptor, mut watching) = start(reloader).await;
    site.put(2, true);
    let error = rejected(&mut watching).await;
    assert!(error.contains("names no OCSP responder"), "{error}");
    assert!(!error.contains("asked for again"), "{error}");
    assert_eq!(site.seen(&acceptor, 1).await, Seen::Good);
    site.put(3, false);
    published(&mut watching, 1).await;
    let warning = lack(&mut watching).await;
    assert!(warning.contains("names no OCSP responder"), "{warning}");
}

/// However long it may take, it is no time that has no end.
#[tokio::test]
async fn a_response_that_may_take_for_ever() {
    let site = Site::new(false).await;
    site.good(1);
    let reloader = quick().identity(site.files("tls").staple_within(Duration::MAX));
    let (acceptor, _watching) = start(reloader).await;
    assert_eq!(site.seen(&acceptor, 1).await, Seen::Good);
}
