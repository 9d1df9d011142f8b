//! Reads one direction of a connection from outside, with the secrets of one of its ends.

use crate::keys::{HEADER, Keys, Suite};
use crate::messages::{self, Assembler, FINISHED, KEY_UPDATE, SERVER_HELLO};

pub const CCS: u8 = 20;
pub const ALERT: u8 = 21;
pub const HANDSHAKE: u8 = 22;
pub const DATA: u8 = 23;

/// The secrets of one end, each for the writer 0 (client) or 1 (server).
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    pub handshake: [Option<Vec<u8>>; 2],
    pub application: [Option<Vec<u8>>; 2],
    /// Before TLS 1.3, where there is one for both.
    pub master: Option<Vec<u8>>,
}

impl Secrets {
    /// Takes a line of a key log.
    pub fn learn(&mut self, label: &str, secret: &[u8]) {
        let place = match label {
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET" => &mut self.handshake[0],
            "SERVER_HANDSHAKE_TRAFFIC_SECRET" => &mut self.handshake[1],
            "CLIENT_TRAFFIC_SECRET_0" => &mut self.application[0],
            "SERVER_TRAFFIC_SECRET_0" => &mut self.application[1],
            "CLIENT_RANDOM" => &mut self.master,
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
    /// Whether a change_cipher_spec has changed them, as before TLS 1.3.
    older: bool,
    pub assembler: Assembler,
}

impl Protection {
    pub fn new(writer: usize) -> Self {
        Self {
            writer,
            epoch: Epoch::Plain,
            keys: None,
            older: false,
            assembler: Assembler::default(),
        }
    }

    /// A change_cipher_spec went by, under no keys: before TLS 1.3 it changes them (RFC 5246 §7.1).
    pub fn on_change_cipher_spec(&mut self, is_older: bool) {
        if is_older && self.epoch == Epoch::Plain {
            self.epoch = Epoch::Application;
            self.older = true;
        }
    }

    /// The keys for the next protected record, if they are known.
    pub fn keys(&mut self, secrets: &Secrets, suite: Option<Suite>) -> Option<&mut Keys> {
        if self.keys.is_none() && self.older {
            self.keys = Keys::of_master(suite?, secrets.master.as_deref()?, self.writer);
        } else if self.keys.is_none() {
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
            let protected = typ == DATA || self.protection.older;
            let mut record = Record {
                wire: self.buffer[..length].to_vec(),
                protected,
                opened: !self.broken && !protected,
                typ,
                content: self.buffer[HEADER..length].to_vec(),
                padding: 0,
            };
            if protected && !self.broken {
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
                self.on_record(&record, suite);
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

    fn on_record(&mut self, record: &Record, suite: Option<Suite>) {
        match record.typ {
            CCS if !record.protected => {
                // It may come with the hello that chooses the version.
                let hello = self
                    .messages
                    .iter()
                    .find(|message| message[0] == SERVER_HELLO);
                let own = hello.and_then(|hello| messages::suite(hello));
                let is_older = match suite {
                    Some(suite) => suite.older().is_some(),
                    None => own.is_some_and(Suite::is_older),
                };
                self.protection.on_change_cipher_spec(is_older);
            }
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
