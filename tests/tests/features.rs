//! `docs/features.md`, `docs/defaults.md`, `docs/rfc-9147.md` and `docs/attacks.toml` name tests that exist, and the README what is there.

use std::fs;
use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

const FOLDERS: [(&str, &str); 13] = [
    ("core/", "crates/portcullis-core/src/"),
    ("tokio/", "crates/portcullis/tests/"),
    ("tokio-src/", "crates/portcullis/src/"),
    ("cache/", "crates/portcullis-session-cache/tests/"),
    ("cache-src/", "crates/portcullis-session-cache/src/"),
    ("crls/", "crates/portcullis-crl-fetch/tests/"),
    ("crls-src/", "crates/portcullis-crl-fetch/src/"),
    ("pkcs11/", "crates/portcullis-pkcs11/tests/"),
    ("cli/", "crates/portcullis-cli/tests/"),
    ("cli-src/", "crates/portcullis-cli/src/"),
    ("proxy/", "crates/portcullis-proxy/tests/"),
    ("proxy-src/", "crates/portcullis-proxy/src/"),
    ("tests/", "tests/tests/"),
];

/// Of which `docs/attacks.md` is made.
const ATTACKS: &str = "docs/attacks.toml";

/// Where files and folders of the repository are shown.
const FILES: &str = "https://github.com/portcullis-tls/portcullis/blob/main/";
const TREES: &str = "https://github.com/portcullis-tls/portcullis/tree/main/";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
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

