//! A server's sessions in a file.

use portcullis_core::session::ServerSession;
use rustls_pki_types::UnixTime;

use super::tables::Tables;
use super::{DiskStore, Key, Kinds, SERVER, now};
use crate::sealed::{Place, open_server};
use crate::{ServerSessionStore, StoreFuture};

const KINDS: Kinds = (SERVER, SERVER);

impl ServerSessionStore for DiskStore {
    fn put<'a>(
        &'a self,
        id: &'a [u8],
        session: ServerSession,
        until: UnixTime,
    ) -> StoreFuture<'a, ()> {
        let place = Place::of_server(id);
        let key = Key::new(SERVER, &place, 0);
        let sealed = self.keys.seal(&place, until, &session.to_bytes());
        let put = sealed.map(|sealed| {
            let put = move |tables: &mut Tables<'_>| tables.put(key, &sealed);
            self.thread.ask(put)
        });
        Box::pin(async move {
            if let Some(put) = put {
                put.await;
            }
        })
    }

    fn get<'a>(&'a self, id: &'a [u8], now: UnixTime) -> StoreFuture<'a, Option<ServerSession>> {
        Box::pin(async move {
            let place = Place::of_server(id);
            let key = Key::new(SERVER, &place, 0);
            let sealed = self.thread.ask(move |tables| tables.get(key)).await??;
            open_server(&self.keys, &place, &sealed, now)
        })
    }

    fn claim<'a>(&'a self, id: &'a [u8], now: UnixTime) -> StoreFuture<'a, Option<ServerSession>> {
        Box::pin(async move {
            let place = Place::of_server(id);
            let key = Key::new(SERVER, &place, 0);
            let sealed = self.thread.ask(move |tables| tables.remove(key)).await??;
            open_server(&self.keys, &place, &sealed, now)
        })
    }

    /// It does, unless somebody puts an older copy of the file in its place.
    fn gives_once(&self) -> bool {
        true
    }

    fn forget<'a>(&'a self, id: &'a [u8]) -> StoreFuture<'a, ()> {
        let key = Key::new(SERVER, &Place::of_server(id), 0);
        let removed = self.thread.ask(move |tables| tables.remove(key));
        Box::pin(async move { drop(removed.await) })
    }

    fn len<'a>(&'a self) -> StoreFuture<'a, Option<usize>> {
        self.thread.ask(|tables| tables.count(KINDS))
    }

    fn for_each<'a>(
        &'a self,
        visit: &'a mut (dyn FnMut(&ServerSession) + Send),
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let mut visit = |place: &Place, sealed: &[u8]| {
                let session = open_server(&self.keys, place, sealed, now());
                session.iter().for_each(&mut *visit);
            };
            self.each(KINDS, &mut visit).await
        })
    }

    fn close<'a>(&'a self) -> StoreFuture<'a, ()> {
        Box::pin(self.thread.close())
    }
}
