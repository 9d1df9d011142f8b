//! A server's sessions in Redis.

use portcullis_core::session::ServerSession;
use redis::aio::ConnectionLike;
use redis::cmd;
use rustls_pki_types::UnixTime;

use super::{RedisStore, hex, now, place, time_to_live};
use crate::sealed::{Place, open_server};
use crate::{ServerSessionStore, StoreFuture};

const KIND: &str = "s:";

impl<C> RedisStore<C> {
    fn name(&self, place: &Place) -> String {
        format!("{}{KIND}{}", self.prefix, hex(&place.0))
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> RedisStore<C> {
    /// What a command that gives one sealed session gives.
    async fn found(
        &self,
        command: &'static str,
        id: &[u8],
        now: UnixTime,
    ) -> Option<ServerSession> {
        let place = Place::of_server(id);
        let mut command = cmd(command);
        command.arg(self.name(&place));
        let sealed: Option<Vec<u8>> = self.ask(command).await?;
        open_server(&self.keys, &place, &sealed?, now)
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> ServerSessionStore for RedisStore<C> {
    fn put<'a>(
        &'a self,
        id: &'a [u8],
        session: ServerSession,
        until: UnixTime,
    ) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let place = Place::of_server(id);
            let Some(sealed) = self.keys.seal(&place, until, &session.to_bytes()) else {
                return;
            };
            let Some(milliseconds) = time_to_live(until) else {
                return;
            };
            let mut set = cmd("SET");
            set.arg(self.name(&place)).arg(sealed);
            set.arg("PX").arg(milliseconds);
            let _: Option<()> = self.ask(set).await;
        })
    }

    fn get<'a>(&'a self, id: &'a [u8], now: UnixTime) -> StoreFuture<'a, Option<ServerSession>> {
        Box::pin(self.found("GET", id, now))
    }

    fn claim<'a>(&'a self, id: &'a [u8], now: UnixTime) -> StoreFuture<'a, Option<ServerSession>> {
        Box::pin(self.found("GETDEL", id, now))
    }

    /// Not so: Redis can start again with an older file, or fail over to a replica that is behind.
    /// [`replay_guard`](RedisStore::replay_guard) knows when that has happened.
    fn gives_once(&self) -> bool {
        false
    }

    fn forget<'a>(&'a self, id: &'a [u8]) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let mut unlink = cmd("UNLINK");
            unlink.arg(self.name(&Place::of_server(id)));
            let _: Option<()> = self.ask(unlink).await;
        })
    }

    /// It looks at all keys of the database, those of others, too: for people, not for every handshake. In a cluster
    /// it counts those of one node.
    fn len<'a>(&'a self) -> StoreFuture<'a, Option<usize>> {
        Box::pin(async move { Some(self.scan(KIND).await?.len()) })
    }

    /// As [`len`](ServerSessionStore::len).
    fn for_each<'a>(
        &'a self,
        visit: &'a mut (dyn FnMut(&ServerSession) + Send),
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let Some(names) = self.scan(KIND).await else {
                return false;
            };
            for name in names {
                let mut get = cmd("GET");
                get.arg(&name);
                let Some(sealed): Option<Option<Vec<u8>>> = self.ask(get).await else {
                    return false;
                };
                let session = sealed
                    .zip(place(&name))
                    .and_then(|(sealed, place)| open_server(&self.keys, &place, &sealed, now()));
                session.iter().for_each(&mut *visit);
            }
            true
        })
    }

    /// Ends the connection.
    fn close<'a>(&'a self) -> StoreFuture<'a, ()> {
        self.link.close();
        Box::pin(std::future::ready(()))
    }
}
