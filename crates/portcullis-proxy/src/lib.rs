//! A proxy of TLS and DTLS over `portcullis`: it terminates them, originates them, or does both; TLS it also passes on by
//! the name in the hello.
//!
//! [`Config`] reads and checks a file, or makes one of a few words ([`Simple`]); [`Proxy`] runs it. The command
//! `portcullis proxy` is this with arguments; `docs/proxy.md` has every key of the file.
//!
//! ```no_run
//! use portcullis_proxy::{Config, Proxy};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::load("proxy.toml")?;
//! println!("{}", config.summary());
//! let proxy = Proxy::start(config)?;
//! tokio::signal::ctrl_c().await?;
//! let cut = proxy.drain().await;
//! println!("{cut} connections were cut");
//! # Ok(())
//! # }
//! ```
//!
//! Unix only.

#![cfg(unix)]
#![forbid(unsafe_code)]

mod access_log;
mod account;
mod address;
mod admin;
mod arrival;
mod backend;
mod config;
mod datagrams;
mod early;
mod hello;
mod kept;
mod limits;
mod listener;
mod meter;
mod proxied;
mod proxy;
mod proxy_header;
mod quiet;
mod record;
mod route;
mod rules;
mod stream;
mod take_over;
mod termination;
mod watch;
mod workers;

pub use address::ListenAddress;
pub use config::{Config, Mode, Originate, Problem, Problems, Simple};
pub use proxy::{Proxy, ReloadError};
pub use take_over::Inherited;
