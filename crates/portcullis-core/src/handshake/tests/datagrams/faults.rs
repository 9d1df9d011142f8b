//! What can happen to datagrams, and that both ends are connected all the same.

use core::time::Duration;

use super::network::{LATENCY, Network, Side, usual};
use super::older;
use crate::ProtocolVersion;
use crate::testing::part;

/// A handshake, and the version that it comes to.
pub(super) type Shape = (&'static str, fn() -> Network, ProtocolVersion);

/// What can happen to a datagram.
#[derive(Clone, Copy, Debug)]
pub(super) enum Damage {
    Lost,
    Twice,
    /// Behind the next one.
    Late,
}

pub(super) const ALL: [Damage; 3] = [Damage::Lost, Damage::Twice, Damage::Late];

pub(super) fn damaged(damage: Damage, datagram: &[u8]) -> Vec<(Duration, Vec<u8>)> {
    match damage {
        Damage::Lost => Vec::new(),
        Damage::Twice => [usual(datagram), usual(datagram)].concat(),
        Damage::Late => vec![(LATENCY * 5 / 2, datagram.to_vec())],
    }
}

/// Both are connected, and agree.
pub(super) fn check(network: &mut Network, version: ProtocolVersion) {
    match version {
        ProtocolVersion::DTLS_1_3 => network.check(),
        version => older::check(network, version),
    }
}

/// Each says something, and an empty message, which come as they were said.
pub(super) fn talk(network: &mut Network) {
    for side in [0, 1] {
        network.received[1 - side].clear();
        network.say(side, b"a message", &mut |_, datagram| usual(datagram));
        network.say(side, b"", &mut |_, datagram| usual(datagram));
        network.run(&mut |_, datagram| usual(datagram));
        assert_eq!(network.received[1 - side], [&b"a message"[..], b""]);
    }
}

/// Runs it with these datagrams damaged, and then messages each way. How many datagrams the handshake took.
fn must_succeed((what, network, version): &Shape, damage: &[(usize, Damage)]) -> usize {
    let mut network = network();
    network.run(
        &mut |index, datagram| match damage.iter().find(|(at, _)| *at == index) {
            Some((_, damage)) => damaged(*damage, datagram),
            None => usual(datagram),
        },
    );
    for side in &network.sides {
        if let Side::Failed(error) = side {
            panic!("{what}, {damage:?}: {error}");
        }
    }
    let sent = network.sent;
    check(&mut network, *version);
    talk(&mut network);
    sent
}

/// Each datagram of each, in each way.
pub(super) fn one_is_damaged(shapes: &[Shape]) {
    for shape in shapes {
        for at in 0..must_succeed(shape, &[]) {
            for damage in ALL {
                must_succeed(shape, &[(at, damage)]);
            }
        }
    }
}

/// The same, and each that is sent after it, in each way: also what is sent because of it. Of the first ones a part.
pub(super) fn two_are_damaged(shapes: &[Shape]) {
    let (turn, of) = part();
    let (mut number, mut pairs) = (0, 0);
    for shape in shapes {
        let mut longest = 0;
        for first in 0..must_succeed(shape, &[]) {
            for damage in ALL {
                number += 1;
                if number % of != turn {
                    continue;
                }
                let first = (first, damage);
                let count = must_succeed(shape, &[first]);
                longest = longest.max(count);
                for second in first.0 + 1..count {
                    for damage in ALL {
                        must_succeed(shape, &[first, (second, damage)]);
                        pairs += 1;
                    }
                }
            }
        }
        println!("{}: up to {longest} datagrams with one damaged", shape.0);
    }
    println!("pairs of damaged datagrams: {pairs}, part {turn}/{of} of the first ones");
    assert!(pairs > 0);
}
