//! OCSP responses for a server's own certificate: when they are asked for, and which are shown.

mod responder;

use std::time::Duration;

use portcullis_core::x509::{Identity, OcspStatus};
use portcullis_crl_fetch::{Stapler, Stapling};
use responder::{Pki, Responder, Says, now};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(20);

async fn started(identity: &Identity, responder: &Responder) -> Stapling {
    let stapling = Stapler::new(identity)
        .responder(responder.url())
        .start()
        .unwrap();
    let _ = timeout(SOON, stapling.ready()).await.unwrap();
    stapling
}

#[tokio::test]
async fn a_response_is_fetched_verified_and_shown() {
    let pki = Pki::new();
    let responder = Responder::new(pki.response(Says::Good, -60, 3_600)).await;
    let identity = pki.identity();
    let stapling = started(&identity, &responder).await;
    assert_eq!(identity.ocsp_response(now()), Some(responder.response()));
    let state = stapling.state();
    assert_eq!(state.verdict.unwrap().status(), OcspStatus::Good);
    assert_eq!((state.failure, state.attempts), (None, 1));
    // RFC 6960 appendix A.1.
    let requests = responder.requests();
    let head = requests[0].to_ascii_lowercase();
    assert!(head.starts_with("post /ocsp http/1.1\r\n"), "{head}");
    assert!(
        head.contains("content-type: application/ocsp-request\r\n"),
        "{head}"
    );
    assert_eq!(requests.len(), 1);
}

#[tokio::test]
async fn the_certificate_says_whom_to_ask() {
    let pki = Pki::new();
    let responder = Responder::new(pki.response(Says::Good, -60, 3_600)).await;
    let identity = pki.identity_naming(&responder.url());
    let stapling = Stapler::new(&identity).start().unwrap();
    stapling.ready().await.unwrap();
    assert!(identity.ocsp_response(now()).is_some());
    // This one names none, and that one has no issuer beside it.
    let error = Stapler::new(&pki.identity())
        .start()
        .unwrap_err()
        .to_string();
    assert!(error.contains("names no OCSP responder"), "{error}");
    let alone = pki.identity_alone();
    let with = |stapler: Stapler| stapler.responder(responder.url()).start();
    let error = with(Stapler::new(&alone)).unwrap_err().to_string();
    assert!(error.contains("give the one of its issuer"), "{error}");
    let stapling = with(Stapler::new(&alone).issuer(pki.ca())).unwrap();
    stapling.ready().await.unwrap();
    for url in ["https://ocsp.test/", "ldap://ocsp.test/", "ocsp.test"] {
        let error = Stapler::new(&identity).responder(url).start().unwrap_err();
        assert!(error.to_string().contains("only http is spoken"), "{error}");
    }
}

#[tokio::test]
async fn what_is_not_genuine_is_not_shown() {
    let (pki, other) = (Pki::new(), Pki::new());
    for (response, why) in [
        (
            other.response(Says::Good, -60, 3_600),
            "is about 1 other certificates",
        ),
        (pki.forged(), "does not verify"),
        (pki.response(Says::Good, -7_200, -3_600), "was over"),
        (pki.response(Says::Good, 3_600, 7_200), "begins on"),
        (
            pki.response(Says::Unknown, -60, 3_600),
            "does not know the certificate",
        ),
        (vec![0x30, 3, 0x0a, 1, 3], "tryLater"),
        (b"<html>".to_vec(), "is malformed"),
    ] {
        let responder = Responder::new(response).await;
        let identity = pki.identity();
        let stapling = started(&identity, &responder).await;
        let state = stapling.state();
        let failure = state.failure.unwrap();
        assert!(failure.contains(why), "{failure}");
        assert!(failure.contains(&responder.url()), "{failure}");
        assert!(state.verdict.is_none());
        assert_eq!(identity.ocsp_response(now()), None);
        assert!(stapling.ready().await.is_err());
    }
}

#[tokio::test]
async fn what_was_revoked_is_shown_as_that() {
    let pki = Pki::new();
    let responder = Responder::new(pki.response(Says::Revoked, -60, 3_600)).await;
    let identity = pki.identity();
    let stapling = started(&identity, &responder).await;
    let verdict = stapling.state().verdict.unwrap();
    assert!(matches!(verdict.status(), OcspStatus::Revoked { .. }));
    assert!(identity.ocsp_response(now()).is_some());
}

#[tokio::test]
async fn another_responder_is_asked_where_the_first_fails() {
    let pki = Pki::new();
    let responder = Responder::new(pki.response(Says::Good, -60, 3_600)).await;
    let identity = pki.identity();
    let stapling = Stapler::new(&identity)
        .responder("http://127.0.0.1:1/")
        .responder(responder.url())
        .start()
        .unwrap();
    stapling.ready().await.unwrap();
    assert!(identity.ocsp_response(now()).is_some());
}

