//! The connection to the runner: a blocking socket, and a pace at which bytes come out of it; or datagrams, each
//! behind its length, and what the runner says of time.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, TcpStream};
use std::time::Duration;

use portcullis_core::{Monotonic, Now};

use crate::options::Options;
use crate::{Past, Stop};

/// How long to wait for the runner, which has a timeout of its own.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Transport {
    stream: TcpStream,
    /// Bytes read and not yet handed out.
    ready: Vec<u8>,
    one_by_one: bool,
    /// Everything that was handed out until the handshake was over.
    pub(crate) heard: Vec<u8>,
    /// What must not overtake the rest of an unfinished write.
    unfinished: Vec<u8>,
    is_of_datagrams: bool,
    /// Over datagrams: how far the runner has moved it on.
    clock: Duration,
}

/// What the runner says over datagrams.
pub(crate) enum Heard {
    Datagram(Vec<u8>),
    /// The clock was moved on.
    Time,
    /// The next deadline has to be so far away; `None`: there is none.
    Expectation(Option<Duration>),
    /// Datagrams may have so many bytes from here on.
    Mtu(u16),
    /// The first timeout of each flight, also of the one that is under way.
    Timeout(Duration),
    End,
}

/// A deadline that is so near counts as due, as in BoringSSL.
const NEAR: Duration = Duration::from_millis(15);

