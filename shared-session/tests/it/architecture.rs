//! Compares the table "Module layers" of ARCHITECTURE.md with the imports in the code.
//!
//! A module imports only from the rows above its own, and from modules before an arrow in its own row. A re-exported
//! name counts as an import from its origin; re-exporting a child does not count. The test sees imports only, not the
//! methods that another module adds to a type.
//!
//! The examples have no table; their modules must not import each other in a circle.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A path from the crate's root.
type Segments = Vec<String>;

/// The names that each module imports, with their origin.
type Names = BTreeMap<Segments, BTreeMap<String, Segments>>;

#[test]
fn every_module_is_in_the_table_and_imports_only_from_the_rows_above() {
    let layers = layers(&read(&root().join("../ARCHITECTURE.md")));
    let source = Source::of(&root().join("src"));
    let mut found = Vec::new();
    for row in layers.keys().filter(|row| !source.modules.contains(&split(row))) {
        found.push(format!("the table names `{row}`, which is no module"));
    }
    for (module, code) in &source.code {
        let name = module.join("::");
        let Some(layer) = layers.get(&name) else {
            found.push(format!("the table does not name `{name}`"));
            continue;
        };
        for import in source.imports(code, module) {
            let import = import.join("::");
            if layers.get(&import).is_none_or(|other| other >= layer) {
                found.push(format!("`{name}` imports from `{import}`, which the table does not allow"));
            }
        }
    }
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), found.join("\n"));
}

#[test]
fn no_modules_of_the_examples_import_each_other_in_a_circle() {
    for program in ["src", "site", "api"] {
        let source = Source::of(&root().join("../examples").join(program));
        let circles = source.circles();
        assert!(!source.code.is_empty() && circles.is_empty(), "circles in examples/{program}: {circles:#?}");
    }
}

#[test]
fn circles_are_found() {
    let files = [
        ("a", "use crate::b;"),
        ("b", "use crate::c;"),
        ("c", "use crate::{a, d};"),
        ("d", "use crate::e;"),
        ("e", ""),
    ];
    let source = Source::new(files.map(|(module, text)| (split(module), format!("{text}\n"))).into());
    assert_eq!(source.circles().into_keys().collect::<Vec<_>>(), ["a", "b", "c"]);
}

#[test]
fn no_module_imports_what_the_root_re_exports() {
    let source = Source::of(&root().join("src"));
    let mut found = Vec::new();
    for (module, code) in &source.code {
        for (path, _) in source.paths(code, module, &["crate::", "super::", "use "]) {
            let name = path.concat();
            if path.len() == 1 && name.starts_with(|c: char| c.is_ascii_uppercase()) {
                found.push(format!("`{}` imports `crate::{name}`: import it from its module", module.join("::")));
            }
        }
    }
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), found.join("\n"));
}

#[test]
fn imports_are_seen_however_they_are_written() {
    let files =
        [("", "pub use c::d::Thing;"), ("a", "mod b;\nuse crate::c::Word;"), ("a::b", ""), ("c", ""), ("c::d", "")];
    let source = Source::new(files.map(|(module, text)| (split(module), text.to_owned())).into());
    let seen = |module: &str, text: &str| -> Vec<String> {
        let imports = source.imports(&without_comments_and_tests(text), &split(module));
        imports.into_iter().map(|path| path.join("::")).collect()
    };
    assert_eq!(seen("a::b", "use crate::c::d::Other;\n"), ["c::d"]);
    assert_eq!(seen("a::b", "use crate::{\n    Thing,\n    c::{Word, d::Other as It},\n};\n"), ["c", "c::d"]);
    assert_eq!(seen("a::b", "use super::super::c;\n"), ["c"]);
    assert_eq!(seen("a::b", "use super::{Name, Word};\n"), ["a", "c"]);
    assert_eq!(seen("a::b", "fn f() -> crate::c::d::Other {}\n"), ["c::d"]);
    assert_eq!(seen("a::b", "    pub(crate) use super::Name;\n"), ["a"]);
    assert_eq!(seen("a", "mod b;\nuse b::Name;\n"), ["a::b"]);
    assert_eq!(seen("a", "mod b;\nfn f() { b::run() }\n"), ["a::b"]);
    assert!(seen("a", "mod b;\npub(crate) use b::Name;\npub use b::Other;\n").is_empty());
    assert!(seen("a::b", "// crate::c is only spoken of\n/// and [`crate::c`] too\n").is_empty());
    assert!(seen("a::b", "#[cfg(test)]\nmod tests {\n    use crate::c::d;\n}\n").is_empty());
    assert_eq!(seen("a::b", "#[cfg(test)]\nuse crate::c::d;\nuse crate::c::Word;\n"), ["c"]);
    assert_eq!(seen("a::b", "#[cfg(feature = \"testing\")]\nuse crate::c::d;\n"), ["c::d"]);
}

