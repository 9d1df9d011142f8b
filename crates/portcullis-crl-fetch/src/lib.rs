//! Where TLS clients and servers have certificate revocation lists from (RFC 5280 §5).
//!
//! [`CrlSource`] is what a connector or acceptor asks in a handshake. What it gives is examined there: it may be too
//! much, old, or not genuine.
//!
//! | source | what it has | feature |
//! |---|---|---|
//! | [`MemoryCrls`] | what it was given | |
//! | `HashDirCrls` | a directory as `openssl rehash` lays it out | `hash-dir` |
//! | `HttpCrls` | what is where certificates say | `http` |
//! | [`Layered`] | one source, and another for what that has not | |
//!
//! The first and the last do no I/O and need no runtime; the others need Tokio.
//!
//! With feature `stapler` there is `Stapler`, too, which has what a responder says of a server's own certificate (OCSP),
//! for the server to show.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "hash-dir")]
mod hash_dir;
#[cfg(feature = "http")]
mod http;
mod layered;
mod memory;
#[cfg(feature = "stapler")]
mod stapler;

#[cfg(feature = "hash-dir")]
#[cfg_attr(docsrs, doc(cfg(feature = "hash-dir")))]
pub use hash_dir::HashDirCrls;
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub use http::{HttpCrls, IpNet, Resolve};
pub use layered::Layered;
pub use memory::{CrlInput, MemoryCrls};
#[cfg(feature = "stapler")]
#[cfg_attr(docsrs, doc(cfg(feature = "stapler")))]
pub use stapler::{Stapler, StaplerState, Stapling};

pub use portcullis_core::x509::{Crl, CrlQuery, CrlQueryKind};

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// What a [`CrlSource`] does, maybe later.
pub type CrlFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a source has found.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// These lists, at least one. They may be too many: which of them say something is decided by the walk that asked.
    Found(Vec<Arc<Crl>>),
    /// None, and why if that is worth telling; it becomes part of the error of the handshake.
    NotAvailable(Option<String>),
}

impl Lookup {
    /// What was found, or that nothing was.
    pub fn of(lists: Vec<Arc<Crl>>) -> Self {
        match lists.is_empty() {
            true => Self::NotAvailable(None),
            false => Self::Found(lists),
        }
    }
}

/// A place where revocation lists are (`ssl_crl_cache_api`).
///
/// Each question comes from a handshake, whose peer's chain leads to a trust anchor by then: where a query says that
/// a list is, an authority has said that, unless the query [says otherwise](CrlQuery::is_authenticated). Nobody waits
/// longer than the query's [budget](CrlQuery::budget). With [`is_memory_only`](CrlQuery::is_memory_only) a source answers at once, by what it has.
///
/// # Cancel safety
/// The futures are dropped when the handshake is dropped or out of time.
pub trait CrlSource: Send + Sync + 'static {
    /// The lists at a distribution point ([`CrlQuery::uris`]) by one of the [issuers](CrlQuery::issuers).
    fn lookup<'a>(&'a self, query: &'a CrlQuery) -> CrlFuture<'a, Lookup>;

    /// The lists of one of the [issuers](CrlQuery::issuers), whatever their point. Asked for certificates without
    /// points, and where these do not suffice. By default there are none.
    fn select<'a>(&'a self, query: &'a CrlQuery) -> CrlFuture<'a, Lookup> {
        let _ = query;
        Box::pin(std::future::ready(Lookup::NotAvailable(None)))
    }

    /// A newer list in the place of this one, which is over. By default there is none.
    fn fresh<'a>(&'a self, query: &'a CrlQuery, stale: &'a Arc<Crl>) -> CrlFuture<'a, Lookup> {
        let _ = (query, stale);
        Box::pin(std::future::ready(Lookup::NotAvailable(None)))
    }

    /// Others than these, which were found and do not suffice: where several places may have a list, those that were not
    /// asked because one had something. By default there are none.
    fn further<'a>(&'a self, query: &'a CrlQuery, found: &'a [Arc<Crl>]) -> CrlFuture<'a, Lookup> {
        let _ = (query, found);
        Box::pin(std::future::ready(Lookup::NotAvailable(None)))
    }
}

impl<S: CrlSource + ?Sized> CrlSource for Arc<S> {
    fn further<'a>(&'a self, query: &'a CrlQuery, found: &'a [Arc<Crl>]) -> CrlFuture<'a, Lookup> {
        (**self).further(query, found)
    }

    fn lookup<'a>(&'a self, query: &'a CrlQuery) -> CrlFuture<'a, Lookup> {
        (**self).lookup(query)
    }

    fn select<'a>(&'a self, query: &'a CrlQuery) -> CrlFuture<'a, Lookup> {
        (**self).select(query)
    }

    fn fresh<'a>(&'a self, query: &'a CrlQuery, stale: &'a Arc<Crl>) -> CrlFuture<'a, Lookup> {
        (**self).fresh(query, stale)
    }
}

/// Whether a list may be at the point that is asked for, by what it says of its own: what is not spares a question
/// to the next source.
fn may_be_wanted(list: &Crl, query: &CrlQuery) -> bool {
    let own = list.uris();
    query.uris().is_empty() || own.is_empty() || own.iter().any(|uri| query.uris().contains(uri))
}

/// Asks the question of the source that the query is.
///
/// # Cancel safety
/// Dropped, the source's future is dropped.
pub async fn ask(source: &(impl CrlSource + ?Sized), query: &CrlQuery) -> Lookup {
    match query.kind() {
        CrlQueryKind::Issuer => source.select(query).await,
        CrlQueryKind::Fresh(stale) => source.fresh(query, stale).await,
        CrlQueryKind::Further(found) => source.further(query, found).await,
        _ => source.lookup(query).await,
    }
}
