//! House rules that the compiler does not check: which module may use which, how large a file may
//! be, and which words the prose avoids. Each rule is a function that returns the violations in a
//! set of sources. The test of a rule also shows that the rule detects a small violation.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A source file: its path relative to the root of the repository, with `/` as the separator, and
/// its text.
type Source = (String, String);

/// The top-level modules of `src/`, each with the others that it may use. `lib.rs` may use all of
/// them.
const ALLOWED: &[(&str, &[&str])] = &[
    ("analyzer", &[]),
    ("check", &[]),
    ("clock", &[]),
    ("credential", &["clock", "error", "lead", "type_id"]),
    ("error", &["lead"]),
    (
        "http",
        &[
            "credential",
            "error",
            "lead",
            "query",
            "schema",
            "search",
            "store",
            "trash",
        ],
    ),
    ("lead", &["analyzer", "clock", "error", "type_id"]),
    ("progress", &[]),
    (
        "query",
        &["clock", "error", "lead", "row", "schema", "storage"],
    ),
    ("row", &[]),
    (
        "schema",
        &["analyzer", "check", "error", "lead", "row", "storage"],
    ),
    (
        "search",
        &[
            "analyzer",
            "check",
            "error",
            "lead",
            "progress",
            "query",
            "row",
            "schema",
            "simulated_disk",
            "storage",
            "sync",
        ],
    ),
    ("simulated_disk", &["sync"]),
    (
        "storage",
        &[
            "clock",
            "credential",
            "error",
            "lead",
            "row",
            "simulated_disk",
            "sync",
        ],
    ),
    (
        "store",
        &[
            "check",
            "clock",
            "credential",
            "error",
            "lead",
            "progress",
            "query",
            "row",
            "schema",
            "search",
            "simulated_disk",
            "storage",
            "sync",
            "trash",
        ],
    ),
    ("sync", &[]),
    (
        "testing",
        &[
            "analyzer",
            "clock",
            "error",
            "lead",
            "row",
            "schema",
            "simulated_disk",
            "storage",
            "store",
            "sync",
        ],
    ),
    (
        "trash",
        &[
            "clock", "error", "lead", "query", "row", "schema", "storage",
        ],
    ),
    ("type_id", &[]),
];

/// For each of these modules, the crates that only it may name.
const CRATES: &[(&str, &[&str])] = &[
    ("storage", &["redb", "bincode"]),
    ("search", &["tantivy"]),
    ("http", &["http"]),
];

/// Phrases that read like a translation, with what to write instead.
const BANNED: &[(&str, &str)] = &[
    (" anew", "again, rebuilt, recreated"),
    ("told of", "reported, detected"),
    ("tells of", "reports"),
    ("is told", "is called with, receives"),
    ("are told", "are called with, receive"),
    ("whoever", "the caller, the thread"),
    ("nobody", "no caller, no thread"),
    ("somebody", "a caller, a thread"),
    ("goes on", "continues"),
    ("go on with", "continue with"),
    ("so many bytes", "a number, or the constant"),
    ("be it ", "even if"),
    ("of whom", "name the noun"),
    ("is damage,", "is corruption"),
    ("is damaged", "is corrupted"),
    ("mends ", "repairs"),
    ("mended", "repaired"),
];

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 60;

