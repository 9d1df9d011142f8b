//! A client's sessions in a file.

use portcullis_core::session::{ClientSession, SessionKey};
use rustls_pki_types::UnixTime;

use super::tables::{Answer, Tables};
use super::{DiskStore, Key, Kinds, MANY, SINGLE, now};
use crate::sealed::{Place, end, open_client, read_client, seal_client};
use crate::{SessionStore, StoreFuture};

const KINDS: Kinds = (SINGLE, MANY);
/// How many sessions of one key are kept.
const PER_KEY: usize = 6;

impl DiskStore {
    async fn best(&self, key: &SessionKey, now: UnixTime) -> Option<ClientSession> {
        let place = Place::of_client(key);
        // The newest first; those that nobody can use are passed over.
        loop {
            let take = move |tables: &mut Tables<'_>| take(tables, &place, now);
            let (sealed, is_last) = self.thread.ask(take).await??;
            let session = open_client(&self.keys, key, &place, &sealed, now);
            if session.is_some() || is_last {
                return session;
            }
        }
    }
}

/// Takes the newest that is given once, or gives the one that is given many times, after which there is no other.
fn take(tables: &mut Tables<'_>, place: &Place, now: UnixTime) -> Answer<Option<(Vec<u8>, bool)>> {
    for key in tables.keys_of(SINGLE, place)?.into_iter().rev() {
        let sealed = tables.remove(key)?;
        if let Some(sealed) = sealed.filter(|sealed| end(sealed) > now) {
            return Ok(Some((sealed, false)));
        }
    }
    let many = tables.get(Key::new(MANY, place, 0))?;
    Ok(many.map(|sealed| (sealed, true)))
}

fn put(tables: &mut Tables<'_>, place: &Place, sealed: &[u8], is_single: bool) -> Answer<()> {
    if !is_single {
        return tables.put(Key::new(MANY, place, 0), sealed);
    }
    let there = tables.keys_of(SINGLE, place)?;
    let number = there.last().map_or(0, |last| last.number() + 1);
    tables.put(Key::new(SINGLE, place, number), sealed)?;
    let too_many = (there.len() + 1).saturating_sub(PER_KEY);
    for key in there.into_iter().take(too_many) {
        tables.remove(key)?;
    }
    Ok(())
}

impl SessionStore for DiskStore {
    fn take<'a>(
        &'a self,
        key: &'a SessionKey,
        now: UnixTime,
    ) -> StoreFuture<'a, Vec<ClientSession>> {
        Box::pin(async move { self.best(key, now).await.into_iter().collect() })
    }

    fn put<'a>(&'a self, key: &'a SessionKey, session: ClientSession) -> StoreFuture<'a, ()> {
        let place = Place::of_client(key);
        let sealed = seal_client(&self.keys, &place, key, &session);
        let is_single = session.is_single_use();
        let put = sealed.map(|sealed| {
            self.thread
                .ask(move |tables| put(tables, &place, &sealed, is_single))
        });
        Box::pin(async move {
            if let Some(put) = put {
                put.await;
            }
        })
    }

    fn forget<'a>(&'a self, key: &'a SessionKey) -> StoreFuture<'a, ()> {
        let place = Place::of_client(key);
        let forgotten = self.thread.ask(move |tables| {
            for key in tables.keys_of(SINGLE, &place)? {
                tables.remove(key)?;
            }
            tables.remove(Key::new(MANY, &place, 0))
        });
        Box::pin(async move { drop(forgotten.await) })
    }

    fn len<'a>(&'a self) -> StoreFuture<'a, Option<usize>> {
        self.thread.ask(|tables| tables.count(KINDS))
    }

    fn for_each<'a>(
        &'a self,
        visit: &'a mut (dyn FnMut(&SessionKey, &ClientSession) + Send),
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let mut visit = |place: &Place, sealed: &[u8]| {
                if end(sealed) <= now() {
                    return;
                }
                let opened = self.keys.open(place, sealed);
                if let Some((key, session)) = opened.and_then(|bytes| read_client(&bytes)) {
                    visit(&key, &session);
                }
            };
            self.each(KINDS, &mut visit).await
        })
    }

    fn close<'a>(&'a self) -> StoreFuture<'a, ()> {
        Box::pin(self.thread.close())
    }
}
