//! The man in the middle, who knows the secrets of both ends.
//!
//! What one end writes is read with that end's secrets, cut into units, changed as the plan says,
//! and delivered unit by unit: as the record it was, or, if the plan needs the keys, sealed anew
//! under the keys of the end that reads. An [`Observer`] with the reader's own secrets sees
//! exactly what was delivered.

use crate::end::{End, Verdict};
use crate::keys::{HEADER, Older, Suite};
use crate::messages::{
    Assembler, CERTIFICATE, CERTIFICATE_VERIFY, CLIENT_HELLO, FINISHED, SERVER_HELLO,
    SERVER_KEY_EXCHANGE, extension, is_retry, is_whole, leaf, older_leaf, older_transcript,
    signed_content, signed_share, suite, transcript,
};
use crate::mutation;
use crate::observer::{CCS, Epoch, HANDSHAKE, Observer, Protection, Record};
use crate::pki::{Leaf, pki};
use crate::plan::{Operation, Plan, What};

const EARLY_DATA: u16 = 42;

/// What is delivered or changed as a whole.
#[derive(Clone)]
struct Unit {
    record: Record,
    /// Whether it must be made from its content: it never went over the wire in this form.
    anew: bool,
    wire: Vec<Operation>,
    coalesce: bool,
}

struct Direction {
    writer: usize,
    /// What the writer has sent.
    sent: Observer,
    /// What the reader was given.
    got: Observer,
    /// Seals for the reader.
    sealer: Protection,
    assembler: Assembler,
    units: usize,
    /// Units that wait until so many have passed.
    held: Vec<(usize, Unit)>,
    /// Content that waits for the next message.
    waiting: Option<Unit>,
    ended: bool,
}

impl Direction {
    fn new(writer: usize) -> Self {
        Self {
            writer,
            sent: Observer::new(writer),
            got: Observer::new(writer),
            sealer: Protection::new(writer),
            assembler: Assembler::default(),
            units: 0,
            held: Vec::new(),
            waiting: None,
            ended: false,
        }
    }
}

/// Two ends and what is between them.
pub struct Bridge<'p, C, S> {
    pub client: C,
    pub server: S,
    plan: &'p Plan,
    keyed: bool,
    fragment: usize,
    directions: [Direction; 2],
    history: Vec<Vec<u8>>,
    /// What the readers were given: of the client's and of the server's bytes.
    pub given: [Vec<u8>; 2],
    /// Of each record before they refused, its header and its length: what two runs can have in
    /// common.
    pub shapes: [Vec<(Vec<u8>, usize)>; 2],
}

impl<'p, C: End, S: End> Bridge<'p, C, S> {
    /// `fragment` is how much content every record may have.
    pub fn new(client: C, server: S, plan: &'p Plan, fragment: usize) -> Self {
        Self {
            client,
            server,
            plan,
            keyed: plan.is_keyed(),
            fragment,
            directions: [Direction::new(0), Direction::new(1)],
            history: Vec::new(),
            given: [Vec::new(), Vec::new()],
            shapes: [Vec::new(), Vec::new()],
        }
    }

    /// The messages that `writer` has sent.
    pub fn sent(&self, writer: usize) -> &Observer {
        &self.directions[writer].sent
    }

    /// What was delivered of what `writer` has sent, as its reader sees it.
    pub fn got(&self, writer: usize) -> &Observer {
        &self.directions[writer].got
    }

    /// Lets both ends talk until neither has anything to say, and then hang up.
    pub fn run(&mut self) {
        self.talk();
        self.client.close();
        self.server.close();
        self.talk();
        for writer in [0, 1] {
            let rest = self.directions[writer].sent.take_rest();
            self.give(writer, &rest);
            self.end(writer);
        }
        self.talk();
    }

    fn end_of(&mut self, role: usize) -> &mut dyn End {
        match role {
            0 => &mut self.client,
            _ => &mut self.server,
        }
    }

    fn talk(&mut self) {
        // Every round but the last delivers something, and both ends answer a bounded number
        // of times.
        for _ in 0..200 {
            let moved = self.pump(0) | self.pump(1);
            if !moved && !self.release() && !self.client.idle() && !self.server.idle() {
                return;
            }
        }
        panic!("the two ends never come to rest");
    }

    /// Carries what one end has to say; whether there was anything.
    fn pump(&mut self, writer: usize) -> bool {
        let bytes = self.end_of(writer).take_sent();
        let suite = self.suite_of(writer);
        let secrets = self.end_of(writer).secrets().clone();
        let records = self.directions[writer]
            .sent
            .observe(&bytes, &secrets, suite, false);
        let moved = !records.is_empty() || !bytes.is_empty();
        for record in records {
            for unit in self.units(writer, record) {
                self.on_unit(writer, unit);
            }
        }
        moved
    }

