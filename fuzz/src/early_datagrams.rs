//! DTLS 1.3 that begins with early data, which the server answers at once, over a network that an attacker has.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::LazyLock;
use std::time::Duration;

use portcullis_core::config::{ClientConfig, ServerConfig};
use portcullis_core::question::Question;
use portcullis_core::session::{AntiReplay, ClientSession, TicketKeys};
use portcullis_core::{
    Admission, CookiePolicy, DatagramOptions, EarlyDataStatus, Gate, Handshake, Monotonic,
    NamedGroup, Now, Step, Verdict,
};

use crate::datagrams::{MOST_HELD, Script, Side, at, identified, open};
use crate::memory;
use crate::pki::{NOW, name, pki};

/// Of servers that ask who remembers.
static KEYS: LazyLock<TicketKeys> =
    LazyLock::new(|| TicketKeys::rotating(Duration::from_secs(7_200)).expect("a period"));

/// What the client says with its hello.
const SAID: [&[u8]; 3] = [b"one", &[2; 40], &[3; 180]];

fn client() -> ClientConfig {
    let client = ClientConfig::builder(pki().roots.clone())
        .groups([NamedGroup::X25519])
        // So that the hello is as long as a gate wants it that asks for no cookie.
        .alpn([vec![b'p'; 250], vec![b'q'; 250]])
        .session_tickets(true);
    client.build().expect("it is sound")
}

fn server() -> ServerConfig {
    let server = ServerConfig::builder()
        .identity(pki().server.identity.clone())
        .groups([NamedGroup::X25519])
        .ticket_keys(KEYS.clone())
        .early_data(AntiReplay::asked());
    server.build().expect("it is sound")
}

fn answer(message: &[u8]) -> Vec<u8> {
    [b"re: ", message].concat()
}

/// What the server has been told early, and what it could say to that.
#[derive(Default)]
struct Early {
    heard: Vec<Vec<u8>>,
    answered: Vec<Vec<u8>>,
}

fn turn(side: &mut Side, now: Now, early: &mut Early) -> (Vec<Vec<u8>>, Option<Monotonic>) {
    let mut sent = Vec::new();
    // Nothing has more to say than a flight of a hundred datagrams.
    for _ in 0..1_000 {
        let Side::Handshake(handshake) = side else {
            let (more, deadline) = side.turn(now);
            sent.extend(more);
            return (sent, deadline);
        };
        match handshake.poll() {
            Ok(Step::Transmit(datagram)) => sent.push(datagram),
            Ok(Step::EarlyData(message)) => {
                let answer = answer(&message);
                let room = handshake.room();
                let taken = handshake.send(&answer);
                assert!(taken == 0 || taken == answer.len() && taken <= room);
                early.answered.extend((taken > 0).then_some(answer));
                early.heard.push(message);
            }
            Ok(Step::Ask(question)) => {
                let answer = match question {
                    Question::ClaimEarlyData(question) => question.accept(),
                    other => other.default_answer(),
                };
                handshake.answer(answer, now).expect("it was asked");
            }
            Ok(Step::Connected) => {
                let connection = handshake.take_datagram_connection();
                let connection = connection.expect("it is connected");
                *side = Side::Connected(Box::new(connection));
            }
            Ok(Step::Wait { deadline }) => return (sent, deadline),
            Ok(_) => {}
            Err(error) => *side = Side::Failed(error.to_string()),
        }
    }
    panic!("polling does not end");
}

/// What comes to the server's address from that of the client, and goes back.
struct Port {
    config: ServerConfig,
    gate: Gate,
    options: DatagramOptions,
    /// How many bytes, as long as it is not known whether anybody reads there.
    unproved: Option<(usize, usize)>,
}

impl Port {
    fn new(options: DatagramOptions) -> Self {
        let config = server();
        let gate = Gate::new(&config, CookiePolicy::UnderLoad { handshakes: 1 });
        let mut gate = gate.expect("it is sound");
        gate.set_handshakes(0);
        Self {
            config,
            gate,
            options,
            unproved: Some((0, 0)),
        }
    }

    fn hear(&mut self, datagram: &[u8]) {
        if let Some((heard, _)) = &mut self.unproved {
            *heard += datagram.len();
            // RFC 9147 §4, §6.1: a record of the handshake or of data.
            let is_sealed = matches!(datagram, [first, ..] if first & 0b1110_0010 == 0b0010_0010);
            self.unproved = self.unproved.filter(|_| !is_sealed);
        }
    }

    fn say(&mut self, datagram: &[u8]) {
        if let Some((heard, said)) = &mut self.unproved {
            *said += datagram.len();
            assert!(*said <= 3 * *heard, "{said} bytes for {heard}");
        }
    }

    /// What becomes of a datagram as long as there is no handshake; gives what is sent back.
    fn greet(&mut self, side: &mut Side, datagram: &[u8], now: Now) -> Option<Vec<u8>> {
        match self.gate.on_datagram(b"client", datagram, now) {
            Verdict::Discard(_) => None,
            Verdict::Reply(reply) => Some(reply),
            Verdict::Admit(admission) => {
                self.unproved = self.unproved.filter(|_| admission.is_unproved());
                *side = self.begin(admission, now);
                None
            }
        }
    }

    fn begin(&self, admission: Admission, now: Now) -> Side {
        let config = self.config.clone();
        let begun = Handshake::datagram_server(config, admission, self.options, now);
        Side::Handshake(Box::new(begun.expect("it begins")))
    }
}

