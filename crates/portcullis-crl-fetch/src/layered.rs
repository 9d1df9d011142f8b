//! One source before another.

use std::sync::Arc;

use portcullis_core::x509::{Crl, CrlQuery};

use crate::{CrlFuture, CrlSource, Lookup};

/// The first source, and the second for what the first has not, or for what that has and does not suffice.
#[derive(Clone, Debug)]
pub struct Layered<A, B>(A, B);

impl<A: CrlSource, B: CrlSource> Layered<A, B> {
    /// Asks `first`, and `second` if that has nothing of use.
    pub fn new(first: A, second: B) -> Self {
        Self(first, second)
    }
}

/// What the second says if the first has nothing; both reasons are told.
async fn or(first: Lookup, second: CrlFuture<'_, Lookup>) -> Lookup {
    let first = match first {
        Lookup::Found(lists) => return Lookup::Found(lists),
        Lookup::NotAvailable(why) => why,
    };
    match second.await {
        Lookup::Found(lists) => Lookup::Found(lists),
        Lookup::NotAvailable(second) => Lookup::NotAvailable(match (first, second) {
            (Some(first), Some(second)) => Some(format!("{first}; {second}")),
            (first, second) => first.or(second),
        }),
    }
}

/// Adds what is not among those that are known.
fn add(lookup: Lookup, known: &mut Vec<Arc<Crl>>, why: &mut Vec<String>) {
    match lookup {
        Lookup::Found(lists) => {
            for list in lists {
                if !known.iter().any(|own| own.as_der() == list.as_der()) {
                    known.push(list);
                }
            }
        }
        Lookup::NotAvailable(reason) => why.extend(reason),
    }
}

impl<A: CrlSource, B: CrlSource> CrlSource for Layered<A, B> {
    fn lookup<'a>(&'a self, query: &'a CrlQuery) -> CrlFuture<'a, Lookup> {
        Box::pin(async move { or(self.0.lookup(query).await, self.1.lookup(query)).await })
    }

    fn select<'a>(&'a self, query: &'a CrlQuery) -> CrlFuture<'a, Lookup> {
        Box::pin(async move { or(self.0.select(query).await, self.1.select(query)).await })
    }

    fn fresh<'a>(&'a self, query: &'a CrlQuery, stale: &'a Arc<Crl>) -> CrlFuture<'a, Lookup> {
        Box::pin(
            async move { or(self.0.fresh(query, stale).await, self.1.fresh(query, stale)).await },
        )
    }

    fn further<'a>(&'a self, query: &'a CrlQuery, found: &'a [Arc<Crl>]) -> CrlFuture<'a, Lookup> {
        // One question has to do for all that are behind: the next may not suffice either.
        Box::pin(async move {
            let (mut known, mut why) = (found.to_vec(), Vec::new());
            add(self.0.further(query, found).await, &mut known, &mut why);
            let second = match query.uris().is_empty() {
                true => self.1.select(query).await,
                false => self.1.lookup(query).await,
            };
            add(second, &mut known, &mut why);
            let others = self.1.further(query, &known).await;
            add(others, &mut known, &mut why);
            let lists = known.split_off(found.len());
            match lists.is_empty() && !why.is_empty() {
                true => Lookup::NotAvailable(Some(why.join("; "))),
                false => Lookup::of(lists),
            }
        })
    }
}
