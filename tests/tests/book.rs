//! The book is whole: its pages are in its list, its links lead somewhere, and its code is compiled.
//!
//! That its commands do what it says is `crates/portcullis-cli/tests/book.rs`.

use std::fs;
use std::path::{Path, PathBuf};

use portcullis::suite::CipherSuite;
use portcullis::{NamedGroup, ProtocolVersion, SignatureScheme};

/// Where files and folders of the repository are shown.
const FILES: &str = "https://github.com/portcullis-tls/portcullis/blob/main/";
const TREES: &str = "https://github.com/portcullis-tls/portcullis/tree/main/";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The pages that there are, by their paths from `docs`.
fn pages(folder: &Path, pages: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            self::pages(&path, pages);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            let path = path.strip_prefix(root().join("docs")).unwrap();
            pages.push(path.to_str().unwrap().to_owned());
        }
    }
}

fn all_pages() -> Vec<String> {
    let mut all = Vec::new();
    pages(&root().join("docs"), &mut all);
    all.sort();
    all
}

/// Where the links of a page lead. What stands in code is none.
fn links(text: &str) -> Vec<&str> {
    let mut links = Vec::new();
    for block in text.split("\n```").step_by(2) {
        for prose in block.split('`').step_by(2) {
            for (at, mark) in prose.match_indices("](") {
                let rest = &prose[at + mark.len()..];
                links.push(rest.split(')').next().unwrap());
            }
        }
    }
    links
}

#[test]
fn the_list_has_every_page_once() {
    let summary = read("docs/SUMMARY.md");
    let mut listed: Vec<String> = links(&summary).into_iter().map(str::to_owned).collect();
    listed.push("SUMMARY.md".to_owned());
    listed.sort();
    assert_eq!(listed, all_pages());
}

/// As GitHub and mdBook make an anchor of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter_map(|sign| match sign {
        ' ' => Some('-'),
        '-' | '_' => Some(sign),
        _ => sign.is_alphanumeric().then_some(sign),
    });
    kept.collect()
}

fn has_anchor(page: &str, name: &str) -> bool {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| anchor(line.trim_start_matches('#')))
        .any(|anchor| anchor == name)
}

/// In the book nothing is beside `docs`: what is elsewhere in the repository is linked to as a whole.
#[test]
fn links_lead_somewhere() {
    let mut count = 0;
    for name in all_pages() {
        let path = Path::new("docs").join(&name);
        let page = read(&path);
        for link in links(&page) {
            let (target, heading) = link.split_once('#').unwrap_or((link, ""));
            let outside = target.strip_prefix(FILES).or(target.strip_prefix(TREES));
            let target = match outside {
                Some(target) => PathBuf::from(target),
                None if target.starts_with("https://") => continue,
                None if target.is_empty() => path.clone(),
                None => path.parent().unwrap().join(target),
            };
            let whole = root().join(&target);
            assert!(whole.exists(), "{name}: {link}");
            if outside.is_none() {
                let docs = root().join("docs").canonicalize().unwrap();
                let whole = whole.canonicalize().unwrap();
                assert!(
                    whole.starts_with(docs),
                    "{name}: {link} leads out of the book"
                );
            }
            if !heading.is_empty() {
                assert!(has_anchor(&read(&target), heading), "{name}: {link}");
            }
            count += 1;
        }
    }
    assert!(count > 100, "{count}");
}

/// Each page with code of Rust is compiled by `src/lib.rs` here, all of it.
#[test]
fn code_is_compiled() {
    let compiled = read("tests/src/lib.rs");
    let mut count = 0;
    for name in all_pages() {
        let page = read(Path::new("docs").join(&name));
        let mut fences = page.lines().filter(|line| line.starts_with("```"));
        let mut has_code = false;
        while let (Some(fence), Some(_)) = (fences.next(), fences.next()) {
            let Some(attributes) = fence.strip_prefix("```rust") else {
                continue;
            };
            assert!(matches!(attributes, "" | ",no_run"), "{name}: {fence}");
            has_code = true;
        }
        let line = format!("#[doc = include_str!(\"../../docs/{name}\")]");
        assert_eq!(compiled.contains(&line), has_code, "{name}");
        count += usize::from(has_code);
    }
    assert!(count > 5, "{count}");
}

/// `docs/defaults.md` has the lists that are in the library, in their order.
#[test]
fn the_lists_of_the_defaults_are_those_of_the_library() {
    fn row<'p>(page: &'p str, what: &str) -> Vec<&'p str> {
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| {what} | ")));
        let row = row.unwrap_or_else(|| panic!("there is no row {what}"));
        let cell = row.split(" | ").nth(1).unwrap();
        cell.split('`').skip(1).step_by(2).collect()
    }
    fn names<T: ToString>(of: &[T]) -> Vec<String> {
        of.iter().map(ToString::to_string).collect()
    }
    let page = read("docs/defaults.md");
    assert_eq!(row(&page, "versions"), names(ProtocolVersion::DEFAULT));
    assert_eq!(row(&page, "suites"), names(CipherSuite::DEFAULT));
    assert_eq!(row(&page, "groups"), names(NamedGroup::DEFAULT));
    assert_eq!(row(&page, "signatures"), names(SignatureScheme::DEFAULT));
}