    /// The suite as one end knows it.
    fn suite_of(&self, role: usize) -> Option<Suite> {
        let server = &self.directions[1];
        let messages = match role {
            0 => &server.got.messages,
            _ => &server.sent.messages,
        };
        let hello = messages
            .iter()
            .find(|message| message.first() == Some(&SERVER_HELLO) && !is_retry(message))?;
        let client = &self.directions[0];
        let asked = match role {
            0 => &client.sent.messages,
            _ => &client.got.messages,
        };
        let asked = asked.iter().find(|message| message[0] == CLIENT_HELLO)?;
        Suite::of(suite(hello)?, Older::of(asked, hello)?)
    }

    /// Handshake messages one by one if they are to be sealed anew, records otherwise.
    fn units(&mut self, writer: usize, record: Record) -> Vec<Unit> {
        let unit = |record, anew| Unit {
            record,
            anew,
            wire: Vec::new(),
            coalesce: false,
        };
        if !self.keyed || !record.opened || record.typ != HANDSHAKE {
            let anew = self.keyed && record.opened && record.protected;
            return vec![unit(record, anew)];
        }
        let messages = self.directions[writer].assembler.push(&record.content);
        messages
            .into_iter()
            .map(|content| {
                let record = Record {
                    content,
                    padding: 0,
                    ..record.clone()
                };
                unit(record, true)
            })
            .collect()
    }

    fn on_unit(&mut self, writer: usize, unit: Unit) {
        let plan = self.plan;
        let index = self.directions[writer].units;
        self.directions[writer].units += 1;
        let mut units = vec![unit];
        for op in &plan.operations {
            if (op.writer, op.unit) == (writer, index) {
                self.change(writer, &mut units, *op);
            }
        }
        for unit in units {
            self.deliver(writer, unit);
        }
        let due: Vec<Unit> = {
            let direction = &mut self.directions[writer];
            let (due, held) = core::mem::take(&mut direction.held)
                .into_iter()
                .partition(|(when, _)| *when < direction.units);
            direction.held = held;
            let due: Vec<(usize, Unit)> = due;
            due.into_iter().map(|(_, unit)| unit).collect()
        };
        for unit in due {
            self.deliver(writer, unit);
        }
    }

    fn change(&mut self, writer: usize, units: &mut Vec<Unit>, op: Operation) {
        let Some(unit) = units.last_mut() else {
            return;
        };
        if op.what.is_wire() {
            unit.wire.push(op);
            return;
        }
        if op.what == What::Hold {
            let when = self.directions[writer].units + usize::from(op.value % 3);
            self.directions[writer]
                .held
                .extend(units.drain(..).map(|unit| (when, unit)));
            return;
        }
        if !unit.record.opened {
            return;
        }
        let content = &mut unit.record.content;
        match op.what {
            What::Drop => units.clear(),
            What::Duplicate => {
                let copy = unit.clone();
                units.push(copy);
            }
            What::Splice => {
                let all = || self.directions.iter().flat_map(|one| &one.sent.messages);
                let place = mutation::place(op.position, all().count());
                if let Some(other) = all().nth(place) {
                    content.clone_from(other);
                    unit.anew = true;
                }
            }
            What::ContentType => {
                unit.record.typ = op.value;
                unit.anew = true;
            }
            What::Insert => {
                let (typ, content) = mutation::intruder(op);
                let mut other = unit.clone();
                other.record.typ = typ;
                other.record.content = content;
                other.anew = true;
                other.wire.clear();
                let at = units.len() - 1;
                units.insert(at, other);
            }
            What::Fragment if unit.record.typ == HANDSHAKE && content.len() > 1 => {
                let at = 1 + mutation::place(op.position, content.len() - 1);
                let mut rest = unit.clone();
                rest.record.content = unit.record.content.split_off(at);
                units.push(rest);
            }
            What::Coalesce => unit.coalesce = !self.plan.flags.repair,
            What::Pad => unit.record.padding = op.position.into(),
            _ => {
                mutation::content(content, op);
                unit.anew = true;
            }
        }
    }

    /// Lets go what was held back; whether there was anything.
    fn release(&mut self) -> bool {
        let mut moved = false;
        for writer in [0, 1] {
            for (_, unit) in core::mem::take(&mut self.directions[writer].held) {
                self.deliver(writer, unit);
                moved = true;
            }
            if let Some(unit) = self.directions[writer].waiting.take() {
                self.send(writer, unit);
                moved = true;
            }
        }
        moved
    }