#[test]
fn a_module_is_above_those_in_later_rows_and_behind_later_arrows() {
    let layers = layers(
        "## Module layers\n\n| folder | modules | why |\n|---|---|---|\n| `crate` | `a` → `b::c` `d` | |\n\
         | `e` | `f` → `self` | `x` |\n\n## Next\n| `f` | `g` |",
    );
    let order: Vec<_> = layers.iter().map(|(name, layer)| (name.as_str(), *layer)).collect();
    assert_eq!(order, [("a", (0, 0)), ("b::c", (0, 1)), ("d", (0, 1)), ("e", (1, 1)), ("e::f", (1, 0))]);
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn split(path: &str) -> Segments {
    path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// The row of each module in the table, and the number of arrows before it in that row.
fn layers(page: &str) -> BTreeMap<String, (usize, usize)> {
    let (_, section) = page.split_once("## Module layers").expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let mut layers = BTreeMap::new();
    for (number, row) in rows.enumerate() {
        let mut cells = row.trim_start_matches('|').split('|');
        let mut next = || cells.next().unwrap_or_default();
        let (folder, modules) = (next().trim_matches([' ', '`']), next());
        for (step, names) in modules.split('→').enumerate() {
            for name in names.split('`').skip(1).step_by(2) {
                let path = match (folder, name) {
                    ("crate", name) => name.to_owned(),
                    (folder, "self") => folder.to_owned(),
                    (folder, name) => format!("{folder}::{name}"),
                };
                assert!(layers.insert(path, (number, step)).is_none(), "the table names `{name}` of `{folder}` twice");
            }
        }
    }
    layers
}

/// The modules of a crate.
struct Source {
    /// All modules, including those for tests.
    modules: BTreeSet<Segments>,
    /// The code of the modules in the table, without comments and tests.
    code: BTreeMap<Segments, String>,
    names: Names,
}

impl Source {
    fn of(directory: &Path) -> Self {
        let module = |file: &PathBuf| module_of(directory, file);
        Self::new(rust_files(directory).iter().map(|file| (module(file), read(file))).collect())
    }

    fn new(files: BTreeMap<Segments, String>) -> Self {
        let modules = files.keys().filter(|module| !module.is_empty()).cloned().collect();
        let files = files.into_iter().filter(|(module, _)| !is_for_tests(module));
        let mut code: BTreeMap<_, _> =
            files.map(|(module, text)| (module, without_comments_and_tests(&text))).collect();
        let mut source = Self { modules, code: BTreeMap::new(), names: Names::new() };
        source.names = code.iter().map(|(module, code)| (module.clone(), source.names_in(code, module))).collect();
        // The root only re-exports.
        code.remove(&Segments::new());
        source.code = code;
        source
    }

    /// The `use` declarations of `module`.
    fn names_in(&self, code: &str, module: &[String]) -> BTreeMap<String, Segments> {
        let paths = self.paths(code, module, &["use "]);
        paths.into_iter().filter_map(|(path, _)| Some((path.last()?.clone(), path))).collect()
    }

    /// The modules that the code of `module` names.
    fn imports(&self, code: &str, module: &[String]) -> BTreeSet<Segments> {
        let children = self.modules.iter().filter(|child| child.len() == module.len() + 1 && child.starts_with(module));
        let children: Vec<String> = children.filter_map(|child| Some(format!("{}::", child.last()?))).collect();
        let starts: Vec<&str> =
            ["crate::", "super::", "use "].into_iter().chain(children.iter().map(String::as_str)).collect();
        let mut found = BTreeSet::new();
        for (path, is_passed_on) in self.paths(code, module, &starts) {
            let origin = self.origin(path);
            let target =
                (1..=origin.len()).rev().map(|end| origin[..end].to_vec()).find(|end| self.modules.contains(end));
            let Some(target) = target.filter(|target| target != module) else { continue };
            if !(is_passed_on && target.starts_with(module)) {
                found.insert(target);
            }
        }
        found
    }

    /// The modules that import each other in a circle, and those that import one of them; with their imports.
    fn circles(&self) -> BTreeMap<String, Vec<String>> {
        let imports = self.code.iter().map(|(module, code)| (module.clone(), self.imports(code, module)));
        let mut left: BTreeMap<_, _> = imports.collect();
        loop {
            let modules: BTreeSet<_> = left.keys().cloned().collect();
            left.retain(|_, imports| !imports.is_disjoint(&modules));
            if left.len() == modules.len() {
                let shown = |path: &Segments| path.join("::");
                let within = |imports: &BTreeSet<_>| imports.intersection(&modules).map(shown).collect();
                return left.iter().map(|(module, imports)| (shown(module), within(imports))).collect();
            }
        }
    }

    /// The paths in `code` that begin with one of `starts`, from the crate's root, and whether each is re-exported.
    fn paths(&self, code: &str, module: &[String], starts: &[&str]) -> Vec<(Segments, bool)> {
        let mut found = Vec::new();
        for start in starts {
            for (at, _) in code.match_indices(start) {
                let before = &code[..at];
                let is_use = *start == "use ";
                if before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ':')) {
                    continue;
                }
                if !is_use && (before.ends_with("use ") || before.ends_with("pub(in ")) {
                    continue;
                }
                let is_passed_on = is_use && (before.ends_with("pub ") || before.ends_with(") "));
                let mut position = if is_use { at + start.len() } else { at };
                let paths = tree(code, &mut position);
                found.extend(paths.iter().filter_map(|path| Some((self.absolute(path, module)?, is_passed_on))));
            }
        }
        found
    }

    /// The path from the crate's root; `None` for a path of another crate.
    fn absolute(&self, path: &[String], module: &[String]) -> Option<Segments> {
        let first = path.first()?;
        match first.as_str() {
            "crate" => Some(path[1..].to_vec()),
            "self" => Some([module, &path[1..]].concat()),
            "super" => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                Some([&module[..module.len().checked_sub(ups)?], &path[ups..]].concat())
            }
            _ => {
                let child = [module, &path[..1]].concat();
                self.modules.contains(&child).then(|| [module, path].concat())
            }
        }
    }

    /// The origin of the item at `path`, through all modules that re-export it.
    fn origin(&self, mut path: Segments) -> Segments {
        for _ in 0..10 {
            let module = (0..path.len()).rev().find(|end| *end == 0 || self.modules.contains(&path[..*end]));
            let Some(module) = module.filter(|_| !self.modules.contains(&path)) else { return path };
            let Some(origin) = self.names.get(&path[..module]).and_then(|names| names.get(&path[module])) else {
                return path;
            };
            path = [origin.as_slice(), &path[module + 1..]].concat();
        }
        path
    }
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// `engine/near/cache.rs` is `engine::near::cache`; `lib.rs` and `main.rs` are the root.
fn module_of(source: &Path, file: &Path) -> Segments {
    let path = file.strip_prefix(source).unwrap().with_extension("");
    let module: Segments = path.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if module == ["lib"] || module == ["main"] { Vec::new() } else { module }
}

