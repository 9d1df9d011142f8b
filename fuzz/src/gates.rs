//! Two gates of DTLS that share a secret, each of which asks under load alone, and somebody who has no keys and many addresses.

use std::time::Duration;

use portcullis_core::config::{ClientConfig, ServerConfig};
use portcullis_core::{
    CookiePolicy, CookieSecret, DatagramOptions, Gate, Handshake, Monotonic, NamedGroup, Now,
    ProtocolVersion, Verdict,
};
use rustls_pki_types::UnixTime;

use crate::datagrams::{Script, Side};
use crate::memory;
use crate::pki::{NOW, name, pki};

/// What the gates may hold, and what the test holds beside them.
const MOST_HELD: usize = 2 << 20;
/// How many handshakes are load.
const LOAD: usize = 4;
const PEERS: usize = 8;
/// Of the byte that says what comes next: the gate that a first hello comes to, and the one that its second comes to.
const SECOND_GATE: u8 = 0x08;
const OTHER_GATE: u8 = 0x10;
/// Of the same byte: the second hello comes from the next address.
const ELSEWHERE: u8 = 0x20;
const OLDER: u8 = 0x40;
/// The hello is too short for what the server answers.
const SHORT: u8 = 0x80;

/// Cookies that are shared live by the clock on the wall.
fn at(milliseconds: u64) -> Now {
    Now {
        wall: UnixTime::since_unix_epoch(Duration::from_secs(NOW.as_secs() + milliseconds / 1_000)),
        monotonic: Monotonic(Duration::from_millis(milliseconds)),
    }
}

fn client(what: u8) -> ClientConfig {
    let builder = ClientConfig::builder(pki().roots.clone()).groups([NamedGroup::X25519]);
    let builder = match what & SHORT {
        0 => builder.alpn((0..60).map(|number| format!("protocol {number}"))),
        _ => builder,
    };
    let builder = match what & OLDER {
        0 => builder,
        _ => builder.versions([ProtocolVersion::TLS_1_2]),
    };
    builder.build().expect("it is sound")
}

fn server() -> ServerConfig {
    let builder = ServerConfig::builder().identity(pki().server.identity.clone());
    builder.build().expect("it is sound")
}

struct Fleet {
    config: ServerConfig,
    gates: [Gate; 2],
    secret: CookieSecret,
    /// By gate: how many handshakes are under way.
    under_way: [usize; 2],
    /// By address: what has come from there and what the gates have sent there, in bytes.
    balances: [(usize, usize); PEERS + 1],
    /// By address: whether a gate has sent anything there, of which a cookie could be.
    has_heard: [bool; PEERS + 1],
}

impl Fleet {
    fn new() -> Self {
        let config = server();
        let secret = CookieSecret::new([&[7; 32][..]]).expect("it is long enough");
        let gates = [(); 2].map(|()| {
            let policy = CookiePolicy::UnderLoad { handshakes: LOAD };
            let gate = Gate::new(&config, policy).expect("it is sound");
            gate.cookie_secret(secret.clone(), at(0))
        });
        Self {
            config,
            gates,
            secret,
            under_way: [0; 2],
            balances: [(0, 0); PEERS + 1],
            has_heard: [false; PEERS + 1],
        }
    }

    /// What a gate says to a datagram from this address.
    fn receive(&mut self, gate: usize, peer: usize, datagram: &[u8], now: Now) -> Option<Vec<u8>> {
        self.gates[gate].set_handshakes(self.under_way[gate]);
        let (received, sent) = &mut self.balances[peer];
        *received += datagram.len();
        match self.gates[gate].on_datagram(&[peer as u8], datagram, now) {
            Verdict::Discard(_) => None,
            Verdict::Reply(reply) => {
                *sent += reply.len();
                assert!(*sent <= 2 * *received, "it answers with more than it gets");
                self.has_heard[peer] = true;
                Some(reply)
            }
            Verdict::Admit(admission) => {
                let is_unproved = admission.is_unproved();
                match is_unproved {
                    true => assert!(self.under_way[gate] < LOAD, "it asks nobody under load"),
                    // Whose cookie it is, he has heard of it at this address.
                    false => assert!(self.has_heard[peer], "a cookie of another address"),
                }
                let options = DatagramOptions::default();
                let begun =
                    Handshake::datagram_server(self.config.clone(), admission, options, now);
                let mut server = Side::Handshake(Box::new(begun.expect("it begins")));
                let said: usize = server.turn(now).0.iter().map(Vec::len).sum();
                assert!(!is_unproved || said <= 3 * datagram.len(), "{said}");
                None
            }
        }
    }
}

