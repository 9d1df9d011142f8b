//! Lists that somebody put there (`ssl_crl_cache`).

use std::collections::HashMap;
use std::future::ready;
use std::path::PathBuf;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use portcullis_core::Misuse;
use portcullis_core::x509::{Crl, CrlQuery, crl_issuer_hash};

use crate::{CrlFuture, CrlSource, Lookup, may_be_wanted};

/// How many bytes of lists and their indices are kept, unless something else is said.
const MAX_BYTES: usize = 128 << 20;

/// Where lists come from.
#[derive(Clone, Debug)]
pub enum CrlInput {
    /// A file: one list in DER, or all in PEM.
    File(PathBuf),
    /// One list in DER.
    Der(Vec<u8>),
    /// All lists in a PEM text.
    Pem(Vec<u8>),
}

impl CrlInput {
    /// Reads them all.
    ///
    /// # Errors
    /// When there is none, or one is damaged: which.
    pub fn read(&self) -> Result<Vec<Arc<Crl>>, Misuse> {
        match self {
            Self::File(path) => Crl::from_file(path),
            Self::Der(der) => match Crl::from_der(der.clone()) {
                Ok(crl) => Ok(vec![Arc::new(crl)]),
                Err(error) => Err(Misuse::new(format!("the list is {error}"))),
            },
            Self::Pem(pem) => Crl::from_der_or_pem(pem),
        }
    }
}

/// Revocation lists in memory. Cheap to clone; clones are the same lists. They are trusted no more than others: the
/// signature of each is verified where it is used.
///
/// ```
/// # use portcullis_crl_fetch as portcullis;
/// use portcullis::{CrlInput, MemoryCrls};
///
/// let crls = MemoryCrls::new();
/// let error = crls.insert(CrlInput::Pem(b"no list".to_vec()), None).unwrap_err();
/// assert!(error.to_string().contains("no revocation list"));
/// assert!(crls.is_empty());
/// ```
#[derive(Clone, Debug)]
pub struct MemoryCrls(Arc<RwLock<Lists>>);

#[derive(Debug)]
struct Lists {
    /// By the hash of their issuer.
    of_issuers: HashMap<u32, Vec<Kept>>,
    len: usize,
    bytes: usize,
    max_bytes: usize,
}

#[derive(Clone, Debug)]
struct Kept {
    list: Arc<Crl>,
    /// For this distribution point alone.
    uri: Option<Box<str>>,
    /// What was inserted here, if not only exchanges have put something here: the list, or an older one that comes
    /// back when the list is taken away by an exchange.
    inserted: Option<Arc<Crl>>,
    /// How many exchanges have put the list here and have not taken it away.
    exchanged: usize,
}

/// By what a list comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Insertion,
    Exchange,
}

fn is_same(one: &Arc<Crl>, other: &Arc<Crl>) -> bool {
    Arc::ptr_eq(one, other) || one.as_der() == other.as_der()
}

impl Kept {
    fn new(list: &Arc<Crl>, uri: Option<&str>, by: By) -> Self {
        Self {
            list: Arc::clone(list),
            uri: uri.map(Box::from),
            inserted: (by == By::Insertion).then(|| Arc::clone(list)),
            exchanged: usize::from(by == By::Exchange),
        }
    }

    fn put(&mut self, list: &Arc<Crl>, by: By) {
        let others = if is_same(&self.list, list) {
            self.exchanged
        } else {
            0
        };
        self.list = Arc::clone(list);
        match by {
            By::Insertion => {
                self.inserted = Some(Arc::clone(list));
                self.exchanged = others;
            }
            By::Exchange => self.exchanged = others + 1,
        }
    }

    /// What was inserted and waits behind the list.
    fn older(&self) -> Option<&Arc<Crl>> {
        let inserted = self.inserted.as_ref();
        inserted.filter(|inserted| !is_same(inserted, &self.list))
    }

    fn bytes(&self) -> usize {
        self.list.bytes() + self.older().map_or(0, |older| older.bytes())
    }
}

impl Default for MemoryCrls {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryCrls {
    /// Without any, and with room for 128 MiB.
    pub fn new() -> Self {
        Self::with_room(MAX_BYTES)
    }

    /// Without any, and with room for so many bytes: an entry of a list takes 16 beside its own.
    pub fn with_room(bytes: usize) -> Self {
        Self(Arc::new(RwLock::new(Lists {
            of_issuers: HashMap::new(),
            len: 0,
            bytes: 0,
            max_bytes: bytes,
        })))
    }