/// The rows of all tables with so many columns, without their heads.
fn rows<const COLUMNS: usize>(page: &str) -> impl Iterator<Item = [&str; COLUMNS]> {
    page.lines().filter_map(|row| {
        let row = row.strip_prefix('|')?.strip_suffix('|')?;
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let cells: [&str; COLUMNS] = cells.try_into().ok()?;
        let is_head = matches!(cells[0], "id" | "what" | "rule") || cells[0].starts_with('-');
        (!is_head).then_some(cells)
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
fn every_default_has_its_proof() {
    let defaults = read("docs/defaults.md");
    let mut count = 0;
    for [what, default, why, proofs] in rows(&defaults) {
        assert!(!default.is_empty() && !why.is_empty(), "{what}");
        check(what, proofs);
        count += 1;
    }
    assert!(count > 25, "{count}");
}

#[test]
fn every_rule_of_dtls_1_3_is_tried() {
    let rules = read("docs/rfc-9147.md");
    let mut count = 0;
    for [section, rule, proofs] in rows(&rules) {
        assert!(section.starts_with('§') && !rule.is_empty(), "{section}");
        check(rule, proofs);
        count += 1;
    }
    assert!(count > 45, "{count}");
}

/// The text under a key, if there is one.
fn text<'t>(table: &'t DeTable<'_>, key: &str) -> Option<&'t str> {
    table.get(key)?.get_ref().as_str().map(str::trim)
}

/// The list under a key, or none.
fn list<'t, 'd>(table: &'t DeTable<'d>, key: &str) -> impl Iterator<Item = &'t DeValue<'d>> {
    let list = table.get(key).and_then(|list| list.get_ref().as_array());
    list.into_iter().flatten().map(|entry| entry.get_ref())
}

fn texts<'t>(table: &'t DeTable<'_>, key: &str) -> Vec<&'t str> {
    list(table, key)
        .map(|text| text.as_str().unwrap())
        .collect()
}

fn tables<'t, 'd>(table: &'t DeTable<'d>, key: &str) -> impl Iterator<Item = &'t DeTable<'d>> {
    list(table, key).map(|table| table.as_table().unwrap())
}

#[test]
fn every_attack_is_tried() {
    let attacks = read(ATTACKS);
    let attacks = DeTable::parse(&attacks).unwrap();
    let mut count = 0;
    for section in tables(attacks.get_ref(), "section") {
        for row in tables(section, "row") {
            let attack = text(row, "attack").unwrap();
            let defence = text(row, "defence").unwrap();
            assert!(!attack.is_empty() && !defence.is_empty(), "{attack}");
            let tests = texts(row, "tests");
            let is_possible = texts(section, "columns").len() == 3;
            assert_eq!(tests.is_empty(), !is_possible, "{attack}");
            for test in tests {
                check(attack, test);
                count += 1;
            }
        }
    }
    assert!(count > 200, "{count}");
}

/// What `attacks.toml` says, as a page.
fn page_of_attacks(attacks: &DeTable<'_>) -> String {
    let title = text(attacks, "title").unwrap();
    let mut page = format!("# {title}\n\n{}\n", text(attacks, "text").unwrap());
    for section in tables(attacks, "section") {
        let marks = if section.contains_key("below") {
            "###"
        } else {
            "##"
        };
        page += &format!("\n{marks} {}\n", text(section, "title").unwrap());
        if let Some(text) = text(section, "text") {
            page += &format!("{text}\n\n");
        }
        let columns = texts(section, "columns");
        page += &format!("| {} |\n", columns.join(" | "));
        page += &format!("|{}\n", "---|".repeat(columns.len()));
        for row in tables(section, "row") {
            let mut cells = vec![text(row, "attack").unwrap(), text(row, "defence").unwrap()];
            let tests = texts(row, "tests")
                .iter()
                .map(|test| format!("`{test}`"))
                .collect::<Vec<_>>();
            let tests = tests.join(", ");
            cells.extend((!tests.is_empty()).then_some(&*tests));
            assert!(
                cells.iter().all(|cell| !cell.contains(['|', '\n'])),
                "{cells:?}"
            );
            page += &format!("| {} |\n", cells.join(" | "));
        }
    }
    page
}

#[test]
fn the_page_of_attacks_is_made_from_its_table() {
    let attacks = read(ATTACKS);
    let page = page_of_attacks(DeTable::parse(&attacks).unwrap().get_ref());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(root().join("docs/attacks.md"), page).unwrap();
        return;
    }
    let advice =
        "docs/attacks.md is another: UPDATE=1 cargo test -p portcullis-tests --test features";
    assert!(read("docs/attacks.md") == page, "{advice}");
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

/// What crates.io shows is not in the repository: its links are whole, and lead to what is there.
#[test]
fn links_of_the_readme_lead_somewhere() {
    let readme = read("README.md");
    let mut files = 0;
    for (at, mark) in readme.match_indices("](") {
        let (link, _) = readme[at + mark.len()..].split_once(')').unwrap();
        assert!(link.starts_with("https://"), "{link}");
        let path = link.strip_prefix(FILES).or(link.strip_prefix(TREES));
        if let Some(path) = path {
            let (path, _) = path.split_once('#').unwrap_or((path, ""));
            assert!(root().join(path).exists(), "{link}");
            files += 1;
        }
    }
    assert!(files > 20, "{files}");
    let repository = FILES.strip_suffix("/blob/main/").unwrap();
    assert!(read("Cargo.toml").contains(&format!("repository = \"{repository}\"")));
}

/// docs.rs shows what comes with features: all that a library has, but for those of tests.
#[test]
fn docs_rs_shows_every_feature() {
    let mut libraries = 0;
    for folder in fs::read_dir(root().join("crates")).unwrap() {
        let folder = folder.unwrap().path();
        if !folder.join("src/lib.rs").exists() {
            continue;
        }
        libraries += 1;
        let name = folder.display();
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let section = |head: &str| {
            let (_, rest) = manifest.split_once(&format!("\n[{head}]\n"))?;
            rest.split("\n[").next()
        };
        let shown = section("package.metadata.docs.rs").unwrap_or_else(|| panic!("{name}"));
        let features = section("features").unwrap_or_default().lines();
        for (feature, _) in features.filter_map(|line| line.split_once(" = ")) {
            let is_shown = shown.contains("all-features = true")
                || shown.contains(&format!("\"{feature}\""))
                || ["default", "deterministic", "interop"].contains(&feature);
            assert!(is_shown, "{name}: {feature}");
        }
    }
    assert!(libraries > 6, "{libraries}");
}

/// Each feature of the crate is in the README's table, and nothing else is.
#[test]
fn the_readme_has_every_feature() {
    let manifest = read("crates/portcullis/Cargo.toml");
    let (_, features) = manifest.split_once("\n[features]\n").unwrap();
    let (features, _) = features.split_once("\n[").unwrap();
    let names = features.lines().filter_map(|line| line.split_once(" = "));
    let mut in_manifest: Vec<_> = names.map(|(name, _)| name).collect();
    in_manifest.retain(|name| *name != "default" && !name.starts_with('#'));
    in_manifest.sort_unstable();
    let readme = read("README.md");
    let (_, table) = readme.split_once("\n## Features\n").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.map(|row| row.split_once("` |").unwrap().0);
    let mut in_readme: Vec<_> = cells.flat_map(|cell| cell.split("`, `")).collect();
    in_readme.sort_unstable();
    assert_eq!(in_readme, in_manifest);

    let library = read("crates/portcullis/src/lib.rs");
    let (_, list) = library.split_once("\n//! # Features\n").unwrap();
    let (list, _) = list.split_once("\n//! Features add").unwrap();
    let heads = list.lines().filter_map(|line| line.strip_prefix("//! * `"));
    let heads = heads.map(|item| item.split_once("`: ").or(item.split_once("` (")).unwrap().0);
    let mut in_library: Vec<_> = heads.flat_map(|head| head.split("`, `")).collect();
    in_library.sort_unstable();
    assert_eq!(in_library, in_manifest);
}

#[test]
fn the_readme_names_every_example() {
    let manifest = read("examples/Cargo.toml");
    let readme = read("README.md");
    let mut examples = manifest.split("\n[[example]]\nname = \"").skip(1);
    let names: Vec<_> = examples
        .by_ref()
        .map(|rest| rest.split_once('"').unwrap().0)
        .collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        let link =
            format!("](https://github.com/portcullis-tls/portcullis/blob/main/examples/{name}.rs)");
        let is_named = readme.contains(&format!("`{name}`"))
            || readme.contains(&format!("--example {name} "))
            || readme.contains(&link);
        assert!(is_named, "README.md does not name the example {name}");
    }
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
        let path = path.strip_prefix(FILES).unwrap();
        let file = read(path);
        for (role, said) in [("server", server), ("client", client)] {
            let counted = adapter_lines(&file, role);
            assert_eq!(counted, said.parse().ok(), "{path}, {role}");
            assert!(counted.is_none_or(|count| count <= 5), "{path}, {role}");
        }
        programs += 1;
    }
    assert_eq!(programs, 11);
}
