//! The arena that holds a loaded pickle.
//!
//! The index of a node is its name, so sharing costs nothing and no drop is recursive. A node is *sealed* once another
//! node holds it, and a sealed node never changes. Therefore the arena has no cycles, and the depth and the expanded
//! weight of a node are known when it is made: a memo bomb is refused without expanding it.

use std::{collections::HashSet, hash::RandomState};

use bytes::Bytes;

use super::node::{Id, Ids, MAX_BYTES, MAX_DEPTH, MAX_ENTRIES, MAX_NODES, MAX_WEIGHT, Node, Reason, Span};

/// The weight of a node besides its bytes.
const NODE_WEIGHT: u32 = 8;

#[derive(Clone, Copy)]
struct Meta {
    weight: u32,
    depth: u8,
    sealed: bool,
    unhashable: bool,
    role: Role,
}

/// Nodes with a special role, which are rare.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Any,
    /// May only be called: `builtins.getattr`, whose calls are checked by shape.
    OnlyCalled,
    /// A dict with the key `__class__`, or a tuple with such a dict: slots come as a pair of dicts.
    NamesClass,
}

impl Meta {
    const NEW: Self = Self { weight: NODE_WEIGHT, depth: 0, sealed: false, unhashable: false, role: Role::Any };
}

#[derive(Clone)]
struct Slot {
    node: Node,
    meta: Meta,
}

#[derive(Clone)]
pub(super) struct Arena {
    slots: Vec<Slot>,
    input: Bytes,
    added: Vec<u8>,
}

