//! Sessions in a file, for the next start of the command, and early data.
//!
//! ```text
//! portcullis client sessions 1
//! BASE64 of a session's bytes, the one that is offered first
//! BASE64 of another
//! ```
//!
//! With such a file one can take the place of either end: it is made with mode 0600.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use portcullis::pki_types::UnixTime;
use portcullis::session::{ClientSession, SessionKey};
use portcullis::{MemorySessionStore, ProtocolVersion, ServerName, SessionStore as _};
use zeroize::Zeroizing;

use crate::algorithms::Versions;
use crate::failure::Failure;
use crate::files;
use crate::text::printable;

const HEAD: &str = "portcullis client sessions 1";
/// The longest file, in bytes: a session takes a few thousand at most.
const MOST: usize = 1 << 20;
/// The most early data, which is sent at once.
const MOST_EARLY: usize = 1 << 20;

#[derive(Debug, Args)]
pub(crate) struct Sessions {
    /// Connect this many times more before (5 unless it is said), resuming, and say of each connection on standard
    /// error whether it was resumed.
    #[arg(long, default_value_t = 0, num_args = 0..=1, default_missing_value = "5", value_name = "TIMES")]
    pub(super) reconnect: u32,
    /// Write the server's sessions to this file, for --sess-in. They are secrets; only its owner can read it.
    #[arg(long, value_name = "FILE")]
    sess_out: Option<PathBuf>,
    /// Offer the sessions that --sess-out has written.
    #[arg(long, value_name = "FILE")]
    sess_in: Option<PathBuf>,
    /// Send the bytes in this file before the handshake is over, where there is a session of TLS 1.3 that allows it,
    /// and else after it. An attacker that has recorded them can send them again, so they must do no harm twice. With --dtls
    /// they are one message, which goes before if --mtu has room for it behind the hello; a server that asks for a cookie, or
    /// for a share of another group, takes none: `--groups x25519` needs no other share, and makes the hello shorter.
    #[arg(long, value_name = "FILE")]
    early_data: Option<PathBuf>,
}

impl Sessions {
    /// Where sessions are kept while the command runs, if somebody wants them.
    pub(super) fn store(&self) -> Option<Arc<MemorySessionStore>> {
        (self.reconnect > 0 || self.sess_out.is_some()).then(Arc::default)
    }

    /// Whether there is early data to be sent.
    pub(super) const fn have_early_data(&self) -> bool {
        self.early_data.is_some()
    }

    /// What is offered first.
    pub(super) fn read(&self) -> Result<Vec<ClientSession>, Failure> {
        let Some(file) = &self.sess_in else {
            return Ok(Vec::new());
        };
        let about = |what: &str| Failure::usage(format!("--sess-in {}: {what}", file.display()));
        let bytes = files::secret(file, MOST).map_err(|error| about(&error.to_string()))?;
        parse(&bytes).map_err(about)
    }

    /// Says why none of these sessions is offered, where that can be known.
    pub(super) fn say_if_useless(
        &self,
        offered: &[ClientSession],
        name: &ServerName<'_>,
        versions: Option<&Versions>,
        is_dtls: bool,
    ) {
        let now = UnixTime::now();
        let mut useless = offered
            .iter()
            .map(|session| useless(session, name, versions, is_dtls, now));
        // One that is of use is enough. None at all are those of nobody.
        let first = match useless.next() {
            Some(Some(first)) if useless.all(|one| one.is_some()) => first,
            _ => return,
        };
        if let Some(file) = &self.sess_in {
            eprintln!(
                "--sess-in {}: not offered, {first}: this is a full handshake",
                file.display()
            );
        }
    }

    /// Writes down what the store has; nothing if the server has given none.
    pub(super) async fn write(
        &self,
        store: Option<&MemorySessionStore>,
        logs_in: bool,
    ) -> Result<(), Failure> {
        let (Some(file), Some(store)) = (&self.sess_out, store) else {
            return Ok(());
        };
        let mut sessions = Vec::new();
        let mut visit = |_: &SessionKey, session: &ClientSession| sessions.push(session.clone());
        store.for_each(&mut visit).await;
        if sessions.is_empty() {
            let file = file.display();
            let why = match logs_in && self.sess_in.is_some() {
                // Which password it was is not in the file that it was read from.
                true => {
                    "a session of a user of SRP is written only by the connection in which the password was given"
                }
                false => "the server has given no session",
            };
            eprintln!("--sess-out {file}: not written, {why}");
            return Ok(());
        }
        if let Some(user) = sessions.iter().find_map(ClientSession::srp_user) {
            eprintln!(
                "--sess-out {}: whoever has this file is the user {} at the server, whatever password is given",
                file.display(),
                printable(&String::from_utf8_lossy(user))
            );
        }
        sessions.sort_by_key(|session| std::cmp::Reverse(session.received_at().as_secs()));
        let written = files::replace(file, text(&sessions).as_bytes(), files::Readers::Owner);
        written.map_err(|error| Failure::usage(format!("--sess-out {}: {error}", file.display())))
    }

