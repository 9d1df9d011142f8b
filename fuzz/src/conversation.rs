//! Our client and our server, and somebody between them.

use crate::bridge::Bridge;
use crate::early_data;
use crate::end::{End, Heard, Ours, answers_by_default};
use crate::later;
use crate::memory;
use crate::plan::Plan;
use crate::settings::Settings;
use crate::verdict;

/// How a conversation went.
#[derive(Debug, PartialEq, Eq)]
pub struct Ending {
    pub client_connected: bool,
    pub server_connected: bool,
}

/// Runs one conversation and judges it.
pub fn run(plan: &Plan) -> Ending {
    if plan.flags.early_data {
        early_data::run(plan);
        return Ending {
            client_connected: false,
            server_connected: false,
        };
    }
    talk(plan).0
}

/// The same, for tests of what the server has heard after the handshake.
pub fn heard(plan: &Plan) -> Heard {
    talk(plan).1
}

fn talk(plan: &Plan) -> (Ending, Heard) {
    let mut settings = Settings::new(plan.settings);
    if plan.flags.authentication {
        settings = settings.asking_later();
    }
    let before = memory::held();
    let client = Ours::client(&settings, plan);
    let server = Ours::server(&settings, plan);
    let mut bridge = Bridge::new(client, server, plan, settings.fragment());
    bridge.run();
    // Most of it is what the bridge remembers; an end that hoards would show.
    let bound = (1 << 20) + 32 * bridge.given.concat().len();
    assert!(
        memory::held().saturating_sub(before) < bound,
        "memory is bounded by what is fed"
    );

    verdict::check(0, &bridge.client, bridge.sent(0), bridge.got(1), &settings);
    verdict::check(1, &bridge.server, bridge.sent(1), bridge.got(0), &settings);
    later::check(&bridge.server, bridge.sent(1), bridge.got(0), &settings);
    own_configuration(&bridge.client, &bridge.server, &settings, plan);
    together(&bridge, &settings, plan);
    let ending = Ending {
        client_connected: bridge.client.facts().is_some(),
        server_connected: bridge.server.facts().is_some(),
    };
    (ending, bridge.server.take_heard())
}

/// What an end has agreed to is what it was configured to agree to.
fn own_configuration(client: &Ours, server: &Ours, settings: &Settings, plan: &Plan) {
    let sides = [
        (
            client,
            &settings.client_suites,
            &settings.client_groups,
            &settings.client_protocols,
        ),
        (
            server,
            &settings.server_suites,
            &settings.server_groups,
            &settings.server_protocols,
        ),
    ];
    for (end, suites, groups, protocols) in sides {
        let Some(facts) = end.facts() else {
            continue;
        };
        assert!(suites.iter().any(|suite| suite.0 == facts.suite));
        // Before TLS 1.3 a resumed session has no key exchange of its own, but the group of the first.
        let is_resumed = end.information().is_some_and(|info| info.is_resumed());
        let none = settings.has_no_curve() || settings.is_older() && is_resumed;
        assert!(none || groups.iter().any(|group| group.0 == facts.group));
        if let Some(alpn) = &facts.alpn
            && answers_by_default(plan)
        {
            assert!(protocols.iter().any(|name| name.as_bytes() == alpn));
        }
    }
}

fn together(bridge: &Bridge<'_, Ours, Ours>, settings: &Settings, plan: &Plan) {
    let (client, server) = (&bridge.client, &bridge.server);
    let facts = (client.facts(), server.facts());
    if let (Some(ours), Some(theirs)) = &facts {
        let same = (0..2).all(|writer| {
            let sent = bridge.sent(writer).messages.iter();
            // Tickets, KeyUpdates and requests for certificates come after the handshake.
            let handshake = sent.take_while(|message| ![4, 24].contains(&message[0]));
            let of_handshake = later::handshake(&bridge.sent(writer).messages).len();
            let handshake = handshake.take(match settings.asks_later {
                0 => usize::MAX,
                _ => of_handshake,
            });
            bridge
                .got(writer)
                .messages
                .iter()
                .zip(handshake)
                .all(|(got, sent)| got == sent)
        });
        if same {
            assert_eq!(ours, theirs);
            let (ours, theirs) = (client.information(), server.information());
            let (ours, theirs) = (ours.expect("connected"), theirs.expect("connected"));
            assert_eq!(ours.client_random(), theirs.client_random());
            assert_eq!(ours.server_random(), theirs.server_random());
            assert_eq!(ours.server_name(), theirs.server_name());
            assert_eq!(ours.is_resumed(), theirs.is_resumed());
            // A server that resumes shows no certificate, and has none to hash.
            let end_points = (ours.tls_server_end_point(), theirs.tls_server_end_point());
            assert!(end_points.0 == end_points.1 || ours.is_resumed() && end_points.1.is_none());
            // In a resumed connection the client shows none; the server remembers it.
            let shows = !ours.is_resumed() && !theirs.peer_certificates().is_empty();
            assert_eq!(
                theirs
                    .peer_certificates()
                    .first()
                    .filter(|_| !ours.is_resumed()),
                ours.local_certificate().filter(|_| shows)
            );
        } else {
            assert!(plan.flags.repair, "they agreed on different handshakes");
        }
    }
    if !plan.is_keyed() {
        // Nobody has the keys: data arrives as it was said, or not at all.
        assert!(server.said().starts_with(client.received()));
        assert!(client.said().starts_with(server.received()));
    }
    if settings.may_fit_by_resuming() {
        return;
    }
    if plan.is_legal() && answers_by_default(plan) {
        let both = settings.fit() && settings.satisfies();
        let expected = settings.client_connects();
        let (first, second) = (client.error(), server.error());
        assert_eq!(
            facts.0.is_some(),
            expected,
            "the client's end: {first:?}, the server's: {second:?}"
        );
        assert_eq!(
            facts.1.is_some(),
            both,
            "the server's end: {second:?}, the client's: {first:?}"
        );
        if both {
            assert_eq!(client.said(), server.received());
            assert_eq!(server.said(), client.received());
            later::heard(server, &settings);
        }
    }
    let both_can = settings.fit() && settings.satisfies();
    if !both_can && !plan.flags.repair && answers_by_default(plan) {
        assert!(facts.0.is_none() || facts.1.is_none());
    }
}