impl Arena {
    pub(super) fn new(input: Bytes) -> Self {
        let mut arena = Self { slots: Vec::new(), input, added: Vec::new() };
        for node in [Node::None, Node::Bool(false), Node::Bool(true), Node::Tuple(Ids::new())] {
            let meta = Meta { sealed: true, ..Meta::NEW };
            arena.slots.push(Slot { node, meta });
        }
        arena
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn node(&self, id: Id) -> &Node {
        &self.slots[id.index()].node
    }

    pub(super) fn bytes(&self, span: Span) -> &[u8] {
        let start = span.start as usize;
        match start.checked_sub(self.input.len()) {
            Some(start) => &self.added[start..][..span.len()],
            None => &self.input[start..][..span.len()],
        }
    }

    /// The bytes of a `str`.
    pub(super) fn str_bytes(&self, id: Id) -> Option<&[u8]> {
        match self.node(id) {
            Node::Str(span) => Some(self.bytes(*span)),
            _ => None,
        }
    }

    /// The length of a `str`; 0 for anything else.
    pub(super) fn str_len(&self, id: Id) -> usize {
        self.str_bytes(id).map_or(0, <[u8]>::len)
    }

    /// A `str` without lone surrogates.
    pub(super) fn text(&self, id: Id) -> Option<&str> {
        std::str::from_utf8(self.str_bytes(id)?).ok()
    }

    /// The module and the name of a class or function.
    pub(super) fn global(&self, id: Id) -> Option<(&str, &str)> {
        match self.node(id) {
            Node::Global { module, name } => Some((self.text(*module)?, self.text(*name)?)),
            _ => None,
        }
    }

    pub(super) fn tuple(&self, id: Id) -> Option<&[Id]> {
        match self.node(id) {
            Node::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// Adds `bytes` to those of the input.
    pub(super) fn store(&mut self, bytes: &[u8]) -> Result<Span, Reason> {
        let start = self.input.len() + self.added.len();
        if start + bytes.len() > 16 * MAX_BYTES {
            return Err("too_large");
        }
        self.added.extend_from_slice(bytes);
        Span::of(start..start + bytes.len())
    }

    pub(super) fn only_called(&mut self, id: Id) {
        self.slots[id.index()].meta.role = Role::OnlyCalled;
    }

    pub(super) fn is_only_called(&self, id: Id) -> bool {
        self.slots[id.index()].meta.role == Role::OnlyCalled
    }

    /// Whether the node, used as an object's state, would change the object's class.
    pub(super) fn names_class(&self, id: Id) -> bool {
        self.slots[id.index()].meta.role == Role::NamesClass
    }

    /// Adds a node that holds the nodes it names.
    pub(super) fn add(&mut self, node: Node) -> Result<Id, Reason> {
        if self.slots.len() >= MAX_NODES {
            return Err("nodes");
        }
        let mut meta = Meta::NEW;
        match &node {
            Node::None | Node::Bool(_) | Node::Int(_) | Node::Float(_) => {}
            // Writing digits takes quadratic time, so a long integer has more weight than its bytes.
            Node::Long(span) => meta.weight = NODE_WEIGHT.saturating_add(span.len.saturating_mul(span.len) / 16),
            Node::Str(span) | Node::Bytes(span) => meta.weight = NODE_WEIGHT.saturating_add(span.len),
            Node::ByteArray(span) => {
                meta.weight = NODE_WEIGHT.saturating_add(span.len);
                meta.unhashable = true;
            }
            Node::List(items) => {
                meta.unhashable = true;
                self.hold_all(&mut meta, items, false)?;
            }
            Node::Tuple(items) => {
                self.hold_all(&mut meta, items, false)?;
                meta.unhashable = items.iter().any(|item| self.slots[item.index()].meta.unhashable);
                let tuple = |item: &Id| matches!(self.node(*item), Node::Tuple(_));
                if items.iter().any(|item| !tuple(item) && self.names_class(*item)) {
                    meta.role = Role::NamesClass;
                }
            }
            Node::Set(items) => {
                meta.unhashable = true;
                self.hold_all(&mut meta, items, true)?;
            }
            Node::FrozenSet(items) => self.hold_all(&mut meta, items, true)?,
            Node::Dict(pairs) if pairs.len() > MAX_ENTRIES => return Err("nodes"),
            Node::Dict(pairs) => {
                meta.unhashable = true;
                self.hold_pairs(&mut meta, pairs)?;
            }
            Node::Global { module, name } => self.hold_all(&mut meta, &[*module, *name], false)?,
            Node::Object(object) => {
                let called = self.slots[object.callable.index()].meta;
                hold(&mut meta, called)?;
                self.slots[object.callable.index()].meta.sealed = true;
                self.hold_all(&mut meta, &[object.args], false)?;
                self.hold_all(&mut meta, object.kwargs.as_slice(), false)?;
                self.hold_all(&mut meta, object.list(), false)?;
                self.hold_pairs(&mut meta, object.dict())?;
                self.hold_all(&mut meta, object.state.as_slice(), false)?;
            }
        }
        if meta.weight > MAX_WEIGHT {
            return Err("weight");
        }
        let id = Id(self.slots.len() as u32);
        self.slots.push(Slot { node, meta });
        Ok(id)
    }

    /// Appends to a list or to an object that is a list.
    pub(super) fn append(&mut self, to: Id, items: &[Id]) -> Result<(), Reason> {
        match self.node(to) {
            Node::List(_) => {}
            Node::Object(object) if object.dict().is_empty() && object.state.is_none() => {}
            Node::Object(_) => return Err("object_order"),
            _ => return Err("append_to_other"),
        }
        let mut meta = self.unsealed(to, items)?;
        self.hold_all(&mut meta, items, false)?;
        let slot = &mut self.slots[to.index()];
        slot.meta = meta;
        match &mut slot.node {
            Node::List(list) => list.extend_from_slice(items),
            Node::Object(object) => object.held().0.extend_from_slice(items),
            _ => {}
        }
        Ok(())
    }

    /// Adds to a set.
    pub(super) fn add_items(&mut self, to: Id, items: &[Id]) -> Result<(), Reason> {
        if !matches!(self.node(to), Node::Set(_)) {
            return Err("add_to_other");
        }
        let mut meta = self.unsealed(to, items)?;
        self.hold_all(&mut meta, items, true)?;
        let slot = &mut self.slots[to.index()];
        slot.meta = meta;
        if let Node::Set(set) = &mut slot.node {
            set.extend_from_slice(items);
        }
        Ok(())
    }

    /// Adds key, value, key, value… to a dict or to an object that is a dict.
    pub(super) fn set_items(&mut self, to: Id, items: &[Id]) -> Result<(), Reason> {
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err("odd_items");
        }
        match self.node(to) {
            Node::Dict(dict) if dict.len() + pairs.len() > MAX_ENTRIES => return Err("nodes"),
            Node::Dict(_) => {}
            Node::Object(object) if object.state.is_none() => {}
            Node::Object(_) => return Err("object_order"),
            _ => return Err("set_item_on_other"),
        }
        let mut meta = self.unsealed(to, items)?;
        self.hold_pairs(&mut meta, pairs)?;
        let slot = &mut self.slots[to.index()];
        slot.meta = meta;
        match &mut slot.node {
            Node::Dict(dict) => dict.extend_from_slice(pairs),
            Node::Object(object) => object.held().1.extend_from_slice(pairs),
            _ => {}
        }
        Ok(())
    }

    /// Sets the state of an object.
    pub(super) fn build(&mut self, to: Id, state: Id) -> Result<(), Reason> {
        match self.node(to) {
            Node::Object(object) if object.state.is_none() => {}
            Node::Object(_) => return Err("built_twice"),
            _ => return Err("build_on_other"),
        }
        let mut meta = self.unsealed(to, &[state])?;
        self.hold_all(&mut meta, &[state], false)?;
        let slot = &mut self.slots[to.index()];
        slot.meta = meta;
        if let Node::Object(object) = &mut slot.node {
            object.state = Some(state);
        }
        Ok(())
    }

    /// Sets `key` of the dict `root` to `value`, in place or at its end.
    pub(super) fn replace(&mut self, root: Id, at: Option<usize>, key: Id, value: Id) -> Result<(), Reason> {
        let Some(at) = at else { return self.set_items(root, &[key, value]) };
        let old = match self.node(root) {
            Node::Dict(pairs) => pairs.get(at).map(|pair| pair[1]),
            _ => None,
        };
        let old = old.ok_or("not_a_dict")?;
        let mut meta = self.slots[root.index()].meta;
        meta.weight = meta.weight.saturating_sub(self.slots[old.index()].meta.weight);
        self.hold_all(&mut meta, &[value], false)?;
        let slot = &mut self.slots[root.index()];
        slot.meta = meta;
        if let Node::Dict(pairs) = &mut slot.node {
            pairs[at][1] = value;
        }
        Ok(())
    }

    /// Removes an entry from the dict `root`.
    pub(super) fn remove(&mut self, root: Id, at: usize) {
        let Node::Dict(pairs) = &mut self.slots[root.index()].node else { return };
        let [key, value] = pairs.remove(at);
        let gone = self.slots[key.index()].meta.weight + self.slots[value.index()].meta.weight;
        let meta = &mut self.slots[root.index()].meta;
        meta.weight = meta.weight.saturating_sub(gone);
    }

    /// Refuses a dict with a repeated string key: Python keeps the last value, but another reader might use the first.
    pub(super) fn check_keys(&self) -> Result<(), Reason> {
        let hasher = RandomState::new();
        let mut dicts = self.slots.iter().filter_map(|slot| match &slot.node {
            Node::Dict(pairs) => Some(pairs),
            _ => None,
        });
        if dicts.any(|pairs| self.has_key_twice(pairs, &hasher)) { Err("duplicate_key") } else { Ok(()) }
    }

    fn has_key_twice(&self, pairs: &[[Id; 2]], hasher: &RandomState) -> bool {
        let keys = || pairs.iter().filter_map(|pair| self.str_bytes(pair[0]));
        // For so few keys, comparing is cheaper than a set.
        if pairs.len() <= 8 {
            return keys().enumerate().any(|(at, key)| keys().take(at).any(|other| other == key));
        }
        let mut seen = HashSet::with_capacity_and_hasher(pairs.len(), hasher.clone());
        !keys().all(|key| seen.insert(key))
    }

    /// The meta of a node that is unsealed, so that `items` can be added to it.
    fn unsealed(&self, id: Id, items: &[Id]) -> Result<Meta, Reason> {
        let meta = self.slots[id.index()].meta;
        if meta.sealed || items.contains(&id) { Err("cycle") } else { Ok(meta) }
    }

    fn hold_all(&mut self, meta: &mut Meta, items: &[Id], hashed: bool) -> Result<(), Reason> {
        for item in items {
            let held = &mut self.slots[item.index()].meta;
            if hashed && held.unhashable {
                return Err("unhashable_key");
            }
            if held.role == Role::OnlyCalled {
                return Err("global");
            }
            // Written only if it changes, because reading memory that was just partly written stalls.
            if !held.sealed {
                held.sealed = true;
            }
            hold(meta, *held)?;
        }
        Ok(())
    }

    fn hold_pairs(&mut self, meta: &mut Meta, pairs: &[[Id; 2]]) -> Result<(), Reason> {
        for [key, value] in pairs {
            self.hold_all(meta, &[*key], true)?;
            self.hold_all(meta, &[*value], false)?;
            if self.str_bytes(*key) == Some(b"__class__") {
                meta.role = Role::NamesClass;
            }
        }
        Ok(())
    }
}

fn hold(meta: &mut Meta, held: Meta) -> Result<(), Reason> {
    meta.weight = meta.weight.saturating_add(held.weight);
    meta.depth = meta.depth.max(held.depth.saturating_add(1));
    match () {
        () if meta.weight > MAX_WEIGHT => Err("weight"),
        () if meta.depth > MAX_DEPTH => Err("depth"),
        () => Ok(()),
    }
}
