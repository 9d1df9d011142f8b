//! The shim of BoringSSL's test runner over `portcullis-core`: blocking sockets, no runtime.
//!
//! Exit codes: 0 success, 89 not implemented, 90 a panic, 1 failure with one error token on
//! stderr.

mod compression;
mod configuration;
mod credential;
mod exchange;
mod expectation;
mod first_hello;
mod handshake;
mod options;
mod token;
mod transport;

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls_pki_types::UnixTime;

use portcullis_core::session::{ClientSession, ServerSession, TicketKeys};

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
    connect(&options.initial, &mut past)?;
    for _ in 0..options.initial.resume_count {
        past.is_resumed = true;
        connect(&options.resume, &mut past)?;
    }
    Ok(())
}

/// What earlier connections leave for the next one.
pub(crate) struct Past {
    /// The clock, which stands still but for `-resumption-delay`.
    pub(crate) now: UnixTime,
    /// Whether there was a connection before.
    pub(crate) is_resumed: bool,
    /// Server: what seals tickets.
    pub(crate) ticket_keys: TicketKeys,
    /// Server: sessions of TLS 1.2 by their ids.
    pub(crate) by_id: RefCell<HashMap<Vec<u8>, ServerSession>>,
    /// Client: the last session that was received.
    pub(crate) session: Option<ClientSession>,
    /// The verdict about the peer's chain in the connection that the session is of.
    pub(crate) verified: Option<bool>,
}

impl Past {
    fn new() -> Result<Self, Stop> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Ok(Self {
            now: UnixTime::since_unix_epoch(now.unwrap_or(Duration::ZERO)),
            is_resumed: false,
            ticket_keys: TicketKeys::rotating(Duration::from_secs(604_800))
                .map_err(|misuse| Stop::failed(misuse.to_string()))?,
            by_id: RefCell::default(),
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
    credentials: &[credential::Credential],
    handshake: portcullis_core::Handshake,
    transport: &mut Transport,
    past: &Past,
) -> Result<Left, Stop> {
    let mut driver = handshake::Driver::new(options, credentials, past);
    let mut done = driver.run(handshake, transport)?;
    expectation::check(options, &done, past.is_resumed)?;
    let information = Arc::clone(&done.connection.information);
    let verified = done.verified;
    let connection = &mut done.connection;
    let session = exchange::run(options, &mut driver, connection, transport, past.now)?;
    expectation::check_session(options, &information, session.is_some())?;
    Ok(Left {
        session,
        verified,
        is_resumed: information.is_resumed(),
    })
}

/// One connection from beginning to end.
fn connect(options: &Options, past: &mut Past) -> Result<(), Stop> {
    let credentials = credential::load(options)?;
    let handshake = configuration::handshake(options, &credentials, past)?;
    let mut transport = Transport::connect(options.port, options.shim_id, options.asynchronous)?;
    let result = in_full(options, &credentials, handshake, &mut transport, past);
    let result = result.map(|left| {
        past.verified = left.verified;
        // A session of before TLS 1.3 is good for many.
        past.session = left
            .session
            .or(past.session.take().filter(|_| left.is_resumed));
    });
    let delay = Duration::from_secs(options.resumption_delay);
    past.now = UnixTime::since_unix_epoch(Duration::from_secs(past.now.as_secs()) + delay);
    // A runner that is still writing must not see a reset instead of our alert.
    transport.close();
    result
}