    /// Adds lists, and answers how many. With a URI they are those at this distribution point, and are found by the
    /// whole of it, letter by letter, and by their issuer; without one they are found by their issuer, and by what
    /// they say of their own point. A list that is older than one of its kind that is there is not added, and one
    /// that is newer takes its place.
    ///
    /// A file is read, and a long list indexed, while you wait: in an async function do that in `spawn_blocking`.
    ///
    /// # Errors
    /// When there is none, one is damaged, or there is no room; then nothing is added.
    pub fn insert(&self, input: CrlInput, uri: Option<&str>) -> Result<usize, Misuse> {
        let lists = input.read()?;
        self.insert_lists(lists, uri)
    }

    /// The same of lists that were read before.
    ///
    /// # Errors
    /// When there is no room; then nothing is added.
    pub fn insert_lists(&self, lists: Vec<Arc<Crl>>, uri: Option<&str>) -> Result<usize, Misuse> {
        self.write().change(&lists, |all| {
            lists
                .iter()
                .filter(|list| all.add(list, uri, By::Insertion))
                .count()
        })
    }

    /// Puts lists in the place of others, byte for byte, that an exchange has put there before, at once for whoever looks.
    /// What is among both stays as it is, and whatever else is there: where that has a list which is newer than one of
    /// the same kind among these, this is not added. A list that was inserted without a URI, or that another exchange has
    /// put there as well, stays when it is among the old ones; and where one of these is newer than one that was inserted,
    /// that comes back when this goes.
    ///
    /// # Errors
    /// When there is no room; then nothing is changed.
    pub fn exchange(&self, old: &[Arc<Crl>], new: &[Arc<Crl>]) -> Result<(), Misuse> {
        let is_in =
            |list: &Arc<Crl>, lists: &[Arc<Crl>]| lists.iter().any(|one| is_same(one, list));
        // One that is there twice counts once.
        let distinct = |lists: &[Arc<Crl>]| {
            let mut distinct: Vec<Arc<Crl>> = Vec::with_capacity(lists.len());
            for list in lists {
                if !is_in(list, &distinct) {
                    distinct.push(Arc::clone(list));
                }
            }
            distinct
        };
        let (gone, come) = (distinct(old), distinct(new));
        self.write().change(&[old, new].concat(), |all| {
            for list in gone.iter().filter(|list| !is_in(list, new)) {
                all.release(list);
            }
            for list in &come {
                all.claim(list, is_in(list, old));
            }
        })
    }

    /// Whether both are the same lists.
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Removes these lists, byte for byte, whatever point they are at, and answers how many there were.
    ///
    /// # Errors
    /// When there is none in the input, or one is damaged; then nothing is removed.
    pub fn remove(&self, input: &CrlInput) -> Result<usize, Misuse> {
        let lists = input.read()?;
        let is_meant = |list: &Arc<Crl>| lists.iter().any(|one| is_same(one, list));
        Ok(self.write().remove_lists(is_meant))
    }

    /// Removes what was added for this distribution point, and answers how many lists that were.
    pub fn remove_uri(&self, uri: &str) -> usize {
        self.write().remove(|kept| kept.uri.as_deref() == Some(uri))
    }

    /// Removes all.
    pub fn clear(&self) {
        self.write().remove(|_| true);
    }

    /// How many lists there are.
    pub fn len(&self) -> usize {
        self.read().len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes they take, with their indices.
    pub fn bytes(&self) -> usize {
        self.read().bytes
    }

    fn read(&self) -> RwLockReadGuard<'_, Lists> {
        // Nothing panics while it is locked.
        self.0
            .read()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn write(&self) -> RwLockWriteGuard<'_, Lists> {
        self.0
            .write()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn find(&self, query: &CrlQuery, is_at: impl Fn(Option<&str>) -> bool) -> Lookup {
        let all = self.read();
        let mut found = Vec::new();
        for issuer in query.issuers() {
            let hash = crl_issuer_hash(issuer);
            let kept = hash.and_then(|hash| all.of_issuers.get(&hash));
            for kept in kept.into_iter().flatten() {
                if is_at(kept.uri.as_deref()) && may_be_wanted(&kept.list, query) {
                    found.push(Arc::clone(&kept.list));
                }
            }
        }
        Lookup::of(found)
    }
}

impl Lists {
    /// Makes a change of what there is of the issuers of these lists, unless it leaves too much.
    fn change<T>(
        &mut self,
        lists: &[Arc<Crl>],
        change: impl FnOnce(&mut Self) -> T,
    ) -> Result<T, Misuse> {
        let hashes = lists
            .iter()
            .filter_map(|list| crl_issuer_hash(list.issuer()));
        let before: HashMap<u32, Option<Vec<Kept>>> = hashes
            .map(|hash| (hash, self.of_issuers.get(&hash).cloned()))
            .collect();
        let (len, bytes) = (self.len, self.bytes);
        let changed = change(self);
        if self.bytes <= self.max_bytes || self.bytes <= bytes {
            return Ok(changed);
        }
        let error = Misuse::new(format!(
            "there is room for {} bytes of revocation lists, {bytes} are there, and {} would be: remove some, or make \
             more room with `with_room`",
            self.max_bytes, self.bytes
        ));
        (self.len, self.bytes) = (len, bytes);
        for (hash, kept) in before {
            match kept {
                Some(kept) => self.of_issuers.insert(hash, kept),
                None => self.of_issuers.remove(&hash),
            };
        }
        Err(error)
    }

