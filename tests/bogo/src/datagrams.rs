//! The connection over datagrams: how a server's begins, and what the flags ask for after the handshake.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::Duration;

use portcullis_core::session::ClientSession;
use portcullis_core::{
    Admission, AlertDescription, Control, CookiePolicy, DatagramConnection, DatagramOptions, Error,
    Gate, Handshake, ProtocolVersion, Received, Retransmission, Verdict,
};

use crate::credential::Credential;
use crate::exchange::failed_at;
use crate::options::{BodyOptions, Options, of_tls};
use crate::transport::{Heard, Transport};
use crate::{Past, Stop, configuration};

/// BoringSSL's, where no flag says otherwise.
const INITIAL_TIMEOUT: Duration = Duration::from_millis(400);
const MTU: u16 = 1_472;

/// The type of a record with data, in front of one of before DTLS 1.3.
const APPLICATION_DATA: u8 = 23;

/// As BoringSSL sends: by a schedule that is fixed, and nothing before its time. What is in the clear it takes for the peer's.
pub(crate) fn datagram_options(options: &Options) -> DatagramOptions {
    let retransmission = Retransmission::default()
        .initial(initial_timeout(options))
        .adaptive(false)
        .prompt(false);
    DatagramOptions::default()
        .mtu(options.mtu.unwrap_or(MTU))
        .retransmission(retransmission)
        .dangerous_trust_unprotected(true)
}

fn initial_timeout(options: &Options) -> Duration {
    options.initial_timeout.unwrap_or(INITIAL_TIMEOUT)
}

/// A server begins with the first datagram; BoringSSL's asks for no cookie. With `BOGO_COOKIES` in the environment one is
/// asked for, as everywhere else.
pub(crate) fn server(
    options: &Options,
    credentials: &[Credential],
    past: &mut Past,
    transport: &mut Transport,
) -> Result<Handshake, Stop> {
    let asks = std::env::var_os("BOGO_COOKIES").is_some();
    let failed = |error: Error| Stop::failed(error.to_string());
    let mut settings = datagram_options(options);
    let mut begun = None;
    let (config, admission) = loop {
        let datagram = match transport.hear()? {
            Heard::Datagram(datagram) => datagram,
            Heard::Time => continue,
            Heard::Expectation(expected) => {
                transport.check_deadline(None, expected)?;
                continue;
            }
            Heard::Mtu(bytes) => {
                settings = settings.mtu(bytes);
                continue;
            }
            Heard::Timeout(_) => {
                return Err(Stop::unimplemented(
                    "another timeout before the first hello",
                ));
            }
            Heard::End => return Err(Stop::failed("there was no hello")),
        };
        transport.heard.extend_from_slice(&datagram);
        let (config, mut gate) = match begun.take() {
            Some(begun) => begun,
            None => {
                past.first_bytes.clone_from(&datagram);
                let config = configuration::server_config(options, credentials, past)?;
                let gate = asks.then(|| Gate::new(&config, CookiePolicy::Always));
                (config, gate.transpose().map_err(failed)?)
            }
        };
        let Some(asking) = &mut gate else {
            break (config, Admission::without_cookie(datagram));
        };
        match asking.on_datagram(b"the runner", &datagram, transport.now(past)) {
            Verdict::Admit(admission) => break (config, admission),
            Verdict::Reply(reply) => transport.send(&reply)?,
            Verdict::Discard(_) => {}
        }
        begun = Some((config, gate));
    };
    Handshake::datagram_server(config, admission, settings, transport.now(past)).map_err(failed)
}

/// Runs to the end of the connection; gives the last session that the peer has sent.
pub(crate) fn run(
    options: &Options,
    connection: &mut DatagramConnection,
    transport: &mut Transport,
    past: &Past,
) -> Result<Option<ClientSession>, Stop> {
    let mut exchange = Exchange {
        options: &options.body,
        timeout: initial_timeout(options),
        connection,
        transport,
        past,
        messages: VecDeque::new(),
        is_closed: false,
        is_in_use: false,
        session: None,
    };
    // Before DTLS 1.3 the handshake itself leaves a session.
    let ticket = exchange.connection.reader.take_ticket();
    let now = exchange.transport.now(past);
    exchange.session = ticket.map(|ticket| ticket.into_session(now.wall));
    exchange.run()?;
    Ok(exchange.session)
}