/// Returns the sources below the given folders of the repository, in the order of their paths.
fn sources(folders: &[&str], ending: &str) -> Vec<Source> {
    fn walk(folder: &Path, ending: &str, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                walk(&path, ending, found);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in folders {
        let path = root.join(folder);
        if path.is_dir() {
            walk(&path, ending, &mut paths);
        } else if path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    let source = |path: std::path::PathBuf| {
        let relative = path.strip_prefix(root).unwrap().to_string_lossy();
        let text = std::fs::read_to_string(&path).unwrap();
        (relative.replace('\\', "/"), text)
    };
    paths.into_iter().map(source).collect()
}

/// Returns the part of a file before its unit tests, without comments and without imports for
/// documentation.
fn code(text: &str) -> String {
    let code = text.split("\n#[cfg(test)]\nmod tests").next().unwrap();
    let mut lines: Vec<&str> = Vec::new();
    let mut skip_next = false;
    for line in code.lines() {
        if skip_next {
            skip_next = !line.ends_with(';');
        } else if line.contains("reason = \"linked from the documentation\"") {
            skip_next = true;
        } else if !line.trim_start().starts_with("//") {
            lines.push(line);
        }
    }
    lines.join("\n")
}

/// Returns the module path of a file below a crate's `src/`, such as `["storage", "journal"]`.
fn module(path: &str) -> Vec<String> {
    let below = path.rsplit_once("src/").map_or(path, |(_, below)| below);
    let stem = below.trim_end_matches(".rs");
    if stem == "lib" || stem == "main" {
        return Vec::new();
    }
    stem.split('/').map(str::to_owned).collect()
}

/// Returns every `crate::…` path in a file's code. A braced import gives one path for each item.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (start, _) in code.match_indices("crate::") {
        let rest = &code[start + "crate::".len()..];
        let end = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':')
            .unwrap_or(rest.len());
        let path: Vec<String> = rest[..end]
            .split("::")
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        match rest[end..]
            .strip_prefix('{')
            .filter(|_| rest[..end].ends_with("::"))
        {
            Some(group) => {
                let group = group.split('}').next().unwrap_or_default();
                for item in group
                    .split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                {
                    let item = item.split(" as ").next().unwrap();
                    let parts = item.split("::").filter(|part| *part != "self");
                    found.push(
                        path.iter()
                            .cloned()
                            .chain(parts.map(str::to_owned))
                            .collect(),
                    );
                }
            }
            None => found.push(path),
        }
    }
    found
}

/// Returns the files that each file uses. A file that uses a re-exported item counts as using the
/// file that defines the item.
fn uses(sources: &[Source]) -> BTreeMap<String, BTreeSet<String>> {
    let files: BTreeMap<Vec<String>, &str> = sources
        .iter()
        .map(|(path, _)| (module(path), path.as_str()))
        .collect();
    let code_of: BTreeMap<&str, String> = sources
        .iter()
        .map(|(path, text)| (path.as_str(), code(text)))
        .collect();
    // The names that a file re-exports, with the module that they come from.
    let mut exports: BTreeMap<&str, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for (path, text) in sources {
        for statement in code(text).split(';') {
            let Some((visibility, path_and_names)) = statement.split_once("use ") else {
                continue;
            };
            if !visibility.trim_end().ends_with(')') && !visibility.trim_end().ends_with("pub") {
                continue;
            }
            let (from, names) = match path_and_names.split_once('{') {
                Some((from, names)) => (from, names.trim_end_matches('}')),
                None => path_and_names
                    .rsplit_once("::")
                    .unwrap_or(("", path_and_names)),
            };
            let parts = from
                .split("::")
                .filter(|part| !part.is_empty())
                .map(|part| part.trim().to_owned());
            let mut from: Vec<String> = parts.collect();
            if from.first().is_some_and(|first| first == "crate") {
                from.remove(0);
            } else {
                from = module(path).into_iter().chain(from).collect();
            }
            for name in names
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
            {
                let name = name.rsplit(" as ").next().unwrap().to_owned();
                exports
                    .entry(path.as_str())
                    .or_default()
                    .insert(name, from.clone());
            }
        }
    }
    let resolve = |path: &[String]| {
        let mut path = path.to_vec();
        for _ in 0..6 {
            let (length, file) = (1..=path.len())
                .rev()
                .find_map(|length| Some((length, *files.get(&path[..length])?)))?;
            let item = path.get(length)?;
            match exports.get(file).and_then(|names| names.get(item)) {
                Some(from) => path = from.iter().cloned().chain([item.clone()]).collect(),
                None => return Some(file.to_owned()),
            }
        }
        None
    };
    let file_of = |path: &[String]| {
        resolve(path).or_else(|| {
            let whole = (1..=path.len()).rev();
            whole
                .map(|length| files.get(&path[..length]))
                .find_map(|file| Some((*file?).to_owned()))
        })
    };
    let uses = |(path, _): &Source| {
        let code = &code_of[path.as_str()];
        let used = paths(code)
            .into_iter()
            .filter_map(|used| file_of(&used))
            .filter(|used| used != path);
        (path.clone(), used.collect())
    };
    sources.iter().map(uses).collect()
}