/// The text between two marks, of which the first is there once.
fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    assert_eq!(text.matches(start).count(), 1, "{start}");
    let (_, rest) = text.split_once(start).unwrap();
    rest.split_once(end)
        .unwrap_or_else(|| panic!("{start} has no {end}"))
        .0
}

/// What a list in the sources has in it, behind its name, type and length.
fn list_of<'s>(source: &'s str, name: &str) -> &'s str {
    let list = between(source, &format!("const {name}: "), "\n}");
    // Of a block, or by itself.
    let list = list.split_once("];").map_or(list, |(list, _)| list);
    list.split_once(" = ").unwrap().1
}

/// The words of a list of words, in its order.
fn words_of(file: &str, name: &str) -> Vec<String> {
    let source = read(file);
    let words = list_of(&source, name).split('"').skip(1).step_by(2);
    let words: Vec<_> = words.map(str::to_owned).collect();
    assert!(words.len() > 5, "{file}: {name}");
    words
}

/// What stands in a cell as code.
fn code_in(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// The rows below a head of a table, each with its cells.
fn table<'p>(page: &'p str, head: &str) -> Vec<Vec<&'p str>> {
    let rows = between(page, &format!("\n{head}\n|---|"), "\n\n")
        .lines()
        .skip(1);
    let cells = |row: &'p str| row.trim_matches('|').split(" | ").map(str::trim).collect();
    rows.map(cells).collect()
}

/// `docs/command.md` has the exit codes that there are.
#[test]
fn exit_codes_are_those_of_the_command() {
    let source = read("crates/portcullis-cli/src/failure.rs");
    let classes = between(&source, "\nenum Class {\n", "}").lines();
    let codes = classes.map(|class| {
        class
            .trim()
            .trim_end_matches(',')
            .split_once(" = ")
            .unwrap()
            .1
    });
    let expected: Vec<&str> = ["0"].into_iter().chain(codes).collect();
    let page = read("docs/command.md");
    let rows = table(&page, "| exit code | meaning |");
    let seen: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(seen, expected);
    assert!(rows.iter().all(|row| row.len() == 2 && !row[1].is_empty()));
}

/// `docs/command.md` has the findings of a scan, and how bad each is; and of the rules those of suites.
#[test]
fn findings_are_those_of_a_scan() {
    let judge = "crates/portcullis-cli/src/scan/judge.rs";
    let source = read(judge);
    let page = read("docs/command.md");
    let rows = table(&page, "| finding | severity | what it is |");
    let seen: Vec<String> = rows.iter().flat_map(|row| code_in(row[0])).collect();
    let expected = words_of(judge, "FINDINGS");
    assert_eq!(seen, expected);
    let codes = read("crates/portcullis-cli/src/scan/codes.rs");
    let weaknesses = list_of(&codes, "ALL");
    let weaknesses: Vec<(&str, &str)> = weaknesses
        .split("(Self::")
        .skip(1)
        .map(|one| {
            (
                one.split(',').next().unwrap(),
                one.split('"').nth(1).unwrap(),
            )
        })
        .collect();
    for row in &rows {
        let id = row[0].trim_matches('`');
        let severity = match row[1] {
            "bad" => "Bad",
            "warn" => "Warn",
            other => panic!("{id}: {other}"),
        };
        let said = between(list_of(&source, "FINDINGS"), &format!("(\"{id}\", "), ")");
        assert_eq!(said, severity, "{id}");
    }
    let rule = between(&page, "`suite=` with ", ", of every suite");
    let named: Vec<_> = code_in(rule).collect();
    let known: Vec<_> = weaknesses.iter().map(|(_, name)| *name).collect();
    assert_eq!(named, known);
}

/// `docs/proxy.md` has what becomes of connections.
#[test]
fn outcomes_are_those_of_the_proxy() {
    let page = read("docs/proxy.md");
    let rows = table(&page, "| `outcome` | what became of the connection |");
    let seen: Vec<String> = rows.iter().flat_map(|row| code_in(row[0])).collect();
    let expected = words_of("crates/portcullis-proxy/src/meter.rs", "OUTCOMES");
    assert_eq!(seen, expected);
}

