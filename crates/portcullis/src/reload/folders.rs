//! Which folders show that a file was replaced: its own, and that of each link on the way to it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// As many links as Linux follows.
const MOST_LINKS: usize = 40;

/// The folders of these files. Kubernetes puts a link to a folder with new files in the place of another one;
/// neither the old file nor its folder tells.
pub(super) fn of(paths: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    for path in paths {
        // One that cannot be made absolute is looked at from time to time, like all.
        if let Ok(path) = std::path::absolute(path) {
            follow(&path, &mut folders);
        }
    }
    folders
}

fn follow(path: &Path, folders: &mut BTreeSet<PathBuf>) {
    let parts = |path: &Path| -> Vec<OsString> {
        let components = path.components();
        components
            .rev()
            .map(|part| part.as_os_str().to_owned())
            .collect()
    };
    // The last is the next.
    let mut ahead = parts(path);
    let mut here = PathBuf::new();
    let mut links = 0;
    while let Some(part) = ahead.pop() {
        if part == Component::ParentDir.as_os_str() {
            here.pop();
            continue;
        }
        let folder = here.clone();
        here.push(&part);
        let target = fs::read_link(&here).ok();
        if target.is_some() || ahead.is_empty() {
            folders.insert(folder.clone());
        }
        if let Some(target) = target {
            links += 1;
            if links > MOST_LINKS {
                return;
            }
            here = folder;
            // An absolute one begins anew: pushing its root does that.
            ahead.extend(parts(&target));
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn links_of_kubernetes() {
        let base = tempfile::tempdir().unwrap();
        let base = base.path().canonicalize().unwrap();
        let (volume, real) = (base.join("volume"), base.join("volume/..2026"));
        fs::create_dir_all(&real).unwrap();
        fs::write(real.join("tls.crt"), "x").unwrap();
        let link = |to: &Path, at: &Path| std::os::unix::fs::symlink(to, at);
        link("..2026".as_ref(), &volume.join("..data")).unwrap();
        link("..data/tls.crt".as_ref(), &volume.join("tls.crt")).unwrap();
        link(&volume, &base.join("certs")).unwrap();
        let folders = of(&[base.join("certs/tls.crt")]);
        assert_eq!(folders, BTreeSet::from([base.clone(), volume, real]));
        // A circle has an end.
        link("a".as_ref(), &base.join("b")).unwrap();
        link("b".as_ref(), &base.join("a")).unwrap();
        assert_eq!(of(&[base.join("a")]), BTreeSet::from([base.clone()]));
        // A file that is not there yet.
        assert_eq!(of(&[base.join("later")]), BTreeSet::from([base]));
    }
}