/// Returns a message for each file in an import cycle.
fn cycles(sources: &[Source]) -> Vec<String> {
    let uses = uses(sources);
    let reaches = |from: &str, to: &str| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(file) = next.pop() {
            for used in &uses[file] {
                if used == to {
                    return true;
                }
                if seen.insert(used.as_str()) {
                    next.push(used);
                }
            }
        }
        false
    };
    uses.keys()
        .filter(|file| reaches(file, file))
        .map(|file| format!("{file} uses itself through {:?}", uses[file]))
        .collect()
}

/// Returns a message for each use of a module by another module that may not use it, and for each
/// file whose module has no line in `ALLOWED`.
fn forbidden_dependencies(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, used) in uses(sources) {
        let Some(owner) = module(&path).first().cloned() else {
            continue;
        };
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == owner) else {
            wrong.push(format!("{path}: the module {owner} has no line in ALLOWED"));
            continue;
        };
        for used in used {
            let Some(other) = module(&used).first().cloned() else {
                wrong.push(format!("{path} uses lib.rs"));
                continue;
            };
            if other != owner && !allowed.contains(&other.as_str()) {
                wrong.push(format!("{path} uses {used}: {owner} may not use {other}"));
            }
        }
    }
    wrong
}

/// Returns a message for each file that names a crate reserved for another module.
fn misplaced_crates(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, text) in sources {
        let module = module(path);
        for (owner, crates) in CRATES {
            if module.first().is_some_and(|first| first == owner) {
                continue;
            }
            for name in *crates {
                let named = |line: &str| {
                    let line = line.trim_start();
                    line.starts_with(&format!("use {name}::"))
                        || line.contains(&format!(" ::{name}::"))
                        || *name != "http" && line.contains(&format!("{name}::"))
                };
                if text
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("//"))
                    .any(named)
                {
                    wrong.push(format!("{path} names {name}, which only {owner} may"));
                }
            }
        }
    }
    wrong
}

/// Returns a message for each file that is too long or does not begin with a module comment, and
/// for each function of the library that is too long.
fn sizes(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, text) in sources {
        let lines: Vec<&str> = text.lines().collect();
        if lines.len() > FILE_LINES_MAX {
            wrong.push(format!("{path} has {} lines", lines.len()));
        }
        if !text.starts_with("//!") {
            wrong.push(format!("{path} does not begin with //!"));
        }
        if !path.starts_with("src/") {
            continue;
        }
        // Unit tests may have longer functions, because of their tables of cases.
        let code = text.split("\n#[cfg(test)]\nmod tests").next().unwrap();
        let lines: Vec<&str> = code.lines().collect();
        for (start, line) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let is_function = line.contains("fn ")
                && !line.trim_start().starts_with("//")
                && !line.contains('"')
                && !line.trim_end().ends_with(';');
            if !is_function {
                continue;
            }
            let end = lines[start..]
                .iter()
                .position(|line| line.len() == indent + 1 && line.ends_with('}'));
            if let Some(length) = end.filter(|length| *length + 1 > FUNCTION_LINES_MAX) {
                wrong.push(format!(
                    "{path}:{} has a function of {} lines",
                    start + 1,
                    length + 1
                ));
            }
        }
    }
    wrong
}