/// `docs/metrics.md` has the reasons that there are, and no other.
#[test]
fn reasons_are_those_that_are_counted() {
    let page = read("docs/metrics.md");
    let rows = table(&page, "| name | kind | labels | what it is |");
    let metrics: Vec<String> = rows.iter().flat_map(|row| code_in(row[0])).collect();
    let of = |name: &str| -> Vec<String> {
        let row = rows.iter().find(|row| row[0].trim_matches('`') == name);
        let cell = row.unwrap_or_else(|| panic!("there is no {name}"))[3];
        let is_word = |word: &String| word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let mut words: Vec<_> = code_in(cell)
            .filter(is_word)
            .filter(|word| !metrics.contains(word))
            .collect();
        words.sort();
        words.dedup();
        words
    };
    let mut failures = words_of("crates/portcullis/src/metrics/failure.rs", "REASONS");
    failures.sort();
    assert_eq!(of("tls_handshake_failures_total"), failures);
    let source = read("crates/portcullis/src/metrics/discarded.rs");
    let named = between(&source, "\nreasons! {\n", "}")
        .split('"')
        .skip(1)
        .step_by(2);
    let others = between(&source, "$($label,)+\n            \"", "];")
        .split('"')
        .step_by(2);
    let mut discarded: Vec<_> = named.chain(others).map(str::to_owned).collect();
    discarded.retain(|word| !word.trim().is_empty());
    discarded.sort();
    assert_eq!(of("dtls_discarded_total"), discarded);
}

/// What `benches/counts.tsv` has of an operation, less what the pipe between both ends copies: for the client, who sends,
/// and the server, allocations and copies of a byte.
fn counted(operation: &str, bytes: f64) -> [(f64, f64); 2] {
    let counts = read("benches/counts.tsv");
    ["client", "server"].map(|side| {
        let name = format!("{operation} {side}\t");
        let line = counts.lines().find_map(|line| line.strip_prefix(&name));
        let line = line.unwrap_or_else(|| panic!("benches/counts.tsv has no {name}"));
        let cells: Vec<f64> = line.split('\t').map(|cell| cell.parse().unwrap()).collect();
        let [_, allocations, copied] = cells[..] else {
            panic!("{line}");
        };
        (allocations, copied / bytes - 1.0)
    })
}

/// The table in `docs/architecture.md` of what happens to a byte on its way is made from what was counted.
#[test]
fn the_way_of_a_byte_is_as_it_was_counted() {
    const PAGE: &str = "docs/architecture.md";
    const MARKS: (&str, &str) = ("<!-- made from benches/counts.tsv -->\n", "<!-- end -->\n");
    let mut table = String::from(
        "| application data | sent: allocations | sent: copies of a byte | read: allocations | read: copies of a byte |\n\
         |---|---|---|---|---|\n",
    );
    for (operation, bytes, what) in [
        ("record", 16_384.0, "16 KiB, a full record"),
        ("bulk", 1_048_576.0, "1 MiB, by writes of 64 KiB"),
        ("tls12-record", 16_384.0, "a full record of TLS 1.2"),
    ] {
        let [sent, read] = counted(operation, bytes);
        let cells =
            [sent, read].map(|(allocations, copies)| format!(" {allocations:.1} | {copies:.2} |"));
        table += &format!("| {what} |{}\n", cells.concat());
    }
    let page = read(PAGE);
    let (before, rest) = page.split_once(MARKS.0).unwrap();
    let (there, behind) = rest.split_once(MARKS.1).unwrap();
    if std::env::var_os("UPDATE").is_some() {
        let page = [before, MARKS.0, &table, MARKS.1, behind].concat();
        return fs::write(root().join(PAGE), page).unwrap();
    }
    let advice = "UPDATE=1 cargo test -p portcullis-tests --test book the_way_of_a_byte";
    assert_eq!(there, table, "{PAGE} has another table: {advice}");
}

/// `{one,two}` in a path stands for each of these.
fn spelt_out(path: &str) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else {
        return vec![path.to_owned()];
    };
    let (names, behind) = rest.split_once('}').unwrap();
    let paths = names.split(',').map(|name| [before, name, behind].concat());
    paths.flat_map(|path| spelt_out(&path)).collect()
}

/// The files that `docs/architecture.md` speaks of.
#[test]
fn the_files_of_the_architecture_are_there() {
    let page = read("docs/architecture.md");
    let mut count = 0;
    for code in page.split('`').skip(1).step_by(2) {
        let of_core = code
            .strip_prefix("core/src/")
            .map(|rest| format!("portcullis-core/src/{rest}"));
        let whole = of_core.unwrap_or_else(|| code.to_owned());
        let is_path = whole.starts_with("portcullis") && whole.contains("/src/");
        if !is_path || whole.contains(' ') {
            continue;
        }
        for path in spelt_out(&whole) {
            assert!(
                root().join("crates").join(&path).exists(),
                "there is no {path}: {code}"
            );
            count += 1;
        }
    }
    assert!(count > 60, "{count}");
}
