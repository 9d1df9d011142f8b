//! The connection after the handshake: what the flags ask for, then echo with every bit turned.

use portcullis_core::{
    AlertDescription, Connection, Direction, Error, Frame, Handshake, Opened, ProtocolVersion,
    Reason,
};

use portcullis_core::session::{ClientSession, ReceivedTicket};
use rustls_pki_types::UnixTime;

use crate::early_data::Early;
use crate::handshake::{Driver, Established};
use crate::options::{BodyOptions, Options};
use crate::transport::Transport;
use crate::{Stop, expectation, token};

/// The content of a record, at most.
const MAX_CONTENT: usize = 16_384;

/// Sizes that once upset record splitting.
const SIZES: [usize; 11] = [
    0, 1, 255, 256, 257, 16383, 16384, 16385, 32767, 32768, 32769,
];

/// Runs to the end of the connection; gives the last session that the peer has sent.
pub(crate) fn run(
    options: &Options,
    driver: &mut Driver<'_>,
    connection: &mut Connection,
    early: &Early,
    transport: &mut Transport,
    now: UnixTime,
) -> Result<Option<ClientSession>, Stop> {
    let raw = std::mem::take(&mut connection.unread);
    let is_lost = early.was_rejected(&connection.information);
    let unwritten = early.unwritten.clone().filter(|_| !is_lost);
    let mut exchange = Exchange {
        options: &options.body,
        all_options: options,
        driver,
        now,
        connection,
        transport,
        raw,
        plain: Vec::new(),
        ticket: None,
        renegotiations: 0,
        unwritten,
    };
    exchange.take_tickets();
    exchange.run()?;
    if exchange.renegotiations != options.expect.total_renegotiations {
        return Err(Stop::failed(format!(
            "not as expected: {} renegotiations",
            exchange.renegotiations
        )));
    }
    Ok(exchange.ticket.map(|ticket| ticket.into_session(now)))
}

struct Exchange<'a, 'b> {
    options: &'a BodyOptions,
    all_options: &'a Options,
    /// Of the handshake, also for those that follow.
    driver: &'a mut Driver<'b>,
    now: UnixTime,
    connection: &'a mut Connection,
    transport: &'a mut Transport,
    /// Received and not opened.
    raw: Vec<u8>,
    /// Opened and not read.
    plain: Vec<u8>,
    /// The last one that came.
    ticket: Option<ReceivedTicket>,
    renegotiations: u32,
    /// If the first writes were early data: what is left of them.
    unwritten: Option<Vec<Vec<u8>>>,
}

/// What a read gave.
enum Read {
    Data(Vec<u8>),
    CloseNotify,
    /// The transport ended without close_notify.
    Eof,
}