/// A session that allows early data.
fn session() -> ClientSession {
    let [options, _] = identified(DatagramOptions::default(), 0);
    let begun = Handshake::datagram_client(client(), name(), Vec::new(), options, at(0));
    let mut client = Side::Handshake(Box::new(begun.expect("it begins")));
    let (mut server, port) = (Side::Absent, Port::new(options));
    let mut early = Early::default();
    for _ in 0..6 {
        for datagram in turn(&mut client, at(0), &mut early).0 {
            match &mut server {
                Side::Absent => server = port.begin(Admission::without_cookie(datagram), at(0)),
                side => side.receive(&datagram, at(0), &mut Vec::new()),
            }
        }
        for datagram in turn(&mut server, at(0), &mut early).0 {
            client.receive(&datagram, at(0), &mut Vec::new());
        }
    }
    let Side::Connected(mut connection) = client else {
        panic!("they are not connected");
    };
    let ticket = connection.reader.take_ticket();
    ticket.expect("a ticket").into_session(NOW)
}

/// Each of these is one of those, and comes once.
fn are_among(heard: &[Vec<u8>], said: &[Vec<u8>]) -> bool {
    let is_first = |at: usize| !heard[..at].contains(&heard[at]);
    (0..heard.len()).all(|at| said.contains(&heard[at]) && is_first(at))
}

/// Two ends, of which the client says more than its hello at once and the server answers that at once, and somebody between
/// them who has no keys: no panic; it comes to an end, connected or not, by deadlines alone; memory stays bounded; each message
/// comes at most once, and is one that was said; nobody is sent more than three times what has come from his address before
/// something has come that he can have sent alone; with nothing done both are connected, and all that was said is there,
/// unless the hello is not whole in its datagram: then a cookie is asked for.
pub(crate) fn conversation(
    [options, of_server]: [DatagramOptions; 2],
    is_whole: bool,
    mut script: Script<'_>,
) {
    let before = memory::held();
    let (is_untouched, length) = (script.0.is_empty(), script.0.len());
    let sessions = vec![session()];
    let begun =
        Handshake::datagram_client_with_early_data(client(), name(), sessions, options, at(0));
    let mut begun = begun.expect("it begins");
    let mut said = Vec::new();
    for message in SAID {
        let taken = begun.send(message);
        assert!(taken == 0 || taken == message.len());
        said.extend((taken > 0).then(|| message.to_vec()));
    }
    let mut sides = [Side::Handshake(Box::new(begun)), Side::Absent];
    let mut port = Port::new(of_server);
    let mut early = Early::default();
    let mut received = [Vec::new(), Vec::new()];
    let mut has_said = [false; 2];
    let mut wire: VecDeque<(usize, Vec<u8>)> = VecDeque::new();
    let mut clock = 0;
    // Thirteen sendings of each flight are a few hundred rounds.
    for _ in 0..3_000 {
        let mut deadlines = Vec::new();
        for from in 0..2 {
            let (mut sent, deadline) = turn(&mut sides[from], at(clock), &mut early);
            deadlines.extend(deadline);
            if let Side::Connected(connection) = &mut sides[from]
                && !has_said[from]
            {
                has_said[from] = true;
                for mut datagram in std::mem::take(&mut connection.unread) {
                    // Why it failed comes again from its writer.
                    let _ = open(connection, &mut datagram, at(clock), &mut received[from]);
                }
                let mut out = vec![0; connection.writer.sealed_len(4)];
                let sealed = connection.writer.seal(&[IoSlice::new(b"ping")], &mut out);
                sent.extend(sealed.is_ok().then_some(out));
            }
            for datagram in sent {
                if from == 1 {
                    port.say(&datagram);
                }
                let damaged = match script.0.is_empty() {
                    true => vec![datagram],
                    false => script.damage(&datagram),
                };
                wire.extend(damaged.into_iter().map(|datagram| (1 - from, datagram)));
            }
        }
        match wire.pop_front() {
            Some((1, datagram)) if matches!(sides[1], Side::Absent) => {
                port.hear(&datagram);
                if let Some(reply) = port.greet(&mut sides[1], &datagram, at(clock)) {
                    port.say(&reply);
                    wire.push_back((0, reply));
                }
            }
            Some((to, datagram)) => {
                if to == 1 {
                    port.hear(&datagram);
                }
                sides[to].receive(&datagram, at(clock), &mut received[to]);
            }
            None => {
                let Some(next) = deadlines.iter().min() else {
                    break;
                };
                clock = clock.max(u64::try_from(next.0.as_millis()).expect("it is soon") + 1);
                for side in &mut sides {
                    if let Side::Handshake(handshake) = side {
                        handshake.handle_timeout(at(clock));
                    }
                }
            }
        }
        assert!(memory::held().saturating_sub(before) < MOST_HELD + 8 * length);
    }
    let waits = |side: &Side| matches!(side, Side::Handshake(_));
    assert!(!sides.iter().any(waits), "an end waits for ever");
    assert!(are_among(&early.heard, &said));
    let ping = b"ping".to_vec();
    let to_client = [&early.answered[..], &[ping.clone()]].concat();
    assert!(are_among(&received[0], &to_client));
    assert!(are_among(&received[1], std::slice::from_ref(&ping)));
    if is_untouched {
        for side in &sides {
            match side {
                Side::Connected(connection) => {
                    let status = connection.information.early_data();
                    assert_eq!(status == EarlyDataStatus::Accepted, is_whole);
                }
                Side::Failed(error) => panic!("{error}"),
                _ => panic!("it is not connected"),
            }
        }
        assert!(!said.is_empty());
        match is_whole {
            true => assert_eq!(early.heard, said),
            false => assert!(early.heard.is_empty()),
        }
        assert_eq!(early.answered.len(), early.heard.len());
        assert_eq!(received[0].len(), to_client.len());
        assert_eq!(received[1], [ping]);
    }
}
