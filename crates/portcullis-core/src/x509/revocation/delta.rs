//! A delta list beside a complete one.
//!
//! RFC 5280 §5.2.4, §6.3.3 (c).

use std::sync::Arc;

use super::crl::Crl;
use super::decide::{Decision, Halt, Subject};
use super::query::CrlQueryKind;
use super::scope::DistributionPoint;
use super::signer::is_signed_by;
use crate::sort::sort_by;

/// More points of delta lists are not asked for.
const MAX_POINTS: usize = 4;

impl Decision<'_> {
    /// The newest delta list to a complete one that the key in `spki` has signed: among those that came with it, and
    /// where the certificate says, or else the complete list.
    pub(super) fn delta(
        &mut self,
        subject: &Subject<'_>,
        complete: &Crl,
        lists: &[Arc<Crl>],
        spki: &[u8],
    ) -> Result<Option<Arc<Crl>>, Halt> {
        let mut deltas: Vec<Arc<Crl>> = lists
            .iter()
            .filter(|list| list.is_delta())
            .cloned()
            .collect();
        let of_certificate = DistributionPoint::of_freshest(&subject.fields).unwrap_or_default();
        let points = match of_certificate.is_empty() {
            true => complete.freshest().and_then(DistributionPoint::read_all),
            false => Some(of_certificate),
        };
        for point in points.unwrap_or_default().iter().take(MAX_POINTS) {
            let issuer = complete.issuer().to_vec();
            let more = self.ask(CrlQueryKind::Delta, point.uris(), vec![issuer])?;
            deltas.extend(more.into_iter().filter(|list| list.is_delta()));
        }
        sort_by(&mut deltas, |one, other| one.order(other));
        for delta in deltas {
            let fits = delta.useless().is_none()
                && !delta.is_from_future(self.check.now)
                && !delta.is_stale(self.check.now)
                && delta.has_same_scope(complete)
                && delta.has_same_authority_key(complete)
                && complete.is_updated_by(&delta);
            if fits {
                self.spend_signature()?;
                if is_signed_by(&delta, spki, &self.check.policy) {
                    return Ok(Some(delta));
                }
            }
        }
        Ok(None)
    }
}