/// Returns a message for each type name that is defined in more than one file.
fn repeated_types(sources: &[Source]) -> Vec<String> {
    let mut defined: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (path, text) in sources {
        for line in code(text).lines() {
            let line = line
                .trim_start_matches("pub(crate) ")
                .trim_start_matches("pub ");
            for keyword in ["struct ", "enum ", "trait ", "type "] {
                if let Some(rest) = line.strip_prefix(keyword) {
                    let end = rest
                        .find(|c: char| !c.is_alphanumeric())
                        .unwrap_or(rest.len());
                    defined
                        .entry(rest[..end].to_owned())
                        .or_default()
                        .insert(path);
                }
            }
        }
    }
    defined
        .into_iter()
        .filter(|(_, files)| files.len() > 1)
        .map(|(name, files)| format!("{name} is defined in {files:?}"))
        .collect()
}

/// Returns a message for each line with a phrase that the house style avoids.
fn banned_phrases(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, text) in sources {
        for (number, line) in text.lines().enumerate() {
            let lower = line.to_lowercase();
            for (phrase, instead) in BANNED {
                if lower.contains(phrase) {
                    wrong.push(format!(
                        "{path}:{}: {phrase:?}; write: {instead}",
                        number + 1
                    ));
                }
            }
        }
    }
    wrong
}

