//! What is known of a connection, and its line in the log.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use portcullis::pki_types::CertificateDer;
use portcullis::x509::{SubjectAltName, general_names, subject};
use portcullis::{ConnectionInformation, Direction, Error, RelayOutcome};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::access_log::cut;
use crate::arrival::Arrived;
use crate::datagrams::Moved;
use crate::early;
use crate::meter::Outcome;
use crate::proxy::Shared;
use crate::route::Route;

/// So many URIs of a client's certificate are in the log; rules look at all of them.
const MOST_URIS: usize = 16;

/// What is known of a connection, for its line in the log.
pub(crate) struct Record {
    began: SystemTime,
    /// What was known when bytes began to be passed on, as it will be written but for its end: it waits for as long as
    /// the connection lasts.
    head: Box<str>,
    entry: Map<String, Value>,
    is_on: bool,
    /// What was passed on before the handshake was over.
    pub(crate) early: early::Bytes,
}

impl Record {
    pub(crate) fn new(shared: &Shared, arrived: &Arrived) -> Self {
        let mut record = Self {
            began: SystemTime::now(),
            head: Box::default(),
            entry: Map::new(),
            is_on: shared.log.is_on(),
            early: early::Bytes::default(),
        };
        let time = OffsetDateTime::from(record.began).format(&Rfc3339);
        record.note("time", time.unwrap_or_default());
        record.note("id", shared.meter.next_id());
        record.note("listener", arrived.listener.name.as_str());
        let address = |it: SocketAddr| it.ip().to_string();
        record.note("client", arrived.client.map(address));
        record.note("client_port", arrived.client.map(|it| it.port()));
        if let Some(via) = arrived.via {
            record.note("via", via.to_string());
        }
        record
    }

    pub(crate) fn note(&mut self, key: &str, value: impl Into<Value>) {
        if self.is_on {
            self.entry.insert(key.to_owned(), value.into());
        }
    }

    pub(crate) fn note_time(&mut self, key: &str, time: Duration) {
        self.note(key, u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    }

    /// What was agreed on with the client.
    pub(crate) fn note_tls(&mut self, information: &ConnectionInformation) {
        if !self.is_on {
            return;
        }
        self.note("version", version(information));
        self.note("suite", information.cipher_suite().to_string());
        self.note("group", information.group().map(|it| it.to_string()));
        self.note("resumed", information.is_resumed());
        if let Some(certificate) = information.peer_certificates().first() {
            self.note_certificate(certificate);
        }
    }

    pub(crate) fn note_certificate(&mut self, certificate: &CertificateDer<'_>) {
        self.note("client_subject", subject(certificate).map(|it| cut(&it)));
        let uris = general_names(certificate)
            .into_iter()
            .filter_map(|name| match name {
                SubjectAltName::Uri(uri) => Some(cut(&uri)),
                _ => None,
            });
        self.note("client_uris", uris.take(MOST_URIS).collect::<Vec<_>>());
    }

    pub(crate) fn note_error(&mut self, error: &Error) {
        if !self.is_on {
            return;
        }
        if let Some((direction, alert)) = error.alert() {
            let who = match direction {
                Direction::Sent => "sent",
                Direction::Received => "received",
            };
            self.note(
                "alert",
                json!({ "name": alert.to_string(), "direction": who }),
            );
        }
        self.note("reason", cut(&error.to_string()));
    }

    /// What was said to a side that had gone, if something was.
    pub(crate) fn note_discarded(&mut self, outcome: &RelayOutcome) {
        for (key, way) in [
            ("discarded_in", &outcome.a_to_b),
            ("discarded_out", &outcome.b_to_a),
        ] {
            if way.discarded > 0 {
                self.note(key, way.discarded);
            }
        }
    }

    /// What became of datagrams from the client, and of those to it.
    pub(crate) fn note_datagrams(&mut self, inward: Moved, outward: Moved) {
        let bytes = [("bytes_in", inward.bytes), ("bytes_out", outward.bytes)];
        let count = [
            ("datagrams_in", inward.datagrams),
            ("datagrams_out", outward.datagrams),
        ];
        for (key, count) in bytes.into_iter().chain(count) {
            self.note(key, count);
        }
        for (key, count) in [
            ("too_long_in", inward.too_long),
            ("too_long_out", outward.too_long),
            ("unsent_in", inward.unsent),
            ("unsent_out", outward.unsent),
        ] {
            if count > 0 {
                self.note(key, count);
            }
        }
    }

    /// Sides that were cut, and cannot know that: there is no reset, so it looks to them as if all had ended.
    pub(crate) fn note_unseen(&mut self, outcome: &RelayOutcome, has_reset: [bool; 2]) {
        let sides = [("client", &outcome.b_to_a), ("backend", &outcome.a_to_b)];
        let unseen = sides.into_iter().zip(has_reset);
        let unseen = unseen.filter(|((_, way), has_reset)| !way.is_told && !has_reset);
        let unseen: Vec<_> = unseen.map(|((side, _), _)| side).collect();
        if !unseen.is_empty() {
            self.note("cut_unseen", unseen);
        }
    }

    /// Makes what is known so far small.
    pub(crate) fn rest(&mut self) {
        if self.is_on {
            let mut head = Value::Object(std::mem::take(&mut self.entry)).to_string();
            head.pop();
            self.head = head.into();
        }
    }

    /// The same of a client whose address may be forged: of each outcome a line a second.
    pub(crate) fn end_of_anybody(
        mut self,
        shared: &Shared,
        route: Option<&Route>,
        outcome: Outcome,
    ) {
        match shared.quiet.admit(outcome) {
            Some(0) => {}
            Some(count) => self.note("lines_left_out", count),
            None => self.is_on = false,
        }
        self.end(shared, route, outcome);
    }

    pub(crate) fn end(mut self, shared: &Shared, route: Option<&Route>, outcome: Outcome) {
        shared.meter.ended(route.map(|it| &*it.counts), outcome);
        if !self.is_on {
            return;
        }
        if self.head.is_empty() {
            self.note("route", route.map(|it| it.label.as_str()));
            // Its server has got this, and may have done what it asks for.
            let early = self.early;
            if early.said > 0 {
                self.note("early_data", early.said);
                self.note("bytes_in", early.said);
                self.note("bytes_out", early.answered);
            }
        }
        self.note("outcome", outcome.name());
        let total = self.began.elapsed().unwrap_or_default();
        self.note_time("ms_total", total);
        let line = Value::Object(self.entry).to_string();
        shared
            .log
            .line(match (&*self.head, line.strip_prefix('{')) {
                ("", _) | (_, None) => line,
                (head, Some(rest)) => format!("{head},{rest}"),
            });
    }
}

/// `TLSv1.3`, as OpenSSL has it.
pub(crate) fn version(information: &ConnectionInformation) -> String {
    format!("{:?}", information.version())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_has_so_many_names_in_the_log() {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        for at in 0..100 {
            let uri = format!("spiffe://example.com/{at}").try_into().unwrap();
            params.subject_alt_names.push(rcgen::SanType::URI(uri));
        }
        let key = rcgen::KeyPair::generate().unwrap();
        let mut record = Record {
            began: SystemTime::now(),
            head: Box::default(),
            entry: Map::new(),
            is_on: true,
            early: early::Bytes::default(),
        };
        record.note_certificate(params.self_signed(&key).unwrap().der());
        let uris = record.entry["client_uris"].as_array().unwrap();
        assert_eq!(uris.len(), MOST_URIS);
        assert_eq!(uris[15], "spiffe://example.com/15");
    }
}