    /// What is there of the issuer of this list.
    fn of_issuer(&mut self, list: &Crl) -> Option<&mut Vec<Kept>> {
        let hash = crl_issuer_hash(list.issuer())?;
        self.of_issuers.get_mut(&hash)
    }

    /// An exchange wants it, maybe as it did before.
    fn claim(&mut self, list: &Arc<Crl>, as_before: bool) {
        let mut of_issuer = self.of_issuer(list).into_iter().flatten();
        match of_issuer.find(|kept| kept.uri.is_none() && is_same(&kept.list, list)) {
            Some(kept) if as_before => kept.exchanged = kept.exchanged.max(1),
            Some(kept) => kept.exchanged += 1,
            None => {
                self.add(list, None, By::Exchange);
            }
        }
    }

    /// An exchange wants it no more.
    fn release(&mut self, list: &Arc<Crl>) {
        let Some(of_issuer) = self.of_issuer(list) else {
            return;
        };
        let is_it =
            |kept: &Kept| kept.uri.is_none() && kept.exchanged > 0 && is_same(&kept.list, list);
        let Some(at) = of_issuer.iter().position(is_it) else {
            return;
        };
        let Some(kept) = of_issuer.get_mut(at) else {
            return;
        };
        let bytes = kept.bytes();
        kept.exchanged -= 1;
        if kept.exchanged > 0 {
            return;
        }
        match kept.inserted.clone() {
            Some(inserted) => {
                kept.list = inserted;
                let now = kept.bytes();
                self.bytes = self.bytes - bytes + now;
            }
            None => {
                of_issuer.remove(at);
                self.len -= 1;
                self.bytes -= bytes;
                self.of_issuers.retain(|_, lists| !lists.is_empty());
            }
        }
    }

    /// Whether it was added.
    fn add(&mut self, list: &Arc<Crl>, uri: Option<&str>, by: By) -> bool {
        // An issuer that is no name has no certificates.
        let Some(hash) = crl_issuer_hash(list.issuer()) else {
            return false;
        };
        let of_issuer = self.of_issuers.entry(hash).or_default();
        let same = of_issuer.iter_mut().find(|kept| {
            kept.uri.as_deref() == uri
                && kept.list.has_same_authority_key(list)
                && (list.replaces(&kept.list) || kept.list.replaces(list))
        });
        match same {
            Some(kept) if list.replaces(&kept.list) => {
                let before = kept.bytes();
                kept.put(list, by);
                self.bytes = self.bytes - before + kept.bytes();
                true
            }
            Some(_) => false,
            None => {
                of_issuer.push(Kept::new(list, uri, by));
                self.len += 1;
                self.bytes += list.bytes();
                true
            }
        }
    }

    /// Of two at one place the other stays.
    fn remove_lists(&mut self, is_meant: impl Fn(&Arc<Crl>) -> bool) -> usize {
        let mut gone = 0;
        for kept in self.of_issuers.values_mut().flatten() {
            let before = kept.bytes();
            match kept.older().cloned() {
                Some(older) if is_meant(&older) => kept.inserted = None,
                Some(older) if is_meant(&kept.list) => {
                    kept.list = older;
                    kept.exchanged = 0;
                }
                _ => continue,
            }
            gone += 1;
            self.bytes = self.bytes - before + kept.bytes();
        }
        gone + self.remove(|kept| is_meant(&kept.list))
    }

    fn remove(&mut self, is_meant: impl Fn(&Kept) -> bool) -> usize {
        let before = self.len;
        for of_issuer in self.of_issuers.values_mut() {
            of_issuer.retain(|kept| {
                let goes = is_meant(kept);
                if goes {
                    self.len -= 1;
                    self.bytes -= kept.bytes();
                }
                !goes
            });
        }
        self.of_issuers.retain(|_, lists| !lists.is_empty());
        before - self.len
    }
}

impl CrlSource for MemoryCrls {
    fn lookup<'a>(&'a self, query: &'a CrlQuery) -> CrlFuture<'a, Lookup> {
        let is_at =
            |uri: Option<&str>| uri.is_none_or(|uri| query.uris().iter().any(|own| own == uri));
        Box::pin(ready(self.find(query, is_at)))
    }

    fn select<'a>(&'a self, query: &'a CrlQuery) -> CrlFuture<'a, Lookup> {
        Box::pin(ready(self.find(query, |_| true)))
    }
}
