//! `docs/features.md` and `docs/attacks.md` name tests that exist.

use std::fs;
use std::path::PathBuf;

const FOLDERS: [(&str, &str); 7] = [
    ("core/", "crates/portcullis-core/src/"),
    ("tokio/", "crates/portcullis/tests/"),
    ("cache/", "crates/portcullis-session-cache/tests/"),
    ("crls/", "crates/portcullis-crl-fetch/tests/"),
    ("pkcs11/", "crates/portcullis-pkcs11/tests/"),
    ("cli/", "crates/portcullis-cli/tests/"),
    ("tests/", "tests/tests/"),
];

fn read(path: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Each of `proofs`, a cell of a table, is an example that runs or a test.
fn check(row: &str, proofs: &str) {
    for proof in proofs.split(", ") {
        let name = proof.trim_matches('`');
        if let Some(example) = name.strip_prefix("examples/") {
            let path = format!("path = \"{example}.rs\"");
            assert!(read("examples/Cargo.toml").contains(&path), "{row}: {name}");
            continue;
        }
        let (file, test) = name
            .split_once("::")
            .unwrap_or_else(|| panic!("{row}: {name}"));
        let (prefix, folder) = FOLDERS
            .iter()
            .find(|(prefix, _)| file.starts_with(prefix))
            .unwrap_or_else(|| panic!("{row}: {name}"));
        let source = read(&format!("{folder}{}.rs", &file[prefix.len()..]));
        // What `of_each_peer!` makes a test of.
        if source.contains(&format!("\n    {test}: ")) && source.contains("of_each_peer! {") {
            continue;
        }
        let function = source
            .find(&format!("fn {test}("))
            .unwrap_or_else(|| panic!("{row}: there is no {name}"));
        let before = source[..function].trim_end_matches("async ");
        let attribute = before.trim_end().lines().next_back().unwrap_or_default();
        assert!(attribute.contains("test"), "{row}: {name} is no test");
    }
}

/// The rows of all tables with three columns, without their heads.
fn rows(page: &str) -> impl Iterator<Item = [&str; 3]> {
    page.lines().filter_map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let ["", first, second, third, ""] = cells[..] else {
            return None;
        };
        let is_head = matches!(first, "id" | "attack") || first.starts_with('-');
        (!is_head).then_some([first, second, third])
    })
}

#[test]
fn every_feature_has_its_proof() {
    let features = read("docs/features.md");
    let mut identifiers = Vec::new();
    for [id, _, proofs] in rows(&features) {
        assert!(!identifiers.contains(&id), "{id} is there twice");
        identifiers.push(id);
        if !proofs.starts_with("section") {
            check(id, proofs);
        }
    }
    assert!(identifiers.len() > 50, "{}", identifiers.len());
}

#[test]
fn every_attack_is_tried() {
    let attacks = read("docs/attacks.md");
    let mut count = 0;
    for [attack, defence, proofs] in rows(&attacks) {
        assert!(!defence.is_empty(), "{attack}");
        check(attack, proofs);
        count += 1;
    }
    assert!(count > 40, "{count}");
}

/// The lines of a file between `// adapter: ROLE` and `// adapter: end` that do something; `None`
/// without such a mark.
fn adapter_lines(file: &str, role: &str) -> Option<usize> {
    let mark = format!("// adapter: {role}");
    let mut count = None;
    let mut within = false;
    for line in file.lines().map(str::trim) {
        if line.starts_with("// adapter: ") {
            within = line == mark;
            count = count.or_else(|| within.then_some(0));
        } else if within && !line.is_empty() && !line.starts_with("//") {
            count = count.map(|count| count + 1);
        }
    }
    count
}

#[test]
fn the_lines_of_adapters_are_those_of_the_table() {
    let readme = read("README.md");
    let mut programs = 0;
    for row in readme.lines() {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let ["", program, server, client, _, ""] = cells[..] else {
            continue;
        };
        let Some((_, path)) = program.split_once("](") else {
            continue;
        };
        let (path, _) = path.split_once(')').unwrap();
        let file = read(path);
        for (role, said) in [("server", server), ("client", client)] {
            let counted = adapter_lines(&file, role);
            assert_eq!(counted, said.parse().ok(), "{path}, {role}");
            assert!(counted.is_none_or(|count| count <= 5), "{path}, {role}");
        }
        programs += 1;
    }
    assert_eq!(programs, 12);
}
