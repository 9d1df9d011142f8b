//! Where clients and servers keep the sessions that can be resumed (RFC 8446 §2.2, §4.6.1; RFC 5246
//! §7.3).
//!
//! [`SessionStore`] is what a connector asks before it connects, and gives to what servers send
//! it. [`ServerSessionStore`] is what an acceptor asks for the session of an id or of a ticket.
//!
//! | store | of clients | of servers | feature |
//! |---|---|---|---|
//! | in memory, for a single process | [`MemorySessionStore`] | [`MemoryServerSessionStore`] | |
//! | in a file, which survives the process | `DiskStore` | `DiskStore` | `disk` |
//! | in Redis, which servers share | `RedisStore` | `RedisStore` | `redis` |
//! | memory before a slower one | [`LayeredSessionStore`] | [`LayeredServerSessionStore`] | |
//!
//! [`ReplayGuard`] is what an acceptor asks whether early data was accepted before, by any of those that open the
//! same tickets: [`MemoryReplayGuard`] in one process, `RedisReplayGuard` in several.
//!
//! The traits, the stores in memory and the layered ones do no I/O and need no runtime; the one on disk
//! has a thread of its own, and the one in Redis needs Tokio.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod client;
mod client_layered;
mod client_memory;
#[cfg(feature = "disk")]
mod disk;
#[cfg(any(feature = "disk", feature = "redis"))]
mod error;
mod layered;
#[cfg(feature = "redis")]
mod redis;
mod replay;
#[cfg(any(feature = "disk", feature = "redis"))]
mod sealed;
mod server;
mod server_memory;
mod shards;
mod slots;

pub use client::SessionStore;
pub use client_layered::LayeredSessionStore;
pub use client_memory::MemorySessionStore;
#[cfg(feature = "disk")]
#[cfg_attr(docsrs, doc(cfg(feature = "disk")))]
pub use disk::{DiskOptions, DiskStore};
#[cfg(any(feature = "disk", feature = "redis"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "disk", feature = "redis"))))]
pub use error::{StoreError, StoreErrorKind};
pub use layered::LayeredServerSessionStore;
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use redis::{RedisReplayGuard, RedisStore, redis_url_with_password};
pub use replay::{Claim, MemoryReplayGuard, ReplayGuard};
#[cfg(any(feature = "disk", feature = "redis"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "disk", feature = "redis"))))]
pub use sealed::StoreKeys;
pub use server::ServerSessionStore;
pub use server_memory::MemoryServerSessionStore;

use std::future::Future;
use std::pin::Pin;

/// What a [`SessionStore`] or [`ServerSessionStore`] does, maybe later.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