/// Hellos from eight addresses to two gates, while handshakes come and go, and seeds are replaced: no panic; no address is sent more
/// than twice what came from there by a gate, and three times by a handshake that nobody has asked; nobody goes unasked under load,
/// nobody comes in with the cookie of another address; what is held is bounded; and behind all that a cookie of one gate is
/// good at the other.
pub fn run(data: &[u8]) {
    let mut script = Script(data);
    let mut fleet = Fleet::new();
    let mut clock = 0;
    let mut seed = 7;
    let before = memory::held();
    while let (Some(what), Some(load)) = (script.byte(), script.byte()) {
        let peer = usize::from(what) % PEERS;
        let first = usize::from(what & SECOND_GATE != 0);
        let second = first ^ usize::from(what & OTHER_GATE != 0);
        let elsewhere = match what & ELSEWHERE {
            0 => peer,
            _ => (peer + 1) % PEERS,
        };
        clock += u64::from(load >> 4) * 1_000;
        fleet.under_way[first] = usize::from(load & 7);
        if load & 8 != 0 {
            // As to a running fleet: the new one first behind the old one.
            let next: u8 = seed + 1;
            let seeds = [[next; 32], [seed; 32]];
            let replaced = fleet.secret.replace(seeds.iter().map(|seed| &seed[..]));
            replaced.expect("they are long enough");
            seed = next % 200 + 1;
            let last = [[seed; 32], [next; 32]];
            let replaced = fleet.secret.replace(last.iter().map(|seed| &seed[..]));
            replaced.expect("they are long enough");
        }
        let options = DatagramOptions::default();
        let begun =
            Handshake::datagram_client(client(what), name(), Vec::new(), options, at(clock));
        let mut client = Side::Handshake(Box::new(begun.expect("it begins")));
        let (hello, _) = client.turn(at(clock));
        for datagram in script.damage(&hello.concat()) {
            let Some(reply) = fleet.receive(first, peer, &datagram, at(clock)) else {
                continue;
            };
            client.receive(&reply, at(clock), &mut Vec::new());
            for hello in client.turn(at(clock)).0 {
                for datagram in script.damage(&hello) {
                    fleet.receive(second, elsewhere, &datagram, at(clock));
                }
            }
        }
        assert!(memory::held().saturating_sub(before) < MOST_HELD);
    }
    clock += 2_000;
    for what in [0, OLDER] {
        fleet.under_way = [LOAD; 2];
        let options = DatagramOptions::default();
        let begun =
            Handshake::datagram_client(client(what), name(), Vec::new(), options, at(clock));
        let mut client = Side::Handshake(Box::new(begun.expect("it begins")));
        let hello = client.turn(at(clock)).0.concat();
        let reply = fleet.receive(0, PEERS, &hello, at(clock));
        let reply = reply.expect("an honest client is answered under load");
        client.receive(&reply, at(clock), &mut Vec::new());
        let hello = client.turn(at(clock)).0.concat();
        fleet.gates[1].set_handshakes(LOAD);
        match fleet.gates[1].on_datagram(&[PEERS as u8], &hello, at(clock)) {
            Verdict::Admit(admission) => assert!(!admission.is_unproved()),
            other => panic!("an honest client does not come through: {other:?}"),
        }
    }
    let options = DatagramOptions::default();
    let begun = Handshake::datagram_client(client(0), name(), Vec::new(), options, at(clock));
    let mut client = Side::Handshake(Box::new(begun.expect("it begins")));
    let hello = client.turn(at(clock)).0.concat();
    fleet.gates[0].set_handshakes(0);
    match fleet.gates[0].on_datagram(&[PEERS as u8], &hello, at(clock)) {
        Verdict::Admit(admission) => assert!(admission.is_unproved()),
        other => panic!("an honest client is asked without load: {other:?}"),
    }
}