/// Returns the lines that name a module by a relative path (`super::`), which breaks when the file
/// is moved. Allows `use super::*;`.
fn relative_paths(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, text) in sources {
        for (number, line) in text.lines().enumerate() {
            let is_comment = line.trim_start().starts_with("//");
            if !is_comment && line.contains("super::") && line.trim() != "use super::*;" {
                wrong.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    wrong
}

/// Returns the unresolved names in backticks on a page: files or folders that are not in `src/`,
/// and tests, written as `module::name`, that no file of the module contains.
fn unresolved_names(page: &str, sources: &[Source]) -> Vec<String> {
    let exists = |name: &str| {
        if let Some((modules, test)) = name.rsplit_once("::") {
            let modules = modules.trim_end_matches("::tests").replace("::", "/");
            let in_module = |path: &str| {
                ["src/", "tests/it/"].iter().any(|root| {
                    path.strip_prefix(root)
                        .and_then(|rest| rest.strip_prefix(modules.as_str()))
                        .is_some_and(|rest| rest.starts_with(['/', '.']))
                })
            };
            let function = format!("fn {test}(");
            return sources
                .iter()
                .any(|(path, text)| in_module(path) && text.contains(&function));
        }
        let path = format!("src/{name}");
        sources
            .iter()
            .any(|(file, _)| *file == path || path.ends_with('/') && file.starts_with(&path))
    };
    page.split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| {
            let is_test = name.contains("::") && !name.contains(char::is_uppercase);
            let is_file = name.contains('/') && !name.starts_with("tests/") && !name.contains(' ');
            (is_test || is_file) && !exists(name)
        })
        .map(str::to_owned)
        .collect()
}

#[track_caller]
fn assert_none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

fn library() -> Vec<Source> {
    let mut library = sources(&["src"], ".rs");
    library.retain(|(path, _)| !path.ends_with("/tests.rs"));
    assert!(library.len() > 100, "the sources were not found");
    library
}

fn example(path: &str, text: &str) -> Source {
    (path.to_owned(), text.to_owned())
}

#[test]
fn no_files_use_each_other_in_a_cycle() {
    assert_none(cycles(&library()));
    assert_none(cycles(&sources(&["benches/peers/src"], ".rs")));
    let cycle = [
        example("src/a.rs", "use crate::b::B;"),
        example("src/b.rs", "pub(crate) use crate::c::C;"),
        example("src/c.rs", "fn c() -> crate::a::A {}"),
    ];
    assert_eq!(cycles(&cycle).len(), 3);
    let reexport = [
        example("src/a.rs", "mod inner;\npub(crate) use inner::{A, B};"),
        example("src/a/inner.rs", "use crate::b::X;"),
        example("src/b.rs", "use crate::a::{A, B};"),
    ];
    assert_eq!(cycles(&reexport).len(), 2, "{:?}", cycles(&reexport));
}

#[test]
fn modules_use_only_the_modules_that_they_may() {
    assert_none(forbidden_dependencies(&library()));
    let upwards = [
        example(
            "src/storage/journal.rs",
            "use crate::store::{LeadStore, Snapshot};",
        ),
        example("src/store.rs", ""),
        example("src/attic.rs", ""),
    ];
    assert_eq!(
        forbidden_dependencies(&upwards).len(),
        2,
        "{:?}",
        forbidden_dependencies(&upwards)
    );
}

#[test]
fn each_crate_is_named_in_its_module_alone() {
    assert_none(misplaced_crates(&library()));
    for named in [
        "use redb::Builder;",
        "let x = bincode::encode();",
        "use tantivy::Term;",
        "use http::Request;",
        "use ::http::Method;",
    ] {
        assert_eq!(
            misplaced_crates(&[example("src/query.rs", named)]).len(),
            1,
            "{named}"
        );
    }
    assert_none(misplaced_crates(&[example(
        "src/lib.rs",
        "pub mod http;\nuse crate::http::Scope;",
    )]));
}

#[test]
fn files_and_functions_fit_their_limits_and_files_say_what_they_hold() {
    assert_none(sizes(&sources(&["src", "examples", "benches"], ".rs")));
    let long_file = format!("//! A file.\n{}", "\n".repeat(FILE_LINES_MAX));
    assert_eq!(sizes(&[example("src/a.rs", &long_file)]).len(), 1);
    let long_function = format!(
        "//! A file.\nfn f() {{\n{}}}\n",
        "    f();\n".repeat(FUNCTION_LINES_MAX)
    );
    assert_eq!(sizes(&[example("src/a.rs", &long_function)]).len(), 1);
    assert_eq!(sizes(&[example("src/a.rs", "fn f() {}\n")]).len(), 1);
}

#[test]
fn no_type_name_is_defined_twice() {
    assert_none(repeated_types(&library()));
    let twice = [
        example("src/a.rs", "pub(crate) struct Part(u8);"),
        example("src/b.rs", "enum Part {}"),
    ];
    assert_eq!(repeated_types(&twice).len(), 1);
}

#[test]
fn prose_avoids_the_phrases_of_the_list() {
    let mut prose = library();
    prose.extend(sources(
        &["tests/it", "examples", "benches", "fuzz/fuzz_targets"],
        ".rs",
    ));
    prose.extend(sources(
        &[
            "src",
            "README.md",
            "CHANGELOG.md",
            "ARCHITECTURE.md",
            "CONTRIBUTING.md",
            "SECURITY.md",
        ],
        ".md",
    ));
    prose.extend(sources(&["src/http"], ".d.ts"));
    assert_none(banned_phrases(&prose));
    let translated = [example(
        "src/a.rs",
        "// The index is made anew, and nobody is told of it.",
    )];
    assert_eq!(
        banned_phrases(&translated).len(),
        4,
        "{:?}",
        banned_phrases(&translated)
    );
}

#[test]
fn modules_are_named_by_absolute_paths() {
    assert_none(relative_paths(&library()));
    assert_eq!(
        relative_paths(&[example("src/a.rs", "use super::b::B;")]).len(),
        1
    );
}

#[test]
fn files_and_tests_that_the_architecture_names_exist() {
    let sources = sources(&["src", "tests/it"], ".rs");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("`store/engine.rs`") && page.contains("`model::"));
    assert_none(unresolved_names(&page, &sources));
    let wrong =
        "`store/cellar.rs`, `attic/`, `model::no_such_test`, `threads::answers_match_a_plain_map`";
    assert_eq!(unresolved_names(wrong, &sources).len(), 4);
}
