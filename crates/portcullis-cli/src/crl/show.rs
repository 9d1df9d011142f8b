//! `crl show`: what is in revocation lists. Nothing is decided by it.
//!
//! RFC 5280 §5.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use portcullis::Crl;
use portcullis::pki_types::UnixTime;
use serde_json::{Value, json};
use x509_parser::prelude::{CertificateRevocationList, FromDer as _};
use x509_parser::revocation_list::RevokedCertificate;

use crate::certificate::unix_date;
use crate::failure::Failure;
use crate::text::{identifier, printable};

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Files with revocation lists: one in DER, or all in PEM.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Print each certificate that was revoked: its serial number, when, and why.
    #[arg(long)]
    revoked: bool,
    /// Print each list as a line of JSON; with --revoked also what is in it.
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut all = Vec::new();
        for file in &self.files {
            let lists = Crl::from_file(file);
            all.extend(lists.map_err(|misuse| Failure::usage(misuse.to_string()))?);
        }
        let mut stdout = std::io::stdout().lock();
        for list in all {
            let mut said = match self.json {
                true => format!("{}\n", self.line(&list)?),
                false => text(&list),
            };
            if self.revoked && !self.json {
                for entry in entries(&list)? {
                    let _ = writeln!(
                        said,
                        "  {} at {}{}",
                        entry.serial,
                        entry.at,
                        entry.why.map_or_else(String::new, |why| format!(", {why}"))
                    );
                }
            }
            let written = stdout.write_all(said.as_bytes());
            written.map_err(|error| Failure::transport("standard output", &error))?;
        }
        let written = stdout.flush();
        written.map_err(|error| Failure::transport("standard output", &error))
    }

    fn line(&self, list: &Crl) -> Result<Value, Failure> {
        let mut line = json!({
            "issuer": list.issuer_name(),
            "number": list.number(),
            "delta": list.is_delta(),
            "this_update": unix_date(list.this_update()),
            "next_update": list.next_update().map(unix_date),
            "over": list.is_stale(UnixTime::now()),
            "count": list.len(),
            "points": list.uris().iter().map(|uri| printable(uri)).collect::<Vec<_>>(),
        });
        if let (true, Some(object)) = (self.revoked, line.as_object_mut()) {
            let entries = entries(list)?.into_iter();
            let entries: Vec<_> = entries
                .map(|entry| json!({ "serial": entry.serial, "at": entry.at, "reason": entry.why }))
                .collect();
            object.insert("revoked".to_owned(), entries.into());
        }
        Ok(line)
    }
}

/// A certificate that was revoked.
struct Entry {
    serial: String,
    at: String,
    /// One that is not told is none.
    why: Option<String>,
}

fn entries(list: &Crl) -> Result<Vec<Entry>, Failure> {
    let read = CertificateRevocationList::from_der(list.as_der());
    let unread = |_| {
        Failure::usage(format!(
            "the list of {} cannot be read whole",
            list.issuer_name()
        ))
    };
    let (_, read) = read.map_err(unread)?;
    let entry = |entry: &RevokedCertificate<'_>| Entry {
        serial: identifier(entry.raw_serial()),
        at: entry
            .revocation_date
            .to_datetime()
            .unix_timestamp()
            .try_into()
            .map_or_else(
                |_| "before 1970".to_owned(),
                |seconds| {
                    unix_date(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
                        seconds,
                    )))
                },
            ),
        why: entry.reason_code().map(|(_, code)| code.to_string()),
    };
    Ok(read.iter_revoked_certificates().map(entry).collect())
}

/// What a list says of itself. Its signature is not verified: nobody has said whose it should be.
pub(super) fn text(list: &Crl) -> String {
    let number = list.number().unwrap_or_else(|| "none".to_owned());
    let good = match list.next_update() {
        Some(next) if list.is_stale(UnixTime::now()) => format!("over      {}", unix_date(next)),
        Some(next) => format!("good to   {}", unix_date(next)),
        None => "good to   unknown: it does not say (nextUpdate)".to_owned(),
    };
    let mut text = format!(
        "issuer    {}\nnumber    {number}\nrevoked   {}\nissued    {}\n{good}\n",
        list.issuer_name(),
        list.len(),
        unix_date(list.this_update()),
    );
    if list.is_delta() {
        text.push_str("a delta   of changes alone\n");
    }
    text.push_str("signature not verified\n");
    text
}
