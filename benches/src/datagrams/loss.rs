//! What a lost datagram of a handshake costs, in time that is moved by hand.

use std::time::Duration;

use portcullis_core::{
    Control, CookiePolicy, DatagramConnection, DatagramOptions, Gate, Handshake, Monotonic, Step,
    Verdict,
};
use rustls_pki_types::ServerName;

use super::Failure;
use super::portcullis::{Prepared, now};
use crate::pki::SERVER_NAME;

/// For both ways together.
const ROUND_TRIP: Duration = Duration::from_millis(20);
/// A handshake that takes longer fails.
const LONGEST: Duration = Duration::from_secs(60);
const NAMES: [&str; 2] = ["client", "server"];

enum End {
    /// A server that has admitted nobody.
    Gate(Box<Gate>),
    Handshake(Box<Handshake>),
    Connected(Box<DatagramConnection>),
}

/// Of the datagrams of a handshake.
struct Sent {
    from: usize,
    length: usize,
}

struct Network<'a> {
    prepared: &'a Prepared,
    /// The client and the server.
    ends: [End; 2],
    connected: [Option<Duration>; 2],
    time: Duration,
    /// When they come, and to whom.
    under_way: Vec<(Duration, usize, Vec<u8>)>,
    sent: Vec<Sent>,
    /// The number of the one that is lost.
    lost: Option<usize>,
}

impl Network<'_> {
    fn send(&mut self, from: usize, datagram: Vec<u8>) {
        let (number, length) = (self.sent.len(), datagram.len());
        self.sent.push(Sent { from, length });
        if self.lost != Some(number) {
            let arrival = self.time + ROUND_TRIP / 2;
            self.under_way.push((arrival, 1 - from, datagram));
        }
    }

    /// Lets an end say what it has to; gives when it wants to be woken.
    fn turn(&mut self, end: usize) -> Result<Option<Monotonic>, Failure> {
        loop {
            let at = Monotonic(self.time);
            match &mut self.ends[end] {
                End::Gate(_) => return Ok(None),
                End::Handshake(handshake) => match handshake.poll()? {
                    Step::Transmit(datagram) => self.send(end, datagram),
                    Step::Ask(question) => {
                        handshake.answer(question.default_answer(), now(self.time))?;
                    }
                    Step::Wait { deadline } => match deadline {
                        Some(due) if due <= at => handshake.handle_timeout(now(self.time)),
                        deadline => return Ok(deadline),
                    },
                    Step::Connected => {
                        self.connected[end] = Some(self.time);
                        let connection = handshake.take_datagram_connection()?;
                        self.ends[end] = End::Connected(Box::new(connection));
                    }
                    _ => {}
                },
                End::Connected(connection) => {
                    let mut out = vec![0; connection.writer.control_len()];
                    match connection.writer.poll_control(at, &mut out)? {
                        Control::Transmit(length) => {
                            out.truncate(length);
                            self.send(end, out);
                        }
                        Control::Wait { deadline } => return Ok(deadline),
                    }
                }
            }
        }
    }

    fn receive(&mut self, end: usize, mut datagram: Vec<u8>) -> Result<(), Failure> {
        let time = now(self.time);
        match &mut self.ends[end] {
            End::Gate(gate) => match gate.on_datagram(b"client", &datagram, time) {
                Verdict::Reply(reply) => self.send(end, reply),
                Verdict::Admit(admission) => {
                    let server = Handshake::datagram_server(
                        self.prepared.server.clone(),
                        admission,
                        DatagramOptions::default(),
                        time,
                    )?;
                    self.ends[end] = End::Handshake(Box::new(server));
                }
                Verdict::Discard(why) => return Err(format!("discarded: {why:?}").into()),
            },
            End::Handshake(handshake) => handshake.receive(&datagram, time),
            End::Connected(connection) => {
                let mut records = connection.reader.open(&mut datagram, time.monotonic);
                while records.next()?.is_some() {}
            }
        }
        Ok(())
    }

    /// Until both are connected; gives how long that takes.
    fn run(&mut self) -> Result<Duration, Failure> {
        loop {
            let deadlines = [self.turn(0)?, self.turn(1)?];
            if let [Some(client), Some(server)] = self.connected {
                return Ok(client.max(server));
            }
            let arrivals = self.under_way.iter().map(|(arrival, ..)| *arrival);
            let deadlines = deadlines.into_iter().flatten().map(|due| due.0);
            let next = arrivals.chain(deadlines).min().ok_or("nobody waits")?;
            self.time = self.time.max(next);
            if self.time > LONGEST {
                return Err("the handshake does not come to an end".into());
            }
            while let Some(first) = self.under_way.iter().position(|(at, ..)| *at <= self.time) {
                let (_, to, datagram) = self.under_way.remove(first);
                self.receive(to, datagram)?;
            }
        }
    }
}

impl Prepared {
    /// A full handshake with a cookie, of which this datagram is lost; gives how long it took, and what was sent.
    fn lossy(&self, lost: Option<usize>) -> Result<(Duration, Vec<Sent>), Failure> {
        let (config, name) = (self.client.clone(), ServerName::try_from(SERVER_NAME)?);
        let options = DatagramOptions::default();
        let client =
            Handshake::datagram_client(config, name, Vec::new(), options, now(Duration::ZERO))?;
        let gate = Gate::new(&self.server, CookiePolicy::Always)?;
        let ends = [End::Handshake(Box::new(client)), End::Gate(Box::new(gate))];
        let mut network = Network {
            prepared: self,
            ends,
            connected: [None; 2],
            time: Duration::ZERO,
            under_way: Vec::new(),
            sent: Vec::new(),
            lost,
        };
        let took = network.run()?;
        Ok((took, network.sent))
    }

    /// A full handshake with a cookie.
    ///
    /// # Errors
    /// When it fails.
    pub fn connect_with_cookie(&self) -> Result<(), Failure> {
        self.lossy(None).map(drop)
    }

    /// Prints rows of a Markdown table: how much longer a handshake takes for each datagram that is lost.
    ///
    /// # Errors
    /// When a handshake fails.
    pub fn losses(&self, what: &str) -> Result<(), Failure> {
        let (usual, sent) = self.lossy(None)?;
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        println!("| {what} | none | {:.0} | |", millis(usual));
        for (number, Sent { from, length }) in sent.iter().enumerate() {
            let (took, _) = self.lossy(Some(number))?;
            println!(
                "| {what} | {}, {}'s, {length} bytes | {:.0} | {:.0} |",
                number + 1,
                NAMES[*from],
                millis(took),
                millis(took.saturating_sub(usual)),
            );
        }
        Ok(())
    }
}