impl Transport {
    /// Connects and says which shim this is.
    pub(crate) fn connect(options: &Options, clock: Duration) -> Result<Self, Stop> {
        let (port, shim_id) = (options.port, options.shim_id);
        let connect = || -> std::io::Result<TcpStream> {
            let mut stream = TcpStream::connect((Ipv6Addr::LOCALHOST, port))
                .or_else(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, port)))?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(&shim_id.to_le_bytes())?;
            Ok(stream)
        };
        let stream = connect().map_err(|error| Stop::failed(format!("connecting: {error}")))?;
        Ok(Self {
            stream,
            ready: Vec::new(),
            one_by_one: options.asynchronous,
            heard: Vec::new(),
            unfinished: Vec::new(),
            is_of_datagrams: options.dtls,
            clock,
        })
    }

    pub(crate) const fn clock(&self) -> Duration {
        self.clock
    }

    /// Over datagrams: time passes that the runner does not tell of.
    pub(crate) fn let_pass(&mut self, time: Duration) {
        self.clock += time;
    }

    /// The time as the runner has it.
    pub(crate) fn now(&self, past: &Past) -> Now {
        let moved = self.clock.saturating_sub(past.clock);
        let wall = Duration::from_secs(past.now.as_secs()) + moved;
        Now {
            wall: rustls_pki_types::UnixTime::since_unix_epoch(wall),
            monotonic: Monotonic(self.clock),
        }
    }

    /// The same, or the deadline if it counts as due.
    pub(crate) fn now_or(&self, deadline: Option<Monotonic>, past: &Past) -> Now {
        let now = self.now(past);
        let is_near = |due: &Monotonic| due.0.saturating_sub(self.clock) < NEAR;
        let due = deadline.filter(is_near).unwrap_or(now.monotonic);
        Now {
            monotonic: due.max(now.monotonic),
            ..now
        }
    }

    /// Holds the next deadline against what the runner expects.
    pub(crate) fn check_deadline(
        &self,
        deadline: Option<Monotonic>,
        expected: Option<Duration>,
    ) -> Result<(), Stop> {
        let left = deadline.map(|deadline| deadline.0.saturating_sub(self.clock));
        let left = left.map(|left| if left < NEAR { Duration::ZERO } else { left });
        match left == expected {
            true => Ok(()),
            false => Err(Stop::failed(format!(
                "the next deadline should be {expected:?} away, and is {left:?}"
            ))),
        }
    }

    /// Over datagrams: the next thing that the runner says.
    pub(crate) fn hear(&mut self) -> Result<Heard, Stop> {
        let mut opcode = [0];
        match self.stream.read(&mut opcode) {
            Ok(0) => return Ok(Heard::End),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(Heard::End),
            Ok(_) => {}
            Err(error) => return Err(Stop::failed(format!("reading: {error}"))),
        }
        Ok(match opcode {
            [b'P'] => {
                let length = u32::from_be_bytes(self.exactly()?);
                let mut datagram = vec![0; length.try_into().unwrap_or_default()];
                self.read_exact(&mut datagram)?;
                Heard::Datagram(datagram)
            }
            [b'T'] => {
                let by = Duration::from_nanos(u64::from_be_bytes(self.exactly()?));
                // Before what the time brings.
                self.write_all(b"t")?;
                self.clock += Duration::from_micros(by.as_micros().try_into().unwrap_or(u64::MAX));
                Heard::Time
            }
            [b'E'] => match u64::from_be_bytes(self.exactly()?) {
                u64::MAX => Heard::Expectation(None),
                nanos => Heard::Expectation(Some(Duration::from_micros(nanos / 1_000))),
            },
            [b'M'] => {
                let bytes = u32::from_be_bytes(self.exactly()?);
                Heard::Mtu(bytes.try_into().unwrap_or(u16::MAX))
            }
            [b'U'] => {
                let milliseconds = u32::from_be_bytes(self.exactly()?);
                Heard::Timeout(Duration::from_millis(milliseconds.into()))
            }
            [other] => return Err(Stop::failed(format!("the runner says {other}"))),
        })
    }

    fn exactly<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let mut bytes = [0; N];
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn read_exact(&mut self, bytes: &mut [u8]) -> Result<(), Stop> {
        let read = self.stream.read_exact(bytes);
        read.map_err(|error| Stop::failed(format!("reading: {error}")))
    }

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let written = self.stream.write_all(bytes);
        written.map_err(|error| Stop::failed(format!("writing: {error}")))
    }

    /// Sends everything; over datagrams as one.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.finish_write()?;
        if self.is_of_datagrams {
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            return self.write_all(&[b"P", &length.to_be_bytes()[..], bytes].concat());
        }
        self.stream
            .write_all(bytes)
            .map_err(|error| Stop::failed(format!("writing: {error}")))
    }

    /// Sends one byte and keeps the rest until [`finish_write`](Self::finish_write).
    pub(crate) fn send_one(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let (first, rest) = bytes.split_at(1.min(bytes.len()));
        self.send(first)?;
        self.unfinished = rest.to_vec();
        Ok(())
    }

    pub(crate) fn finish_write(&mut self) -> Result<(), Stop> {
        let rest = std::mem::take(&mut self.unfinished);
        self.stream
            .write_all(&rest)
            .map_err(|error| Stop::failed(format!("writing: {error}")))
    }

    /// Whether [`receive`](Self::receive) can answer without waiting.
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// What will be received first, without taking it.
    pub(crate) fn peek(&mut self) -> Result<Vec<u8>, Stop> {
        if self.ready.is_empty() {
            self.ready = self.read()?;
        }
        Ok(self.ready.clone())
    }

    fn read(&mut self) -> Result<Vec<u8>, Stop> {
        let mut buffer = [0; 16 * 1024];
        let read = loop {
            match self.stream.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break 0,
                Err(error) => return Err(Stop::failed(format!("reading: {error}"))),
                Ok(read) => break read,
            }
        };
        Ok(buffer.get(..read).unwrap_or_default().to_vec())
    }

    /// The next bytes, at least one; none at the end of the stream.
    pub(crate) fn receive(&mut self) -> Result<Vec<u8>, Stop> {
        if self.ready.is_empty() {
            self.ready = self.read()?;
        }
        let count = if self.one_by_one { 1 } else { usize::MAX };
        let count = count.min(self.ready.len());
        Ok(self.ready.drain(..count).collect())
    }

    /// Closes so that nothing is lost on the way: half, then reads what is left.
    pub(crate) fn close(mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
        let _ = self.stream.set_read_timeout(Some(Duration::from_secs(2)));
        let mut buffer = [0; 16 * 1024];
        while self.stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
    }
}