    fn deliver(&mut self, writer: usize, mut unit: Unit) {
        let direction = &mut self.directions[writer];
        if let Some(mut first) = direction.waiting.take() {
            let may_join = [&first, &unit]
                .iter()
                .all(|unit| unit.anew && unit.wire.is_empty() && unit.record.typ == HANDSHAKE);
            if may_join && first.record.protected == unit.record.protected {
                first.record.content.append(&mut unit.record.content);
                first.coalesce = unit.coalesce;
                unit = first;
            } else {
                self.send(writer, first);
            }
        }
        // Keys change after these: nothing may share a record with them.
        let last = [CLIENT_HELLO, SERVER_HELLO, FINISHED]
            .contains(unit.record.content.first().unwrap_or(&FINISHED));
        let handshake = unit.record.typ == HANDSHAKE && unit.record.opened;
        if unit.coalesce
            && handshake
            && !last
            && self.directions[writer].sealer.epoch == Epoch::Handshake
        {
            self.directions[writer].waiting = Some(unit);
        } else {
            self.send(writer, unit);
        }
    }

    fn send(&mut self, writer: usize, mut unit: Unit) {
        if self.directions[writer].ended {
            return;
        }
        if self.plan.flags.repair {
            self.repair(writer, &mut unit.record);
        }
        let mut pieces = self.encode(writer, &unit);
        for op in &unit.wire {
            if op.what == What::WireEnd {
                self.end(writer);
                return;
            }
            mutation::wire(&mut pieces, *op, &self.history);
        }
        for piece in pieces {
            self.give(writer, &piece);
            self.history.push(piece);
        }
    }

    /// The records that carry a unit.
    fn encode(&mut self, writer: usize, unit: &Unit) -> Vec<Vec<u8>> {
        let Record {
            wire,
            protected,
            opened,
            typ,
            content,
            padding,
        } = &unit.record;
        if *typ == CCS && !protected {
            let suite = self.suite_of(1 - writer);
            let is_older = suite.is_some_and(|suite| suite.older().is_some());
            self.directions[writer]
                .sealer
                .on_change_cipher_spec(is_older);
        }
        if !unit.anew || !opened {
            return vec![wire.clone()];
        }
        let limit = self.fragment;
        let chunks = || {
            let empty = content.is_empty().then_some(&content[..]);
            empty.into_iter().chain(content.chunks(limit))
        };
        if !protected {
            return chunks()
                .map(|chunk| crate::keys::plain_like(wire, *typ, chunk))
                .collect();
        }
        let suite = self.suite_of(1 - writer);
        let secrets = self.end_of(1 - writer).secrets().clone();
        let sealer = &mut self.directions[writer].sealer;
        let Some(keys) = sealer.keys(&secrets, suite) else {
            return vec![wire.clone()];
        };
        let records = chunks()
            .map(|chunk| keys.seal(*typ, chunk, (*padding).min(limit - chunk.len())))
            .collect();
        if *typ == HANDSHAKE {
            sealer.on_handshake(content);
        }
        records
    }

    /// Makes CertificateVerify and Finished what the reader expects, whatever it has seen.
    fn repair(&self, writer: usize, record: &mut Record) {
        if let Some(suite) = self.suite_of(1 - writer)
            && let Some(older) = suite.older()
        {
            return self.repair_older(writer, record, suite, older);
        }
        let direction = &self.directions[writer];
        let content = &mut record.content;
        let handshake = record.typ == HANDSHAKE && record.protected;
        if !handshake || !record.opened || direction.sealer.epoch == Epoch::Application {
            return;
        }
        let reader = match writer {
            0 => self.server.secrets(),
            _ => self.client.secrets(),
        };
        let (Some(suite), Some(secret)) = (
            self.suite_of(1 - writer),
            &reader.handshake[direction.writer],
        ) else {
            return;
        };
        let said = self.said_before(writer);
        if is_whole(content, FINISHED) {
            let verify_data = suite.finished(secret, &said(suite));
            content.splice(4.., verify_data);
            crate::messages::fix_length(content);
        } else if is_whole(content, CERTIFICATE_VERIFY) && content.len() > 8 {
            let scheme = u16::from_be_bytes([content[4], content[5]]);
            let signed = signed_content(writer == 1, &suite.hash(&said(suite)));
            if let Some(signature) = self.sign(writer, scheme, &signed) {
                content.splice(6.., (signature.len() as u16).to_be_bytes());
                content.extend(signature);
                crate::messages::fix_length(content);
            }
        }
    }