/// Of four seconds two are left when it is asked for again.
#[tokio::test]
async fn a_response_is_replaced_before_it_is_over() {
    let pki = Pki::new();
    let responder = Responder::new(pki.response(Says::Good, 0, 4)).await;
    let identity = pki.identity();
    let mut stapling = started(&identity, &responder).await;
    let first = responder.response();
    assert_eq!(identity.ocsp_response(now()), Some(first.clone()));
    responder.answer(pki.response(Says::Good, 0, 3_600));
    assert_eq!(stapling.changed().await.unwrap().attempts, 1);
    let state = timeout(SOON, stapling.changed()).await.unwrap().unwrap();
    assert_eq!(state.attempts, 2);
    assert_eq!(identity.ocsp_response(now()), Some(responder.response()));
    assert_ne!(responder.response(), first);
}

/// The last good one stays until it is over, and then none is there.
#[tokio::test]
async fn a_responder_that_fails_takes_nothing_away_before_its_time() {
    let pki = Pki::new();
    let responder = Responder::new(pki.response(Says::Good, 0, 6)).await;
    let identity = pki.identity();
    let mut stapling = started(&identity, &responder).await;
    let shown = responder.response();
    assert_eq!(stapling.changed().await.unwrap().attempts, 1);
    responder.fail();
    let state = timeout(SOON, stapling.changed()).await.unwrap().unwrap();
    assert!(state.failure.unwrap().contains("503"));
    assert!(state.verdict.is_some());
    assert_eq!(identity.ocsp_response(now()), Some(shown));
    let over = timeout(SOON, async {
        while identity.ocsp_response(now()).is_some() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    over.await.unwrap();
    // It was left alone since: the next try is a minute after the first that failed.
    assert_eq!(responder.requests().len(), 2);
}

/// After a failure it is tried again as soon as is said, and sooner for whoever knows more.
#[tokio::test]
async fn what_has_failed_is_tried_again() {
    let pki = Pki::new();
    let responder = Responder::new(pki.response(Says::Good, 0, 3_600)).await;
    responder.fail();
    let identity = pki.identity();
    let stapler = Stapler::new(&identity).responder(responder.url());
    // At least a second.
    let mut stapling = stapler.retry_after(Duration::ZERO).start().unwrap();
    for attempts in 1..=2 {
        let state = timeout(SOON, stapling.changed()).await.unwrap().unwrap();
        assert_eq!((state.attempts, state.verdict.is_none()), (attempts, true));
    }
    let shown = stapling.shown();
    tokio::pin!(shown);
    let hour = Duration::from_secs(3_600);
    assert!(
        timeout(Duration::from_millis(100), &mut shown)
            .await
            .is_err()
    );
    responder.answer(pki.response(Says::Good, 0, 3_600));
    timeout(SOON, shown).await.unwrap().unwrap();
    assert!(identity.ocsp_response(now()).is_some());
    assert_eq!(responder.requests().len(), 3);
    // Without a word it would be an hour.
    responder.fail();
    let stapler = Stapler::new(&identity).responder(responder.url());
    let mut stapling = stapler.retry_after(hour).start().unwrap();
    assert!(timeout(SOON, stapling.ready()).await.unwrap().is_err());
    assert_eq!(stapling.changed().await.unwrap().attempts, 1);
    responder.answer(pki.response(Says::Good, 0, 3_600));
    stapling.fetch_now();
    timeout(SOON, stapling.shown()).await.unwrap().unwrap();
    assert_eq!(responder.requests().len(), 5);
}

#[tokio::test]
async fn an_older_response_does_not_take_the_place_of_a_newer_one() {
    let pki = Pki::new();
    let responder = Responder::new(pki.response(Says::Revoked, -10, 4)).await;
    let identity = pki.identity();
    let mut stapling = started(&identity, &responder).await;
    assert_eq!(stapling.changed().await.unwrap().attempts, 1);
    // From before it was revoked.
    responder.answer(pki.response(Says::Good, -3_600, 3_600));
    let state = timeout(SOON, stapling.changed()).await.unwrap().unwrap();
    assert!(state.failure.unwrap().contains("older than the one before"));
}

#[tokio::test]
async fn nobody_asks_any_more_once_it_is_dropped() {
    let pki = Pki::new();
    let responder = Responder::new(pki.response(Says::Good, 0, 4)).await;
    let identity = pki.identity();
    drop(started(&identity, &responder).await);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(responder.requests().len(), 1);
}

#[tokio::test]
async fn a_responder_that_hangs_costs_its_time_only() {
    let pki = Pki::new();
    let responder = Responder::hanging().await;
    let identity = pki.identity();
    let stapling = Stapler::new(&identity)
        .responder(responder.url())
        .request_timeout(Duration::from_millis(200))
        .start()
        .unwrap();
    let why = timeout(SOON, stapling.ready()).await.unwrap().unwrap_err();
    assert!(why.to_string().contains("longer than 200ms"), "{why}");
    // 64 KiB are enough for any.
    let responder = Responder::new(vec![0; 65_537]).await;
    let stapling = started(&identity, &responder).await;
    let failure = stapling.state().failure.unwrap();
    assert!(failure.contains("more than 65536 bytes"), "{failure}");
}

#[test]
fn it_needs_a_runtime() {
    let pki = Pki::new();
    let stapler = Stapler::new(&pki.identity()).responder("http://127.0.0.1/");
    assert!(stapler.start().unwrap_err().to_string().contains("Tokio"));
}
