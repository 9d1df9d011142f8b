//! `docs/features.md` names tests that exist.

use std::fs;
use std::path::PathBuf;

const FOLDERS: [(&str, &str); 3] = [
    ("core/", "crates/portcullis-core/src/"),
    ("tokio/", "crates/portcullis/tests/"),
    ("cli/", "crates/portcullis-cli/tests/"),
];

#[test]
fn every_feature_has_its_proof() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| {
        fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let manifest = read("examples/Cargo.toml");
    let features = read("docs/features.md");
    let mut identifiers = Vec::new();
    for row in features.lines() {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let ["", id, _, proofs, ""] = cells[..] else {
            continue;
        };
        if id == "id" || id.starts_with('-') {
            continue;
        }
        assert!(!identifiers.contains(&id), "{id} is there twice");
        identifiers.push(id);
        if proofs.starts_with("section") {
            continue;
        }
        for proof in proofs.split(", ") {
            let name = proof.trim_matches('`');
            if let Some(example) = name.strip_prefix("examples/") {
                assert!(
                    manifest.contains(&format!("path = \"{example}.rs\"")),
                    "{id}: {name}"
                );
                continue;
            }
            let (file, test) = name
                .split_once("::")
                .unwrap_or_else(|| panic!("{id}: {name}"));
            let (prefix, folder) = FOLDERS
                .iter()
                .find(|(prefix, _)| file.starts_with(prefix))
                .unwrap_or_else(|| panic!("{id}: {name}"));
            let source = read(&format!("{folder}{}.rs", &file[prefix.len()..]));
            let function = source
                .find(&format!("fn {test}("))
                .unwrap_or_else(|| panic!("{id}: there is no {name}"));
            let before = source[..function].trim_end_matches("async ");
            let attribute = before.trim_end().lines().next_back().unwrap_or_default();
            assert!(attribute.contains("test"), "{id}: {name} is no test");
        }
    }
    assert!(identifiers.len() > 50, "{}", identifiers.len());
}
