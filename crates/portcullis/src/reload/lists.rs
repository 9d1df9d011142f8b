//! Revocation lists of files, where they are looked for.

use std::path::PathBuf;
use std::sync::Arc;

use portcullis_core::Misuse;
use portcullis_core::x509::{Crl, shown_path};
use portcullis_crl_fetch::MemoryCrls;

use super::parts::{Parts, ReloadWarning, Warning};

/// Puts the lists of all files in the place of those before, or none of them. A list does not take the place of one that
/// is newer: then this stays, also in `parts`.
pub(super) fn publish(
    files: &[(PathBuf, MemoryCrls)],
    parts: &mut Parts,
    before: &Parts,
) -> Result<Vec<Warning>, Misuse> {
    let mut warnings = Vec::new();
    for ((path, crls), lists) in files.iter().zip(&mut parts.crls) {
        let old = of(crls, files, before);
        for list in lists {
            if let Some(newer) = old.iter().find(|old| is_newer(old, list)) {
                let warning = ReloadWarning::OlderList {
                    issuer: list.issuer_name(),
                    number: list.number(),
                    served: newer.number(),
                };
                warnings.push((path.clone(), warning));
                *list = Arc::clone(newer);
            }
        }
    }
    let mut done: Vec<&MemoryCrls> = Vec::new();
    for (path, crls) in files {
        if done.iter().any(|other| other.ptr_eq(crls)) {
            continue;
        }
        let (old, new) = (of(crls, files, before), of(crls, files, parts));
        if let Err(error) = crls.exchange(&old, &new) {
            for crls in done {
                let (old, new) = (of(crls, files, before), of(crls, files, parts));
                // There was room for them.
                let _ = crls.exchange(&new, &old);
            }
            return Err(Misuse::new(format!("{}: {error}", shown_path(path))));
        }
        done.push(crls);
    }
    Ok(warnings)
}

/// The lists of all files that are kept there.
fn of(crls: &MemoryCrls, files: &[(PathBuf, MemoryCrls)], parts: &Parts) -> Vec<Arc<Crl>> {
    let all = files.iter().zip(&parts.crls);
    let own = all.filter(|((_, own), _)| own.ptr_eq(crls));
    own.flat_map(|(_, lists)| lists.iter().cloned()).collect()
}

/// Of the same kind.
fn is_newer(one: &Crl, other: &Crl) -> bool {
    one.replaces(other) && !other.replaces(one) && one.has_same_authority_key(other)
}
