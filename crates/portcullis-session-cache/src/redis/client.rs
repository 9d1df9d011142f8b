//! A client's sessions in Redis.

use portcullis_core::session::{ClientSession, SessionKey};
use redis::aio::ConnectionLike;
use redis::{cmd, pipe};
use rustls_pki_types::UnixTime;

use super::{RedisStore, hex, now, place, time_to_live};
use crate::sealed::{Place, end, end_of_client, open_client, read_client, seal_client};
use crate::{SessionStore, StoreFuture};

/// A list of sessions that are to be used once.
const SINGLE: &str = "c:{";
/// A session that is good for many connections.
const MANY: &str = "m:{";
/// How many sessions of one key are kept.
const PER_KEY: isize = 6;

impl<C> RedisStore<C> {
    fn names(&self, place: &Place) -> [String; 2] {
        let hex = hex(&place.0);
        [SINGLE, MANY].map(|kind| format!("{}{kind}{hex}}}", self.prefix))
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> RedisStore<C> {
    async fn best(&self, key: &SessionKey, now: UnixTime) -> Option<ClientSession> {
        let place = Place::of_client(key);
        let [single, many] = self.names(&place);
        let open = |sealed: &[u8]| open_client(&self.keys, key, &place, sealed, now);
        // The newest first; those that nobody can use are passed over.
        for _ in 0..PER_KEY {
            let mut both = pipe();
            both.rpop(&single, None).get(&many);
            let (popped, kept): (Option<Vec<u8>>, Option<Vec<u8>>) = self.ask_all(both).await?;
            let Some(popped) = popped else {
                return open(&kept?);
            };
            if let Some(session) = open(&popped) {
                return Some(session);
            }
        }
        None
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> SessionStore for RedisStore<C> {
    fn take<'a>(
        &'a self,
        key: &'a SessionKey,
        now: UnixTime,
    ) -> StoreFuture<'a, Vec<ClientSession>> {
        Box::pin(async move { self.best(key, now).await.into_iter().collect() })
    }

    fn put<'a>(&'a self, key: &'a SessionKey, session: ClientSession) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let place = Place::of_client(key);
            let sealed = seal_client(&self.keys, &place, key, &session);
            let milliseconds = time_to_live(end_of_client(&session));
            let (Some(sealed), Some(milliseconds)) = (sealed, milliseconds) else {
                return;
            };
            let [single, many] = self.names(&place);
            let mut commands = pipe();
            if session.is_single_use() {
                // Together, or a list might stay for ever.
                commands.atomic();
                commands.rpush(&single, sealed);
                commands.ltrim(&single, -PER_KEY, -1);
                commands.cmd("PEXPIRE").arg(&single).arg(milliseconds);
            } else {
                commands.pset_ex(&many, sealed, milliseconds);
            }
            let _: Option<()> = self.ask_all(commands).await;
        })
    }

    fn forget<'a>(&'a self, key: &'a SessionKey) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let mut unlink = cmd("UNLINK");
            unlink.arg(&self.names(&Place::of_client(key)));
            let _: Option<()> = self.ask(unlink).await;
        })
    }

    /// It looks at all keys of the database, those of others, too: for people, not for every handshake. In a cluster
    /// it counts those of one node.
    fn len<'a>(&'a self) -> StoreFuture<'a, Option<usize>> {
        Box::pin(async move {
            let mut count = self.scan(MANY).await?.len();
            for name in self.scan(SINGLE).await? {
                let mut length = cmd("LLEN");
                length.arg(name);
                count += self.ask::<usize>(length).await?;
            }
            Some(count)
        })
    }

    /// As [`len`](SessionStore::len).
    fn for_each<'a>(
        &'a self,
        visit: &'a mut (dyn FnMut(&SessionKey, &ClientSession) + Send),
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move { self.visit_all(visit).await.is_some() })
    }

    /// Ends the connection.
    fn close<'a>(&'a self) -> StoreFuture<'a, ()> {
        self.link.close();
        Box::pin(std::future::ready(()))
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> RedisStore<C> {
    async fn visit_all(
        &self,
        visit: &mut (dyn FnMut(&SessionKey, &ClientSession) + Send),
    ) -> Option<()> {
        let (single, many) = (self.scan(SINGLE).await?, self.scan(MANY).await?);
        let lists = single.into_iter().map(|name| (name, true));
        for (name, is_list) in lists.chain(many.into_iter().map(|name| (name, false))) {
            let sealed: Vec<Vec<u8>> = if is_list {
                let mut range = cmd("LRANGE");
                range.arg(&name).arg(0).arg(-1);
                self.ask(range).await?
            } else {
                let mut get = cmd("GET");
                get.arg(&name);
                self.ask::<Option<Vec<u8>>>(get)
                    .await?
                    .into_iter()
                    .collect()
            };
            let place = place(&name);
            for (sealed, place) in sealed.iter().zip(place.iter().cycle()) {
                if end(sealed) <= now() {
                    continue;
                }
                let opened = self.keys.open(place, sealed);
                if let Some((key, session)) = opened.and_then(|bytes| read_client(&bytes)) {
                    visit(&key, &session);
                }
            }
        }
        Some(())
    }
}