struct Exchange<'a> {
    options: &'a BodyOptions,
    /// The first one of a flight, on both sides.
    timeout: Duration,
    connection: &'a mut DatagramConnection,
    transport: &'a mut Transport,
    past: &'a Past,
    /// Opened and not read.
    messages: VecDeque<Vec<u8>>,
    is_closed: bool,
    /// Something was said or heard since the handshake.
    is_in_use: bool,
    /// The last one that came.
    session: Option<ClientSession>,
}

/// What a read gave.
enum Read {
    Data(Vec<u8>),
    CloseNotify,
    /// The runner has gone.
    End,
}

impl Exchange<'_> {
    fn run(&mut self) -> Result<(), Stop> {
        let is_before_1_3 = self.is_before_1_3();
        for datagram in std::mem::take(&mut self.connection.unread) {
            // RFC 6347 §4.1 leaves open whether data that has overtaken Finished is kept: the core does, BoringSSL does not.
            if !(is_before_1_3 && datagram.first() == Some(&APPLICATION_DATA)) {
                self.open(datagram)?;
            }
        }
        self.check_options()?;
        let options = self.options;
        if options.export_keying_material > 0 {
            let material = self.exported(options.export_keying_material)?;
            self.write(&material)?;
        }
        if options.tls_unique {
            let unique = self.connection.information.tls_unique();
            let unique = unique
                .map_err(|misuse| Stop::failed(format!("failed to get tls-unique: {misuse}")))?;
            self.write(&unique)?;
        }
        if options.send_alert {
            let alert = AlertDescription::DECOMPRESSION_FAILURE;
            self.connection.writer.alert(alert);
            // The error is the alert that was just said.
            let _ = self.send_control();
            return Ok(());
        }
        if options.shim_writes_first {
            let initial = options.initial_write.as_deref().unwrap_or(b"hello");
            for _ in 0..options.repeat_initial_write.unwrap_or(1) {
                self.write(initial)?;
            }
        }
        if options.shim_shuts_down {
            return self.shut_down(None);
        }
        loop {
            if options.key_update_before_read {
                self.key_update()?;
            }
            let mut data = match self.read()? {
                Read::Data(data) => data,
                end => return self.shut_down(Some(end)),
            };
            if options.key_update {
                self.key_update()?;
            }
            for byte in &mut data {
                *byte ^= 0xff;
            }
            self.write(&data)?;
            if options.use_exporter_between_reads {
                self.exported(20)?;
            }
        }
    }

    fn is_before_1_3(&self) -> bool {
        self.connection.information.version() != ProtocolVersion::DTLS_1_3
    }

    fn check_options(&self) -> Result<(), Stop> {
        let options = self.options;
        for (is_wanted, what) in [
            (options.export_traffic_secrets, "-export-traffic-secrets"),
            (options.peek_then_read, "-peek-then-read"),
            (
                options.write_different_record_sizes,
                "-write-different-record-sizes",
            ),
            (
                options.read_with_unfinished_write,
                "-read-with-unfinished-write",
            ),
        ] {
            if is_wanted {
                return Err(Stop::unimplemented(format!("{what} over datagrams")));
            }
        }
        Ok(())
    }

    fn failed(&self, error: &Error) -> Stop {
        failed_at(error, of_tls(self.connection.information.version()), true)
    }

    fn exported(&self, length: usize) -> Result<Vec<u8>, Stop> {
        let mut material = vec![0; length];
        let options = self.options;
        let context = options
            .use_export_context
            .then_some(&*options.export_context);
        self.connection
            .information
            .export_keying_material(&options.export_label, context, &mut material)
            .map_err(|_| Stop::failed("failed to export keying material"))?;
        Ok(material)
    }

    fn key_update(&mut self) -> Result<(), Stop> {
        let updated = self.connection.writer.key_update(false);
        updated.map_err(|error| self.failed(&error))?;
        self.send_control()
    }

    fn write(&mut self, data: &[u8]) -> Result<(), Stop> {
        self.is_in_use = true;
        // What was sealed before has to be out first.
        self.send_control()?;
        let writer = &mut self.connection.writer;
        let mut out = vec![0; writer.sealed_len(data.len())];
        let sealed = writer.seal(&[IoSlice::new(data)], &mut out);
        let length = sealed.map_err(|error| self.failed(&error))?;
        self.transport.send(out.get(..length).unwrap_or_default())?;
        self.send_control()
    }

    /// Sends what is due besides data.
    fn send_control(&mut self) -> Result<(), Stop> {
        let mut now = self.transport.now(self.past).monotonic;
        loop {
            let writer = &mut self.connection.writer;
            let mut out = vec![0; writer.control_len()];
            match writer.poll_control(now, &mut out) {
                Ok(Control::Transmit(length)) => {
                    self.transport.send(out.get(..length).unwrap_or_default())?;
                }
                Ok(Control::Wait { deadline }) => {
                    let due = self.transport.now_or(deadline, self.past).monotonic;
                    if due <= now {
                        return Ok(());
                    }
                    now = due;
                }
                Err(error) => return Err(self.failed(&error)),
            }
        }
    }

    /// One message; empty ones are nothing to BoringSSL's application.
    fn read(&mut self) -> Result<Read, Stop> {
        loop {
            if let Some(mut message) = self.messages.pop_front() {
                // A datagram that is read in part is over all the same.
                if self.options.read_size > 0 {
                    message.truncate(self.options.read_size);
                }
                return Ok(Read::Data(message));
            }
            if self.is_closed {
                return Ok(Read::CloseNotify);
            }
            self.send_control()?;
            match self.transport.hear()? {
                Heard::Datagram(datagram) => self.open(datagram)?,
                Heard::Time => {}
                Heard::Expectation(expected) => {
                    let now = self.transport.now(self.past).monotonic;
                    let writer = &mut self.connection.writer;
                    let mut out = vec![0; writer.control_len()];
                    match writer.poll_control(now, &mut out) {
                        Ok(Control::Wait { deadline }) => {
                            self.transport.check_deadline(deadline, expected)?;
                        }
                        Ok(Control::Transmit(_)) => {
                            return Err(Stop::failed("something was due already"));
                        }
                        Err(error) => return Err(self.failed(&error)),
                    }
                }
                Heard::Mtu(bytes) => self.connection.writer.set_path_mtu(bytes),
                Heard::Timeout(initial) => self.connection.writer.set_initial_timeout(initial),
                Heard::End => return Ok(Read::End),
            }
        }
    }

    fn open(&mut self, mut datagram: Vec<u8>) -> Result<(), Stop> {
        if !self.is_in_use && self.is_before_1_3() {
            // A peer says its last flight again when its timer has fired. The runner does so at once, as BoringSSL's answer
            // to that takes no account of time; the core's does.
            self.transport.let_pass(self.timeout);
        }
        let now = self.transport.now(self.past);
        let mut records = self.connection.reader.open(&mut datagram, now.monotonic);
        let end = loop {
            match records.next() {
                Ok(None) => break Ok(()),
                Ok(Some(Received::Data([]))) => {}
                Ok(Some(Received::Data(data))) => {
                    self.is_in_use = true;
                    self.messages.push_back(data.to_vec());
                }
                Ok(Some(Received::Closed)) => self.is_closed = true,
                Ok(Some(_)) => {}
                Err(error) => break Err(error),
            }
        };
        while let Some(ticket) = self.connection.reader.take_ticket() {
            self.session = Some(ticket.into_session(now.wall));
        }
        match end {
            Ok(()) => Ok(()),
            Err(error) => {
                // The alert goes out; the error stays this one.
                let _ = self.send_control();
                Err(self.failed(&error))
            }
        }
    }

    /// Ends the connection; `end` is how the peer has ended it, if it has.
    fn shut_down(&mut self, end: Option<Read>) -> Result<(), Stop> {
        if !self.options.check_close_notify {
            return Ok(());
        }
        self.connection.writer.close_notify();
        self.send_control()?;
        match end {
            Some(Read::CloseNotify) => return Ok(()),
            Some(Read::End) => return Err(Stop::failed("Unexpected SSL_shutdown result: 0 != 1")),
            _ => {}
        }
        match self.read()? {
            Read::CloseNotify => Ok(()),
            Read::End => Err(Stop::failed("Unexpected SSL_shutdown result: -1 != 1")),
            Read::Data(_) => Err(Stop::Failed {
                token: Some(":APPLICATION_DATA_ON_SHUTDOWN:"),
                message: "the peer sent data after our close_notify".into(),
            }),
        }
    }
}
