//! The Python names that a session may contain.
//!
//! Nothing is ever imported or called here, so this does not protect the Rust service. It protects the Python services
//! of the fleet: the Rust service must not renew, with a new lifetime, a value that an attacker planted to run code
//! there.

use super::{
    arena::Arena,
    node::{Id, Node, Reason},
};

/// Data classes and functions in modules that are otherwise refused.
const KNOWN: &[(&str, &[&str])] = &[
    ("_codecs", &["encode"]),
    ("types", &["SimpleNamespace"]),
    ("_io", &["BytesIO", "StringIO"]),
    ("copyreg", &["_reconstructor"]),
    ("copy_reg", &["_reconstructor"]),
];

/// The built-in classes that hold data.
const DATA: &str = "\
    bool bytearray bytes complex dict float frozenset int list long object range set slice str tuple unicode \
    xrange";

/// Modules with functions that start programs, or import or evaluate code.
const REFUSED: &str = "\
    _io _operator _pickle _posixsubprocess _winapi asyncio bdb cProfile code codeop commands ctypes importlib \
    imp inspect io linecache marshal mmap multiprocessing nt operator os pdb pickle pip pkgutil popen2 posix \
    pty pydoc runpy shelve shutil socket subprocess sys tempfile timeit types webbrowser zipimport";

/// Checks a class or function: names that run code are refused; all others are kept, because an unreadable session is
/// useless. Returns true if it may only be called in a shape that [`check_call`] accepts.
pub(super) fn check_name(module: &str, name: &str) -> Result<bool, Reason> {
    // Protocols below 4 write module and name on a line each.
    if module.is_empty() || name.is_empty() || [module, name].iter().any(|text| text.contains(['\n', '\r'])) {
        return Err("global");
    }
    let builtin = matches!(module, "builtins" | "__builtin__");
    if builtin && name == "getattr" {
        return Ok(true);
    }
    if builtin && DATA.split(' ').any(|known| known == name) {
        return Ok(false);
    }
    if KNOWN.iter().any(|(known, names)| *known == module && names.contains(&name)) {
        return Ok(false);
    }
    let exception = ["Error", "Exception", "Warning"].iter().any(|end| name.ends_with(end));
    let top = module.split('.').next().unwrap_or_default();
    let refused = builtin && !exception
        || REFUSED.split(' ').any(|refused| refused == top)
        || matches!(top, "_codecs" | "copyreg" | "copy_reg")
        || name.split('.').any(|part| part.starts_with("__") && part.ends_with("__"));
    if refused { Err("global") } else { Ok(false) }
}

/// The length of the names that [`check_call`] compares, if it compares any.
pub(super) fn names_of_call(arena: &Arena, callable: Id, args: Id) -> Option<usize> {
    if !arena.is_only_called(callable) {
        return None;
    }
    let [owner, member] = arena.tuple(args)? else { return None };
    let Node::Global { module, name } = arena.node(*owner) else { return None };
    Some([module, name, member].into_iter().map(|id| arena.str_len(*id)).sum())
}

/// Checks that `callable` is a class or function, and that `getattr` is called only as in Python's own pickles: to find
/// `ZoneInfo._unpickle`, a member of an enumeration, or a nested class.
pub(super) fn check_call(arena: &Arena, callable: Id, args: Id) -> Result<(), Reason> {
    let args = arena.tuple(args).ok_or("args_not_tuple")?;
    match arena.node(callable) {
        Node::Global { .. } if arena.is_only_called(callable) => {
            let [owner, name] = args else { return Err("global") };
            let (module, class) = arena.global(*owner).ok_or("global")?;
            let zone = (module, class) == ("zoneinfo", "ZoneInfo");
            match arena.text(*name) {
                Some("_unpickle") if zone => Ok(()),
                Some(member) if !zone && !member.starts_with('_') && !member.contains('.') => Ok(()),
                _ => Err("global"),
            }
        }
        Node::Global { .. } => Ok(()),
        Node::Object(found) if arena.is_only_called(found.callable) => match arena.tuple(found.args) {
            Some([_, name]) if arena.str_bytes(*name) == Some(b"_unpickle") => Ok(()),
            _ => Err("bad_callable"),
        },
        _ => Err("bad_callable"),
    }
}

/// Refuses a state that would give an object another class.
pub(super) fn check_state(arena: &Arena, state: Id) -> Result<(), Reason> {
    if arena.names_class(state) { Err("state_class") } else { Ok(()) }
}
