//! Reads one direction of a connection from outside, with the secrets of one of its ends.

use crate::keys::{HEADER, Keys, Suite};
use crate::messages::{Assembler, FINISHED, KEY_UPDATE};

pub const CCS: u8 = 20;
pub const ALERT: u8 = 21;
pub const HANDSHAKE: u8 = 22;
pub const DATA: u8 = 23;

/// The secrets of one end, each for the writer 0 (client) or 1 (server).
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    pub handshake: [Option<Vec<u8>>; 2],
    pub application: [Option<Vec<u8>>; 2],
}

impl Secrets {
    /// Takes a line of a key log.
    pub fn learn(&mut self, label: &str, secret: &[u8]) {
        let place = match label {
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET" => &mut self.handshake[0],
            "SERVER_HANDSHAKE_TRAFFIC_SECRET" => &mut self.handshake[1],
            "CLIENT_TRAFFIC_SECRET_0" => &mut self.application[0],
            "SERVER_TRAFFIC_SECRET_0" => &mut self.application[1],
            _ => return,
        };
        *place = Some(secret.to_vec());
    }
}

/// One record, opened if that was possible.
#[derive(Clone, Debug)]
pub struct Record {
    pub wire: Vec<u8>,
    pub protected: bool,
    pub opened: bool,
    /// The true type.
    pub typ: u8,
    pub content: Vec<u8>,
    pub padding: usize,
}

/// Which keys are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epoch {
    Plain,
    Handshake,
    Application,
}

/// The keys of one direction, changed where TLS changes them.
pub struct Protection {
    writer: usize,
    pub epoch: Epoch,
    keys: Option<Keys>,
    pub assembler: Assembler,
}

impl Protection {
    pub fn new(writer: usize) -> Self {
        Self {
            writer,
            epoch: Epoch::Plain,
            keys: None,
            assembler: Assembler::default(),
        }
    }

    /// The keys for the next protected record, if they are known.
    pub fn keys(&mut self, secrets: &Secrets, suite: Option<Suite>) -> Option<&mut Keys> {
        if self.keys.is_none() {
            let (epoch, secret) = match self.epoch {
                Epoch::Plain | Epoch::Handshake => (Epoch::Handshake, &secrets.handshake),
                Epoch::Application => (Epoch::Application, &secrets.application),
            };
            self.keys = Some(Keys::new(suite?, secret[self.writer].as_deref()?));
            self.epoch = epoch;
        }
        self.keys.as_mut()
    }

    /// Takes the content of a handshake record that went over the wire; gives its messages.
    pub fn on_handshake(&mut self, content: &[u8]) -> Vec<Vec<u8>> {
        let messages = self.assembler.push(content);
        for message in &messages {
            match (message.first(), self.epoch) {
                (Some(&FINISHED), Epoch::Handshake) => {
                    self.epoch = Epoch::Application;
                    self.keys = None;
                }
                (Some(&KEY_UPDATE), Epoch::Application) => {
                    if let Some(keys) = &mut self.keys {
                        keys.update();
                    }
                }
                _ => {}
            }
        }
        messages
    }
}

/// Sees what one end writes, or what one end reads.
pub struct Observer {
    protection: Protection,
    buffer: Vec<u8>,
    /// Every complete handshake message.
    pub messages: Vec<Vec<u8>>,
    /// All application data.
    pub data: Vec<u8>,
    /// Whether something came that does not open: what follows is not read.
    pub broken: bool,
}

impl Observer {
    pub fn new(writer: usize) -> Self {
        Self {
            protection: Protection::new(writer),
            buffer: Vec::new(),
            messages: Vec::new(),
            data: Vec::new(),
            broken: false,
        }
    }

    /// Takes bytes of the wire. A protected record waits until its keys are known.
    ///
    /// `skip` says that records that do not open before the first that does are early data.
    pub fn observe(
        &mut self,
        bytes: &[u8],
        secrets: &Secrets,
        suite: Option<Suite>,
        skip: bool,
    ) -> Vec<Record> {
        self.buffer.extend_from_slice(bytes);
        let mut records = Vec::new();
        while let Some(&[typ, _, _, high, low]) = self.buffer.first_chunk() {
            let length = HEADER + usize::from(u16::from_be_bytes([high, low]));
            if self.buffer.len() < length {
                break;
            }
            let mut record = Record {
                wire: self.buffer[..length].to_vec(),
                protected: typ == DATA,
                opened: !self.broken && typ != DATA,
                typ,
                content: self.buffer[HEADER..length].to_vec(),
                padding: 0,
            };
            if typ == DATA && !self.broken {
                match self.protection.keys(secrets, suite) {
                    Some(keys) => match keys.open(&record.wire) {
                        Some(inner) => {
                            record.typ = inner.typ;
                            record.content = inner.content;
                            record.padding = inner.padding;
                            record.opened = true;
                        }
                        None => self.broken = !skip,
                    },
                    None if skip => {}
                    None => break,
                }
            }
            self.buffer.drain(..length);
            if record.opened {
                self.on_record(&record);
            }
            records.push(record);
        }
        records
    }

    /// All that is left, whatever it is.
    pub fn take_rest(&mut self) -> Vec<u8> {
        self.broken = true;
        core::mem::take(&mut self.buffer)
    }

    fn on_record(&mut self, record: &Record) {
        match record.typ {
            CCS if !record.protected => {}
            _ if record.protected != (self.protection.epoch != Epoch::Plain) => self.broken = true,
            HANDSHAKE => {
                let messages = self.protection.on_handshake(&record.content);
                self.messages.extend(messages);
            }
            DATA => self.data.extend_from_slice(&record.content),
            _ => {}
        }
    }
}