impl Exchange<'_, '_> {
    fn run(&mut self) -> Result<(), Stop> {
        self.export()?;
        let options = self.options;
        if options.send_alert {
            return self.send_alert();
        }
        if options.write_different_record_sizes {
            for size in SIZES {
                self.write(&vec![0x42; size])?;
            }
            return self.shut_down(None);
        }
        let initial = options.initial_write.as_deref().unwrap_or(b"hello");
        if let Some(unwritten) = self.unwritten.take() {
            for rest in unwritten {
                self.write(&rest)?;
            }
        } else if options.read_with_unfinished_write {
            let sealed = self.seal(initial)?;
            self.transport.send_one(&sealed)?;
        } else if options.shim_writes_first {
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
            self.transport.finish_write()?;
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

    fn export(&mut self) -> Result<(), Stop> {
        let options = self.options;
        if options.export_keying_material > 0 {
            let material = self.exported(options.export_keying_material)?;
            self.write(&material)?;
        }
        if options.export_traffic_secrets {
            let Connection { reader, writer, .. } = &self.connection;
            let (Some(read), Some(write)) = (reader.traffic_secret(), writer.traffic_secret())
            else {
                return Err(Stop::failed("there are no traffic secrets before TLS 1.3"));
            };
            let (read, write) = (read.to_vec(), write.to_vec());
            let length = u16::try_from(read.len()).unwrap_or_default().to_le_bytes();
            self.write(&length)?;
            self.write(&read)?;
            self.write(&write)?;
        }
        if options.tls_unique {
            let unique = self.connection.information.tls_unique();
            let unique = unique
                .map_err(|misuse| Stop::failed(format!("failed to get tls-unique: {misuse}")))?;
            self.write(&unique)?;
        }
        Ok(())
    }

    fn exported(&self, length: usize) -> Result<Vec<u8>, Stop> {
        let mut material = vec![0; length];
        let label = &self.options.export_label;
        let context = self
            .options
            .use_export_context
            .then_some(&*self.options.export_context);
        self.connection
            .information
            .export_keying_material(label, context, &mut material)
            .map_err(|_| Stop::failed("failed to export keying material"))?;
        Ok(material)
    }

    fn send_alert(&mut self) -> Result<(), Stop> {
        let mut out = vec![0; self.connection.writer.control_len()];
        let written = self
            .connection
            .writer
            .alert(AlertDescription::DECOMPRESSION_FAILURE, &mut out)
            .map_err(|error| failed(&error))?;
        self.transport.send(out.get(..written).unwrap_or_default())
    }

    fn key_update(&mut self) -> Result<(), Stop> {
        let mut out = vec![0; self.connection.writer.control_len()];
        let written = self
            .connection
            .writer
            .key_update(false, &mut out)
            .map_err(|error| failed(&error))?;
        self.transport.send(out.get(..written).unwrap_or_default())
    }

    fn seal(&mut self, mut data: &[u8]) -> Result<Vec<u8>, Stop> {
        let writer = &mut self.connection.writer;
        let mut all = Vec::new();
        while !data.is_empty() {
            let mut out = vec![0; writer.max_sealed_len(data.len())];
            let sealed = writer
                .seal(data, &mut out)
                .map_err(|error| failed(&error))?;
            all.extend_from_slice(out.get(..sealed.written).unwrap_or_default());
            data = data.get(sealed.consumed..).unwrap_or_default();
        }
        Ok(all)
    }

    /// By records: with 1/n−1 splitting each has its first byte before it.
    fn write(&mut self, data: &[u8]) -> Result<(), Stop> {
        for content in data.chunks(MAX_CONTENT) {
            let sealed = self.seal(content)?;
            self.transport.send(&sealed)?;
        }
        Ok(())
    }

    /// Does what the reader asks of the writer. A KeyUpdate is answered before the next data
    /// instead (§4.6.3), so that many requests get one answer.
    fn drain_mailbox(&mut self) -> Result<(), Stop> {
        if !self.connection.reader.writer_has_work() {
            return Ok(());
        }
        let mut out = vec![0; self.connection.writer.control_len()];
        let written = self
            .connection
            .writer
            .drain_mailbox(&mut out)
            .map_err(|error| failed(&error))?;
        self.transport.send(out.get(..written).unwrap_or_default())
    }

    /// Reads at most one record's data.
    fn read(&mut self) -> Result<Read, Stop> {
        let size = match self.options.read_size {
            0 => 512,
            size => size,
        };
        while self.plain.is_empty() {
            if let Some(end) = self.open()? {
                return Ok(end);
            }
        }
        let size = size.min(self.plain.len());
        if self.options.peek_then_read {
            let peeked = self.plain.get(..size).map(<[u8]>::to_vec);
            let data: Vec<u8> = self.plain.drain(..size).collect();
            return match peeked.as_ref() == Some(&data) {
                true => Ok(Read::Data(data)),
                false => Err(Stop::failed("peeked and read data differ")),
            };
        }
        Ok(Read::Data(self.plain.drain(..size).collect()))
    }

    /// Opens one record, or waits for more of it. Gives the end when it is there.
    fn open(&mut self) -> Result<Option<Read>, Stop> {
        let frame = self.connection.reader.frame(&self.raw);
        match frame.map_err(|error| self.refuse(&error))? {
            Frame::NeedMore { .. } => {
                let bytes = self.transport.receive()?;
                if bytes.is_empty() {
                    // BoringSSL's shim takes the end of the stream as the end of the test.
                    return Ok(Some(Read::Eof));
                }
                self.raw.extend_from_slice(&bytes);
            }
            Frame::Record { len, .. } => {
                let record = self.raw.get_mut(..len).unwrap_or_default();
                let opened = self.connection.reader.open_in_place(record);
                match opened.map_err(|error| self.refuse(&error))? {
                    Opened::Data(range) => {
                        self.plain = self.raw.get(range).unwrap_or_default().to_vec();
                    }
                    Opened::Nothing => self.take_tickets(),
                    Opened::Closed => return Ok(Some(Read::CloseNotify)),
                }
                self.raw.drain(..len);
                if self.connection.reader.take_request(self.now).is_some() {
                    self.renegotiate()?;
                }
            }
            Frame::Closed => return Ok(Some(Read::CloseNotify)),
        }
        Ok(None)
    }

    /// Does what the peer has asked for.
    fn renegotiate(&mut self) -> Result<(), Stop> {
        // What was sealed goes before.
        self.transport.finish_write()?;
        let Connection { reader, writer, .. } = &mut *self.connection;
        let begun = Handshake::renegotiate(reader, writer, self.now);
        let mut handshake = begun.map_err(|error| Stop::Failed {
            // The peer cannot get what it waits for.
            token: Some(":NO_RENEGOTIATION:"),
            message: error.to_string(),
        })?;
        handshake.receive(&std::mem::take(&mut self.raw), self.now);
        let (done, data) = self.driver.run_again(handshake, self.transport)?;
        expectation::check_again(self.all_options, &done)?;
        self.plain.extend_from_slice(&data);
        let Established::Stream(mut connection) = done.connection else {
            return Err(Stop::failed("a renegotiation over datagrams"));
        };
        self.raw = std::mem::take(&mut connection.unread);
        *self.connection = *connection;
        self.renegotiations += 1;
        match self.connection.reader.take_ticket() {
            Some(_) => Err(Stop::failed("a renegotiation left a session")),
            None => Ok(()),
        }
    }

    /// Before TLS 1.3 the handshake itself leaves one.
    fn take_tickets(&mut self) {
        while let Some(ticket) = self.connection.reader.take_ticket() {
            self.ticket = Some(ticket);
        }
    }

    /// Sends the alert that the reader's error calls for.
    fn refuse(&mut self, error: &Error) -> Stop {
        if matches!(error.alert(), Some((Direction::Sent, _))) {
            let _ = self.drain_mailbox();
        }
        failed_at(error, self.connection.information.version(), false)
    }

    /// Ends the connection; `end` is how the peer has ended it, if it has.
    fn shut_down(&mut self, end: Option<Read>) -> Result<(), Stop> {
        if !self.options.check_close_notify {
            return Ok(());
        }
        let mut out = vec![0; self.connection.writer.control_len()];
        let written = self
            .connection
            .writer
            .close_notify(&mut out)
            .map_err(|error| failed(&error))?;
        self.transport
            .send(out.get(..written).unwrap_or_default())?;
        match end {
            Some(Read::CloseNotify) => return Ok(()),
            Some(Read::Eof) => return Err(Stop::failed("Unexpected SSL_shutdown result: 0 != 1")),
            _ => {}
        }
        match self.read()? {
            Read::CloseNotify => Ok(()),
            Read::Eof => Err(Stop::failed("Unexpected SSL_shutdown result: -1 != 1")),
            Read::Data(_) => Err(Stop::Failed {
                token: Some(":APPLICATION_DATA_ON_SHUTDOWN:"),
                message: "the peer sent data after our close_notify".into(),
            }),
        }
    }
}

fn failed(error: &Error) -> Stop {
    failed_at(error, ProtocolVersion::TLS_1_3, false)
}

pub(crate) fn failed_at(error: &Error, version: ProtocolVersion, dtls: bool) -> Stop {
    let hellos = token::Hellos {
        before_tls13: version < ProtocolVersion::TLS_1_3,
        dtls,
        ..token::Hellos::default()
    };
    let token = match error.reason() {
        Reason::Misuse(_) | Reason::Closed => None,
        _ => token::of(error, hellos),
    };
    Stop::Failed {
        token,
        message: error.to_string(),
    }
}
