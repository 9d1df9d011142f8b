//! Imports go downwards: the groups of modules in `lib.rs` are layers, and docs/architecture.md has
//! them as a table.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The module that a line declares.
fn declared(line: &str) -> Option<&str> {
    let line = line.trim_start_matches("pub(crate) ");
    let line = line.trim_start_matches("pub ");
    line.strip_prefix("mod ")?.strip_suffix(';')
}

/// The groups of modules in `lib.rs`, less those that only tests have.
fn layers(lib: &str) -> Vec<Vec<&str>> {
    let mut layers = Vec::new();
    for group in lib.split("\n\n") {
        if group.contains("#[cfg(test)]") {
            continue;
        }
        let mut modules: Vec<_> = group.lines().filter_map(declared).collect();
        modules.dedup();
        if !modules.is_empty() {
            layers.push(modules);
        }
    }
    layers
}

/// A file without its tests and comments, and the modules of it that are tests.
fn code(source: &str) -> (String, Vec<&str>) {
    let mut code = String::new();
    let mut tests = Vec::new();
    let mut is_test = false;
    for line in source.lines() {
        // A module of tests is the last thing in a file.
        if is_test && line.starts_with("mod ") && line.ends_with('{') {
            break;
        }
        match declared(line) {
            Some(module) if is_test => tests.push(module),
            _ if line.trim_start().starts_with("//") => {}
            _ => {
                code.push_str(line);
                code.push('\n');
            }
        }
        is_test = line == "#[cfg(test)]" || is_test && line.starts_with("#[");
    }
    (code, tests)
}

/// The Rust files below `path`, a file or a folder, that are no tests.
fn files(path: PathBuf, into: &mut Vec<(PathBuf, String)>) {
    let root = if path.is_dir() {
        path.join("mod.rs")
    } else {
        path.clone()
    };
    let source = read(&root);
    let (code, tests) = code(&source);
    into.push((root, code));
    if !path.is_dir() {
        return;
    }
    for entry in fs::read_dir(&path).unwrap() {
        let entry = entry.unwrap().path();
        let name = entry.file_stem().unwrap().to_str().unwrap();
        // Some lie beside the file they test, under a name of their own.
        if name != "mod" && !tests.contains(&name) && !name.ends_with("tests") {
            files(entry, into);
        }
    }
}

/// The first names after each `crate::`.
fn imports(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let Some(list) = rest.strip_prefix('{') else {
            let is_name = |c: char| c.is_alphanumeric() || c == '_';
            names.push(rest.chars().take_while(|c| is_name(*c)).collect());
            continue;
        };
        let mut depth = 0;
        let mut name = String::new();
        let mut is_first = true;
        for character in list.chars() {
            match character {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' if depth == 0 => {
                    names.push(core::mem::take(&mut name));
                    is_first = true;
                }
                _ if depth > 0 || character.is_whitespace() => {}
                _ if is_first && (character.is_alphanumeric() || character == '_') => {
                    name.push(character);
                }
                // The name is over; of a list there may be more.
                ':' => is_first = false,
                _ if !is_first && character != '}' => {}
                _ => break,
            }
        }
        names.push(name);
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn names_are_found_in_an_import() {
    let code = "use crate::a::b;\nuse crate::{C, d::{self, E}, f::G};\nlet x = crate::h::i(j);\nfn k() -> crate::L {\n    m\n}";
    assert_eq!(imports(code), ["a", "C", "d", "f", "h", "L"]);
}

#[test]
fn no_layer_imports_from_above() {
    let lib = read("src/lib.rs");
    let layers = layers(&lib);
    let mut levels: HashMap<&str, usize> = HashMap::new();
    for (level, modules) in layers.iter().enumerate() {
        levels.extend(modules.iter().map(|module| (*module, level)));
    }
    // What the crate's root exports is of the layer where it is defined.
    for export in lib.split("\npub use ").skip(1) {
        let (module, names) = export.split_once("::").unwrap();
        let level = levels[module];
        let names = names.split_once(';').unwrap().0;
        let names = names.trim_start_matches('{').trim_end_matches('}');
        levels.extend(names.split(',').map(|name| (name.trim(), level)));
    }
    let mut count = 0;
    for module in layers.iter().flatten() {
        let mut found = Vec::new();
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src")
            .join(module);
        let path = if path.is_dir() {
            path
        } else {
            path.with_extension("rs")
        };
        files(path, &mut found);
        for (path, code) in found {
            for import in imports(&code) {
                // The compiler lets nothing but tests use this one.
                if import == "testing" {
                    continue;
                }
                let level = levels
                    .get(&*import)
                    .unwrap_or_else(|| panic!("{}: crate::{import}", path.display()));
                assert!(
                    *level <= levels[module],
                    "{}: {import} is above {module}",
                    path.display()
                );
                count += 1;
            }
        }
    }
    assert!(count > 500, "{count}");
}

#[test]
fn the_documentation_draws_the_same_layers() {
    let page = read("../../docs/architecture.md");
    let (_, section) = page.split_once("\n## Layers\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let drawn: Vec<Vec<&str>> = rows
        .map(|row| {
            let cell = row.split('|').nth(1).unwrap();
            cell.split(',')
                .map(|name| name.trim().trim_matches('`'))
                .collect()
        })
        .collect();
    assert_eq!(drawn, layers(&read("src/lib.rs")));
}