fn is_for_tests(module: &[String]) -> bool {
    module.iter().any(|part| part == "tests" || part == "fuzzing")
}

/// The paths of a `use` tree or of a path in an expression, from `position` on.
fn tree(text: &str, position: &mut usize) -> Vec<Segments> {
    let mut segments = Segments::new();
    loop {
        let rest = &text[*position..];
        let trimmed = rest.trim_start();
        *position += rest.len() - trimmed.len();
        if trimmed.starts_with('{') {
            *position += 1;
            let mut paths = Vec::new();
            loop {
                let rest = text[*position..].trim_start_matches([' ', '\n', ',']);
                *position = text.len() - rest.len();
                if rest.is_empty() || rest.starts_with('}') {
                    *position += usize::from(!rest.is_empty());
                    return paths;
                }
                let before = *position;
                paths.extend(tree(text, position).into_iter().map(|path| [segments.clone(), path].concat()));
                if *position == before {
                    return paths;
                }
            }
        }
        let length = trimmed.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(trimmed.len());
        if length == 0 {
            *position += usize::from(trimmed.starts_with('*'));
            return vec![segments];
        }
        if &trimmed[..length] != "self" || segments.is_empty() {
            segments.push(trimmed[..length].to_owned());
        }
        *position += length;
        if let Some(alias) = text[*position..].strip_prefix(" as ") {
            let end = alias.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(alias.len());
            *position += " as ".len() + end;
            return vec![segments];
        }
        if !text[*position..].starts_with("::") {
            return vec![segments];
        }
        *position += 2;
    }
}

fn without_comments_and_tests(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if is_test_attribute(line.trim_start()) {
            // The next item: a line, or a block that ends where the indentation ends.
            let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
            if lines.next().is_some_and(|next| next.ends_with('{')) {
                lines.by_ref().find(|line| *line == end);
            }
            continue;
        }
        code.push_str(line.split("//").next().unwrap_or_default());
        code.push('\n');
    }
    code
}

fn is_test_attribute(line: &str) -> bool {
    let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    line.starts_with("#[cfg(") && words.any(|word| word == "test")
}
