//! The shim of BoringSSL's test runner over `portcullis-core`: blocking sockets, no runtime.
//!
//! Exit codes: 0 success, 89 not implemented, 90 a panic, 1 failure with one error token on
//! stderr.

mod compression;
mod configuration;
mod credential;
mod datagrams;
mod early_data;
mod ech;
mod exchange;
mod expectation;
mod first_hello;
mod handshake;
mod options;
mod text;
mod token;
mod transport;

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls_pki_types::UnixTime;

use portcullis_core::session::{
    AntiReplay, BloomFilters, ClientSession, ServerSession, TicketKeys,
};

use handshake::Established;
use options::{AllOptions, Options};
use transport::Transport;

/// Why a connection does not end well.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The test needs what is not here.
    Unimplemented(String),
    /// The connection failed, or was not as expected.
    Failed {
        /// In BoringSSL's words.
        token: Option<&'static str>,
        message: String,
    },
}

impl Stop {
    pub(crate) fn unimplemented(what: impl Into<String>) -> Self {
        Self::Unimplemented(what.into())
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Failed {
            token: None,
            message: message.into(),
        }
    }
}

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("panic: {panic}");
        std::process::exit(90);
    }));
    let result = AllOptions::parse(std::env::args().skip(1)).and_then(|options| run(&options));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Unimplemented(what)) => {
            if let Ok(path) = std::env::var("BOGO_SHIM_REASONS") {
                note(&path, &what);
            }
            ExitCode::from(89)
        }
        Err(Stop::Failed { token, message }) => {
            if let Some(token) = token {
                eprintln!("{token}");
            }
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// Adds a line to the file that says why tests were not run.
fn note(path: &str, what: &str) {
    let file = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path);
    if let Ok(mut file) = file {
        // Whoever asked for the file sees that a line is missing.
        let _ = file.write_all(format!("{what}\n").as_bytes());
    }
}

fn run(options: &AllOptions) -> Result<(), Stop> {
    if options.initial.is_handshaker_supported {
        println!("No");
        return Ok(());
    }
    let mut past = Past::new()?;
    connect(&options.initial, &options.retry, &mut past)?;
    for _ in 0..options.initial.resume_count {
        past.is_resumed = true;
        connect(&options.resume, &options.retry, &mut past)?;
    }
    Ok(())
}

/// What earlier connections leave for the next one.
pub(crate) struct Past {
    /// The clock, which stands still but for `-resumption-delay`.
    pub(crate) now: UnixTime,
    /// What the runner has moved it on by, over datagrams.
    pub(crate) clock: Duration,
    /// Whether there was a connection before.
    pub(crate) is_resumed: bool,
    /// Server: what seals tickets.
    pub(crate) ticket_keys: TicketKeys,
    /// Server: what early data was there.
    pub(crate) anti_replay: AntiReplay,
    /// Server: sessions of TLS 1.2 by their ids, and those of tickets that have to be looked into.
    pub(crate) by_id: RefCell<HashMap<Vec<u8>, ServerSession>>,
    /// Server: what the client of this connection has begun with.
    pub(crate) first_bytes: Vec<u8>,
    /// Client: the last session that was received.
    pub(crate) session: Option<ClientSession>,
    /// The verdict about the peer's chain in the connection that the session is of.
    pub(crate) verified: Option<bool>,
}

impl Past {
    fn new() -> Result<Self, Stop> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.unwrap_or(Duration::ZERO);
        // As if the server had served for long: its keys are new.
        let since = UnixTime::since_unix_epoch(now.saturating_sub(Duration::from_secs(600)));
        Ok(Self {
            now: UnixTime::since_unix_epoch(now),
            anti_replay: AntiReplay::local(BloomFilters::SMALL, since)
                .map_err(|misuse| Stop::failed(misuse.to_string()))?,
            clock: Duration::ZERO,
            is_resumed: false,
            ticket_keys: TicketKeys::rotating(Duration::from_secs(604_800))
                .map_err(|misuse| Stop::failed(misuse.to_string()))?,
            by_id: RefCell::default(),
            first_bytes: Vec::new(),
            session: None,
            verified: None,
        })
    }
}

/// What one connection leaves.
struct Left {
    session: Option<ClientSession>,
    verified: Option<bool>,
    is_resumed: bool,
}

fn in_full(
    options: &Options,
    retry: &Options,
    credentials: &[credential::Credential],
    handshake: portcullis_core::Handshake,
    transport: &mut Transport,
    past: &Past,
) -> Result<Left, Stop> {
    let mut driver = handshake::Driver::new(options, retry, credentials, past);
    let mut done = driver.run(handshake, transport)?;
    early_data::check(options, &done, past)?;
    // BoringSSL's application has another connection then.
    let options = match done.early.was_rejected(&done.information) {
        true => retry,
        false => options,
    };
    early_data::check_reason(options, &done, past)?;
    expectation::check(options, &done, past.is_resumed)?;
    let information = Arc::clone(&done.information);
    let verified = done.verified;
    let early = &done.early;
    let session = match &mut done.connection {
        Established::Stream(connection) => {
            exchange::run(options, &mut driver, connection, early, transport, past.now)?
        }
        Established::Datagrams(connection) => datagrams::run(options, connection, transport, past)?,
    };
    expectation::check_session(options, &information, session.as_ref())?;
    Ok(Left {
        session,
        verified,
        is_resumed: information.is_resumed(),
    })
}

/// One connection from beginning to end.
fn connect(options: &Options, retry: &Options, past: &mut Past) -> Result<(), Stop> {
    let credentials = credential::load(options)?;
    // A configuration that cannot be used is told before there is a connection.
    let mut handshake = configuration::handshake(options, &credentials, past)?;
    let mut transport = Transport::connect(options, past.clock)?;
    if options.server && options.dtls {
        handshake = datagrams::server(options, &credentials, past, &mut transport)?;
    } else if options.server {
        past.first_bytes = transport.peek()?;
        handshake = configuration::handshake(options, &credentials, past)?;
    }
    let result = in_full(
        options,
        retry,
        &credentials,
        handshake,
        &mut transport,
        past,
    );
    let result = result.map(|left| {
        past.verified = left.verified;
        // A session of before TLS 1.3 is good for many.
        past.session = left
            .session
            .or(past.session.take().filter(|_| left.is_resumed));
    });
    let delay = Duration::from_secs(options.resumption_delay);
    // Over datagrams the runner moves it, too.
    let moved = transport.clock().saturating_sub(past.clock) + delay;
    past.now = UnixTime::since_unix_epoch(Duration::from_secs(past.now.as_secs()) + moved);
    past.clock += moved;
    // A runner that is still writing must not see a reset instead of our alert.
    transport.close();
    result
}