    /// Nothing is done that is of no use, and nothing of what was to be written gets lost at the end.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let Some(file) = &self.sess_out else {
            return Ok(());
        };
        let folder = file.parent().filter(|path| !path.as_os_str().is_empty());
        match folder.unwrap_or(Path::new(".")).is_dir() && !file.is_dir() {
            true => Ok(()),
            false => Err(Failure::usage(format!(
                "--sess-out {}: no file can be there",
                file.display()
            ))),
        }
    }

    pub(super) fn early_data(&self) -> Result<Option<Vec<u8>>, Failure> {
        let Some(file) = &self.early_data else {
            return Ok(None);
        };
        let about = |what: &dyn std::fmt::Display| {
            Failure::usage(format!("--early-data {}: {what}", file.display()))
        };
        let data = files::secret(file, MOST_EARLY).map_err(|error| about(&error))?;
        match data.is_empty() {
            true => Err(about(&"there is nothing in it")),
            false => Ok(Some(data.to_vec())),
        }
    }
}

/// Why a session cannot be resumed in a connection with this server, in these versions.
fn useless(
    session: &ClientSession,
    name: &ServerName<'_>,
    versions: Option<&Versions>,
    is_dtls: bool,
    now: UnixTime,
) -> Option<String> {
    let version = session.version();
    let (of_tls, is_of_dtls) = match version {
        ProtocolVersion::DTLS_1_3 => (ProtocolVersion::TLS_1_3, true),
        ProtocolVersion::DTLS_1_2 => (ProtocolVersion::TLS_1_2, true),
        ProtocolVersion::DTLS_1_0 => (ProtocolVersion::TLS_1_1, true),
        version => (version, false),
    };
    if is_of_dtls != is_dtls {
        let option = match is_dtls {
            true => "and --dtls speaks another protocol",
            false => "which is spoken with --dtls",
        };
        return Some(format!("it is of {version}, {option}"));
    }
    if versions.is_some_and(|Versions(versions)| !versions.contains(&of_tls)) {
        return Some(format!("it is of {version}, and --tls has it not"));
    }
    if session.server_name() != name {
        return Some(format!(
            "it is of the server {}, and this one is {}",
            session.server_name().to_str(),
            name.to_str()
        ));
    }
    session.is_expired(now).then(|| "it has expired".to_owned())
}

fn text(sessions: &[ClientSession]) -> Zeroizing<String> {
    let sizes = sessions.iter().map(|session| 2 * session.size() + 8);
    // It does not grow: what had grown would have left its beginning in memory.
    let mut text = Zeroizing::new(String::with_capacity(HEAD.len() + sizes.sum::<usize>() + 1));
    text.push_str(HEAD);
    text.push('\n');
    for session in sessions {
        STANDARD.encode_string(&*session.to_bytes(), &mut text);
        text.push('\n');
    }
    text
}

/// What is wrong is told without what is there.
fn parse(bytes: &[u8]) -> Result<Vec<ClientSession>, &'static str> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let mut lines = text.lines();
    if lines.next() != Some(HEAD) {
        return Err("this is no file that --sess-out of this version has written");
    }
    let sessions: Option<Vec<_>> = lines
        .map(|line| {
            let mut bytes = Zeroizing::new(vec![0; line.len()]);
            let length = STANDARD.decode_slice(line, &mut bytes).ok()?;
            ClientSession::from_bytes(bytes.get(..length)?).ok()
        })
        .collect();
    match sessions {
        Some(sessions) if !sessions.is_empty() && text.ends_with('\n') => Ok(sessions),
        _ => Err("damaged: it is not as --sess-out has written it; connect without it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_of_sessions() {
        for (text, says) in [
            ("", "no file"),
            ("\u{0}\u{1}", "no file"),
            ("portcullis client sessions 2\nAAAA\n", "no file"),
            ("portcullis client sessions 1", "damaged"),
            ("portcullis client sessions 1\n", "damaged"),
            ("portcullis client sessions 1\n\n", "damaged"),
            ("portcullis client sessions 1\nAAAA\n", "damaged"),
            ("portcullis client sessions 1\nsecret!\n", "damaged"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(says) && !error.contains("secret"), "{error}");
        }
    }
}
