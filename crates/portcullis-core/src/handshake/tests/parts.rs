//! Handshake messages taken apart, changed and put together again, without regard to any rule.

use crate::wire::codec::{Cursor, put_u16, put_vec8, put_vec16, put_vec24};
use crate::wire::{ExtensionType, HandshakeType, put_message};

/// Extensions as types and bodies.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts(pub(super) Vec<(ExtensionType, Vec<u8>)>);

impl Parts {
    fn read(block: &[u8]) -> Self {
        let mut cursor = Cursor::new(block);
        let mut all = Vec::new();
        while !cursor.is_empty() {
            let typ = ExtensionType(cursor.u16().unwrap());
            all.push((typ, cursor.vec16().unwrap().to_vec()));
        }
        Self(all)
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_vec16(out, |out| {
            for (typ, body) in &self.0 {
                put_u16(out, typ.0);
                put_vec16(out, |out| out.extend_from_slice(body));
            }
        });
    }

    pub(super) fn add(&mut self, typ: ExtensionType, body: impl Into<Vec<u8>>) {
        self.0.push((typ, body.into()));
    }

    pub(super) fn remove(&mut self, typ: ExtensionType) {
        let before = self.0.len();
        self.0.retain(|(other, _)| *other != typ);
        assert!(self.0.len() < before, "there is no {typ} to remove");
    }

    pub(super) fn set(&mut self, typ: ExtensionType, body: impl Into<Vec<u8>>) {
        self.body(typ).clone_from(&body.into());
    }

    pub(super) fn body(&mut self, typ: ExtensionType) -> &mut Vec<u8> {
        let found = self.0.iter_mut().find(|(other, _)| *other == typ);
        &mut found.unwrap_or_else(|| panic!("there is no {typ}")).1
    }
}

/// ClientHello.
#[derive(Clone, Debug)]
pub(super) struct ClientHelloParts {
    pub(super) legacy_version: u16,
    pub(super) random: [u8; 32],
    pub(super) session_id: Vec<u8>,
    pub(super) suites: Vec<u16>,
    pub(super) compression: Vec<u8>,
    pub(super) extensions: Parts,
}

/// ServerHello or HelloRetryRequest.
#[derive(Clone, Debug)]
pub(super) struct ServerHelloParts {
    pub(super) legacy_version: u16,
    pub(super) random: [u8; 32],
    pub(super) session_id: Vec<u8>,
    pub(super) suite: u16,
    pub(super) compression: u8,
    pub(super) extensions: Parts,
}

/// Certificate: the context, then certificates with their extensions.
#[derive(Clone, Debug)]
pub(super) struct CertificateParts {
    pub(super) context: Vec<u8>,
    pub(super) entries: Vec<(Vec<u8>, Parts)>,
}

/// CertificateRequest.
#[derive(Clone, Debug)]
pub(super) struct RequestParts {
    pub(super) context: Vec<u8>,
    pub(super) extensions: Parts,
}

/// A message of this type with this body.
pub(super) fn message(typ: HandshakeType, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_message(&mut out, typ, |out| out.extend_from_slice(body));
    out
}

/// The same message with a changed body.
pub(super) fn body(raw: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut body = raw[4..].to_vec();
    change(&mut body);
    message(HandshakeType(raw[0]), &body)
}

pub(super) fn client_hello(raw: &[u8], change: impl FnOnce(&mut ClientHelloParts)) -> Vec<u8> {
    let mut cursor = Cursor::new(&raw[4..]);
    let mut parts = ClientHelloParts {
        legacy_version: cursor.u16().unwrap(),
        random: *cursor.array().unwrap(),
        session_id: cursor.vec8().unwrap().to_vec(),
        suites: cursor
            .vec16()
            .unwrap()
            .chunks(2)
            .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
            .collect(),
        compression: cursor.vec8().unwrap().to_vec(),
        extensions: Parts::read(cursor.vec16().unwrap()),
    };
    change(&mut parts);
    let mut out = Vec::new();
    put_message(&mut out, HandshakeType(raw[0]), |out| {
        put_u16(out, parts.legacy_version);
        out.extend_from_slice(&parts.random);
        put_vec8(out, |out| out.extend_from_slice(&parts.session_id));
        put_vec16(out, |out| {
            for suite in &parts.suites {
                put_u16(out, *suite);
            }
        });
        put_vec8(out, |out| out.extend_from_slice(&parts.compression));
        parts.extensions.put(out);
    });
    out
}

pub(super) fn server_hello(raw: &[u8], change: impl FnOnce(&mut ServerHelloParts)) -> Vec<u8> {
    let mut cursor = Cursor::new(&raw[4..]);
    let mut parts = ServerHelloParts {
        legacy_version: cursor.u16().unwrap(),
        random: *cursor.array().unwrap(),
        session_id: cursor.vec8().unwrap().to_vec(),
        suite: cursor.u16().unwrap(),
        compression: cursor.u8().unwrap(),
        extensions: Parts::read(cursor.vec16().unwrap()),
    };
    change(&mut parts);
    let mut out = Vec::new();
    put_message(&mut out, HandshakeType(raw[0]), |out| {
        put_u16(out, parts.legacy_version);
        out.extend_from_slice(&parts.random);
        put_vec8(out, |out| out.extend_from_slice(&parts.session_id));
        put_u16(out, parts.suite);
        out.push(parts.compression);
        parts.extensions.put(out);
    });
    out
}

pub(super) fn encrypted_extensions(raw: &[u8], change: impl FnOnce(&mut Parts)) -> Vec<u8> {
    let mut parts = Parts::read(&raw[6..]);
    change(&mut parts);
    let mut out = Vec::new();
    put_message(&mut out, HandshakeType(raw[0]), |out| parts.put(out));
    out
}

pub(super) fn certificate(raw: &[u8], change: impl FnOnce(&mut CertificateParts)) -> Vec<u8> {
    let mut cursor = Cursor::new(&raw[4..]);
    let context = cursor.vec8().unwrap().to_vec();
    let mut list = Cursor::new(cursor.vec24().unwrap());
    let mut entries = Vec::new();
    while !list.is_empty() {
        let der = list.vec24().unwrap().to_vec();
        entries.push((der, Parts::read(list.vec16().unwrap())));
    }
    let mut parts = CertificateParts { context, entries };
    change(&mut parts);
    let mut out = Vec::new();
    put_message(&mut out, HandshakeType(raw[0]), |out| {
        put_vec8(out, |out| out.extend_from_slice(&parts.context));
        put_vec24(out, |out| {
            for (der, extensions) in &parts.entries {
                put_vec24(out, |out| out.extend_from_slice(der));
                extensions.put(out);
            }
        });
    });
    out
}

pub(super) fn certificate_request(raw: &[u8], change: impl FnOnce(&mut RequestParts)) -> Vec<u8> {
    let mut cursor = Cursor::new(&raw[4..]);
    let mut parts = RequestParts {
        context: cursor.vec8().unwrap().to_vec(),
        extensions: Parts::read(cursor.vec16().unwrap()),
    };
    change(&mut parts);
    let mut out = Vec::new();
    put_message(&mut out, HandshakeType(raw[0]), |out| {
        put_vec8(out, |out| out.extend_from_slice(&parts.context));
        parts.extensions.put(out);
    });
    out
}