    /// The same before TLS 1.3, where the server signs its share instead.
    fn repair_older(&self, writer: usize, record: &mut Record, suite: Suite, older: Older) {
        let got = &self.directions[writer].got.messages;
        let content = &mut record.content;
        if record.typ != HANDSHAKE
            || !record.opened
            || got.iter().any(|message| message[0] == FINISHED)
        {
            return;
        }
        let reader = match writer {
            0 => self.server.secrets(),
            _ => self.client.secrets(),
        };
        let own = &self.directions[1 - writer].sent.messages;
        let said = match writer {
            0 => older_transcript(got, own),
            _ => older_transcript(own, got),
        };
        if is_whole(content, FINISHED) {
            let Some(master) = &reader.master else { return };
            content.splice(4.., suite.older_finished(master, writer, &said));
            crate::messages::fix_length(content);
            return;
        }
        let (signed, at) = if is_whole(content, SERVER_KEY_EXCHANGE) {
            let Some(share) = signed_share(suite, content) else {
                return;
            };
            share
        } else if is_whole(content, CERTIFICATE_VERIFY) {
            (said, 4)
        } else {
            return;
        };
        let (scheme, at) = if older.says_scheme() {
            let Some(&[high, low]) = content.get(at..).and_then(<[u8]>::first_chunk) else {
                return;
            };
            (u16::from_be_bytes([high, low]), at + 2)
        } else {
            (self.scheme_of_key(writer), at)
        };
        if let Some(signature) = self.sign(writer, scheme, &signed) {
            content.splice(at.., (signature.len() as u16).to_be_bytes());
            content.extend(signature);
            crate::messages::fix_length(content);
        }
    }

    /// The transcript of the reader so far.
    fn said_before(&self, writer: usize) -> impl Fn(Suite) -> Vec<u8> {
        let got = &self.directions[writer].got.messages;
        let own = &self.directions[1 - writer].sent.messages;
        let own: Vec<Vec<u8>> = match writer {
            0 => {
                let finished = own.iter().position(|message| message[0] == FINISHED);
                own[..finished.map_or(own.len(), |at| at + 1)].to_vec()
            }
            _ => own
                .iter()
                .filter(|message| message[0] == CLIENT_HELLO)
                .cloned()
                .collect(),
        };
        move |suite| match writer {
            0 => transcript(suite, got, &own),
            _ => transcript(suite, &own, got),
        }
    }

    /// How the key that the reader was shown signs where nothing says it (RFC 4346 §7.4.3).
    fn scheme_of_key(&self, writer: usize) -> u16 {
        use portcullis_core::SignatureScheme;

        match self.owner(writer) {
            Some(owner) if owner.is_rsa() => SignatureScheme::RSA_PKCS1_MD5_SHA1.0,
            _ => SignatureScheme::ECDSA_SHA1.0,
        }
    }

    /// Signs with the key of the certificate that the reader was shown.
    fn sign(&self, writer: usize, scheme: u16, content: &[u8]) -> Option<Vec<u8>> {
        use portcullis_core::SignatureScheme;
        use portcullis_core::x509::IdentityKey;

        match self.owner(writer)?.identity.key() {
            IdentityKey::Local(key) => key.sign(SignatureScheme(scheme), content).ok(),
            IdentityKey::External { .. } => None,
        }
    }

    /// Whose certificate the reader was shown.
    fn owner(&self, writer: usize) -> Option<&'static Leaf> {
        let shown = self.directions[writer]
            .got
            .messages
            .iter()
            .rfind(|message| message[0] == CERTIFICATE)?;
        let older = self.suite_of(1 - writer)?.older().is_some();
        let shown = if older {
            older_leaf(shown)
        } else {
            leaf(shown)
        }?;
        let all = pki().leaves().into_iter();
        let mut all = all.chain([&pki().rsa, &pki().dsa]);
        all.find(|own| *own.identity.chain()[0] == *shown)
    }

    /// Gives bytes to the reader, and sees what it makes of them.
    fn give(&mut self, writer: usize, bytes: &[u8]) {
        if self.directions[writer].ended || bytes.is_empty() {
            return;
        }
        self.given[writer].extend_from_slice(bytes);
        if !matches!(self.end_of(1 - writer).verdict(), Verdict::Refuses(_)) {
            let header = bytes[..bytes.len().min(HEADER)].to_vec();
            self.shapes[writer].push((header, bytes.len()));
        }
        let piece = if self.plan.flags.piecewise {
            11
        } else {
            usize::MAX
        };
        for bytes in bytes.chunks(piece) {
            // Before, since secrets of now open what came under them; and after, since a
            // record may wait for what an earlier one in the same bytes brings about.
            self.observe(writer, bytes);
            self.end_of(1 - writer).receive(bytes);
            self.observe(writer, &[]);
        }
    }

    fn observe(&mut self, writer: usize, bytes: &[u8]) {
        let suite = self.suite_of(1 - writer);
        let secrets = self.end_of(1 - writer).secrets().clone();
        let direction = &mut self.directions[writer];
        let skip = writer == 0
            && direction
                .got
                .messages
                .first()
                .is_some_and(|hello| extension(hello, EARLY_DATA).is_some());
        direction.got.observe(bytes, &secrets, suite, skip);
    }

    fn end(&mut self, writer: usize) {
        if !core::mem::replace(&mut self.directions[writer].ended, true) {
            self.end_of(1 - writer).eof();
        }
    }
}
