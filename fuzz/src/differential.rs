//! Our client against rustls' server and our server against rustls' client, with somebody
//! between them; and each of ours beside rustls before the same peer.

use crate::bridge::Bridge;
use crate::difference;
use crate::end::{End, Ours, Verdict, answers_by_default};
use crate::plan::Plan;
use crate::rustls_end::Theirs;
use crate::settings::Settings;
use crate::verdict;

/// Runs the plan once with each of ours.
pub fn run(plan: &Plan) {
    let plan = &Plan {
        settings: Settings::of_rustls(plan.settings),
        ..plan.clone()
    };
    let settings = Settings::new(plan.settings);

    let ours = Ours::client(&settings, plan);
    let theirs = Theirs::server(&settings, plan);
    let mut bridge = Bridge::new(ours, theirs, plan, settings.fragment());
    bridge.run();
    verdict::check(0, &bridge.client, bridge.sent(0), bridge.got(1), &settings);
    compare(&bridge.client, &bridge.server, plan, &settings);

    let theirs = Theirs::client(&settings, plan);
    let ours = Ours::server(&settings, plan);
    let mut bridge = Bridge::new(theirs, ours, plan, settings.fragment());
    bridge.run();
    verdict::check(1, &bridge.server, bridge.sent(1), bridge.got(0), &settings);
    compare(&bridge.server, &bridge.client, plan, &settings);

    if let Some(difference) = difference::find(plan)
        && difference.explanation().is_none()
    {
        // rustls draws its own random numbers, so that no seed makes this search repeatable: where
        // a change is judged, a difference that was always there is told with the plan that
        // showed it, and judges nobody.
        let input = String::from_iter(plan.encode().iter().map(|byte| format!("{byte:02x}")));
        if std::env::var_os("FUZZ_DIFFERENCES").is_some_and(|what| what == "tell") {
            eprintln!("nobody has explained {difference:?}: {input}");
        } else {
            panic!("nobody has explained {difference:?}: {input}");
        }
    }
}

/// After a retry that chose a suite with another hash than the session's, our client has no session
/// left to offer (RFC 8446 §4.1.4, and what BoringSSL does). rustls wants one in the second hello
/// if there was one in the first.
fn misses_psk(theirs: &Theirs) -> bool {
    theirs.verdict()
        == Verdict::Refuses("PeerMisbehaved(MissingPskExtensionInSecondClientHello)".into())
}

fn compare(ours: &Ours, theirs: &Theirs, plan: &Plan, settings: &Settings) {
    let facts = (ours.facts(), theirs.facts());
    if let (Some(one), Some(two)) = &facts
        && !plan.flags.repair
    {
        assert_eq!(one, two);
    }
    if !plan.is_keyed() {
        assert!(theirs.said().starts_with(ours.received()));
        assert!(ours.said().starts_with(theirs.received()));
    }
    if plan.is_legal() && answers_by_default(plan) && !misses_psk(theirs) {
        let both = settings.fit() && settings.satisfies();
        let (client, server) = match ours.role() {
            0 => facts,
            _ => (facts.1, facts.0),
        };
        let expected = settings.client_connects();
        assert_eq!(client.is_some(), expected, "the client's end");
        assert_eq!(server.is_some(), both, "the server's end");
        if both {
            assert_eq!(ours.said(), theirs.received());
            assert_eq!(theirs.said(), ours.received());
        }
    }
}
