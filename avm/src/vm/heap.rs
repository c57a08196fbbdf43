//! The heap of a lane: one flat row of words taken at start, nodes in size classes, references counted by hand, freeing in bounded
//! steps (`decisions:AVM-12`). A node is two words of header and its payload. Every node knows its tree size, saturating, and
//! its depth; both are bounded, so what walks a value needs no more than [`MAX_DEPTH`] levels of host stack.

use zerocopy::IntoBytes as _;

use super::word::{EMPTY, FALSE, FUNCTION, Node, TAINT, TRUE, Value};

/// Deepest nesting of one value.
pub(super) const MAX_DEPTH: u16 = 512;
const HEADER: usize = 2;
/// Words that are touched at start, and of a page.
const TOUCHED: usize = 1 << 18;
const PAGE_WORDS: usize = 512;
const EXACT: usize = 16;
const CLASSES: usize = EXACT + 1 + 28 * 4;
/// Children looked at for every node that is given back.
const SWEEP: u32 = 48;
/// Children that are looked at at once.
const SMALL: usize = 8;

/// There is no room for a value: the heap, the quota, the size or the depth is exhausted. Carries the bound in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full(pub(super) u64);

pub(super) struct Heap {
    words: Vec<u64>,
    /// First word that was never used.
    top: usize,
    free: [u32; CLASSES],
    /// Nodes without references whose children still count them.
    pending: u32,
    live: usize,
    /// Most live words at present.
    limit: usize,
    /// The same, as the quota of who runs has it: what stands beside the heap is taken off.
    bound: usize,
    /// That quota as it was set, bytes, to be said.
    quota: u64,
    max_nodes: u32,
}

impl std::fmt::Debug for Heap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Heap").field("live", &self.live).field("top", &self.top).finish_non_exhaustive()
    }
}

const fn class_of(words: usize) -> usize {
    if words <= EXACT {
        return words;
    }
    let power = (usize::BITS - 1 - (words - 1).leading_zeros()) as usize;
    let step = 1 << (power - 2);
    EXACT + 1 + (power - 4) * 4 + (words - 1 - (1 << power)) / step
}

const fn class_words(class: usize) -> usize {
    if class <= EXACT {
        return class;
    }
    let power = 4 + (class - EXACT - 1) / 4;
    (1 << power) + ((class - EXACT - 1) % 4 + 1) * (1 << (power - 2))
}

/// Words of a heap. The first ones are touched, so that what is young meets no page that the kernel has yet to give.
fn touched(words: usize) -> Vec<u64> {
    let mut all = vec![0; words];
    all.iter_mut().take(TOUCHED).step_by(PAGE_WORDS).for_each(|word| *word = 1);
    all
}

impl Heap {
    pub(super) fn new(bytes: usize, max_nodes: u32) -> Self {
        let words = (bytes / 8).clamp(64, u32::MAX as usize - 1);
        Self {
            words: touched(words),
            top: 1,
            free: [0; CLASSES],
            pending: 0,
            live: 0,
            limit: words,
            bound: words,
            quota: words as u64 * 8,
            max_nodes: max_nodes.max(16),
        }
    }

    /// Words in use, those waiting to be freed included.
    pub(super) const fn live(&self) -> usize {
        self.live
    }

    /// Words there are, free or not.
    pub(super) const fn size_words(&self) -> usize {
        self.words.len()
    }

    /// Lets at most `words` more be taken, as far as there are.
    pub(super) fn allow(&mut self, words: usize) {
        self.bound = self.live.saturating_add(words);
        self.limit = self.bound.min(self.words.len());
    }

    /// Says from here on that quotas are of so many bytes.
    pub(super) const fn set_quota(&mut self, bytes: u64) {
        self.quota = bytes;
    }

    /// What there is no room in: the quota, or the heap.
    fn full(&self) -> Full {
        Full(if self.limit == self.bound { self.quota } else { self.words.len() as u64 * 8 })
    }

    /// Whether the quota has room for so many bytes.
    pub(super) fn room(&self, bytes: u64) -> Result<(), Full> {
        let words = usize::try_from(bytes / 8).unwrap_or(usize::MAX);
        if self.live.saturating_add(words) > self.bound { Err(Full(self.quota)) } else { Ok(()) }
    }

    /// Bytes that the quota has left.
    pub(super) const fn left(&self) -> u64 {
        self.bound.saturating_sub(self.live) as u64 * 8
    }

    /// So many bytes were taken beside the heap.
    pub(super) fn charge(&mut self, bytes: u64) -> Result<(), Full> {
        let fits = self.room(bytes);
        self.bound = self.bound.saturating_sub(usize::try_from(bytes / 8).unwrap_or(usize::MAX));
        self.limit = self.limit.min(self.bound);
        fits
    }

    /// Frees all that has no reference.
    pub(super) fn settle(&mut self) {
        while self.pending != 0 {
            self.sweep(u32::MAX);
        }
    }

    #[inline]
    fn take(&mut self, class: usize) -> Option<usize> {
        let words = class_words(class);
        if self.live + words > self.limit {
            self.settle();
            if self.live + words > self.limit {
                return None;
            }
        }
        let head = self.free[class] as usize;
        if head != 0 {
            self.free[class] = self.words[head + 1] as u32;
            self.live += words;
            return Some(head);
        }
        if self.top + words <= self.words.len() {
            let index = self.top;
            self.top += words;
            self.live += words;
            self.words[index] = (class as u64) << 40;
            return Some(index);
        }
        self.take_other(class)
    }

    /// Out of untouched words: a freed block of this class or a larger one.
    #[cold]
    fn take_other(&mut self, class: usize) -> Option<usize> {
        self.settle();
        let larger = (class..CLASSES).find(|larger| self.free[*larger] != 0)?;
        let head = self.free[larger] as usize;
        if self.live + class_words(larger) > self.limit {
            return None;
        }
        self.free[larger] = self.words[head + 1] as u32;
        self.live += class_words(larger);
        Some(head)
    }

    /// A node with one reference and an empty payload of `words`.
    #[inline]
    fn alloc(&mut self, kind: Node, words: usize, len: usize, size: u32, depth: u16) -> Result<usize, Full> {
        if size > self.max_nodes || depth > MAX_DEPTH || words > self.words.len() {
            return Err(Full(self.words.len() as u64 * 8));
        }
        let Some(index) = self.take(class_of(words + HEADER)) else {
            return Err(self.full());
        };
        let class = self.words[index] >> 40 & 0xff;
        self.words[index] = 1 | (kind as u64) << 32 | class << 40 | u64::from(depth) << 48;
        self.words[index + 1] = len as u64 | u64::from(size) << 32;
        Ok(index)
    }

    #[inline(always)]
    pub(super) fn retain(&mut self, value: Value) -> Value {
        if value.is_ref() {
            self.words[value.index()] += 1;
        }
        value
    }

    #[inline(always)]
    pub(super) fn release(&mut self, value: Value) {
        if value.is_ref() {
            let header = &mut self.words[value.index()];
            *header -= 1;
            if *header as u32 == 0 {
                self.give_back(value.index());
            }
        }
    }

    fn give_back(&mut self, index: usize) {
        let header = self.words[index];
        if !Node::of(header >> 32).has_children() {
            self.put(index);
            return;
        }
        let len = self.words[index + 1] as u32 as usize;
        if len > SMALL {
            self.words[index] |= u64::from(self.pending);
            self.pending = index as u32;
            self.sweep(SWEEP);
            return;
        }
        let held = |word: &u64| Value(*word).is_ref();
        if self.words.get(index + HEADER..index + HEADER + len).unwrap_or_default().iter().any(held) {
            for at in index + HEADER..index + HEADER + len {
                self.drop_child(Value(self.words[at]));
            }
        }
        self.put(index);
        if self.pending != 0 {
            self.sweep(SWEEP);
        }
    }

    /// A child of a node that is given back.
    #[inline]
    fn drop_child(&mut self, child: Value) {
        if !child.is_ref() {
            return;
        }
        let at = child.index();
        self.words[at] -= 1;
        if self.words[at] as u32 == 0 {
            if Node::of(self.words[at] >> 32).has_children() {
                self.words[at] |= u64::from(self.pending);
                self.pending = at as u32;
            } else {
                self.put(at);
            }
        }
    }

    /// Puts a block on the list of its class.
    #[inline]
    fn put(&mut self, index: usize) {
        let class = (self.words[index] >> 40 & 0xff) as usize;
        self.live -= class_words(class);
        self.words[index] = (class as u64) << 40;
        self.words[index + 1] = u64::from(self.free[class]);
        self.free[class] = index as u32;
    }

    /// Looks at up to `budget` children of nodes without references.
    fn sweep(&mut self, mut budget: u32) {
        while self.pending != 0 && budget > 0 {
            let index = self.pending as usize;
            let len = self.words[index + 1] as u32;
            if len == 0 {
                self.pending = self.words[index] as u32;
                self.put(index);
                budget -= 1;
                continue;
            }
            self.words[index + 1] -= 1;
            budget -= 1;
            let child = Value(self.words[index + HEADER + len as usize - 1]);
            self.drop_child(child);
        }
    }

    /// Tree size of a value.
    #[inline]
    pub(super) fn size(&self, value: Value) -> u32 {
        if value.is_ref() { (self.words[value.index() + 1] >> 32) as u32 } else { 1 }
    }

    #[inline]
    fn depth(&self, value: Value) -> u16 {
        if value.is_ref() { (self.words[value.index()] >> 48) as u16 } else { 0 }
    }

    /// Number of elements, bytes or captured values of a node.
    #[inline(always)]
    pub(super) fn len(&self, value: Value) -> usize {
        if value.is_ref() { self.words[value.index() + 1] as u32 as usize } else { 0 }
    }

    #[inline(always)]
    pub(super) fn child(&self, value: Value, at: usize) -> Value {
        Value(self.words[value.index() + HEADER + at])
    }

    /// Children of a node with children; none of the empty list.
    pub(super) fn children(&self, value: Value) -> impl ExactSizeIterator<Item = Value> + Clone + '_ {
        let (from, len) = if value.is_ref() { (value.index() + HEADER, self.len(value)) } else { (0, 0) };
        self.words[from..from + len].iter().map(|word| Value(*word))
    }

    /// Element of a list that needs no node.
    #[inline(always)]
    pub(super) fn word(&self, list: Value, at: usize) -> Option<Value> {
        self.element(list, at).filter(|element| !element.is_ref())
    }

    /// Element of a list; counts its reference anew.
    #[inline(always)]
    pub(super) fn item(&mut self, list: Value, at: usize) -> Option<Value> {
        let item = self.element(list, at)?;
        Some(self.retain(item))
    }

    /// Part of a pair; counts its reference anew.
    #[inline(always)]
    pub(super) fn half(&mut self, pair: Value, at: usize) -> Option<Value> {
        if !pair.is_node(Node::Pair) {
            return None;
        }
        let item = self.child(pair, at);
        Some(self.retain(item))
    }

    /// Words of the elements of a list; none of what is no list.
    #[inline(always)]
    pub(super) fn elements(&self, list: Value) -> &[u64] {
        if !list.is_node(Node::List) {
            return &[];
        }
        let from = list.index() + HEADER;
        self.words.get(from..from + self.len(list)).unwrap_or_default()
    }

    /// A node of children whose references are counted anew.
    #[inline]
    pub(super) fn node(&mut self, kind: Node, children: &[Value]) -> Result<Value, Full> {
        let (words, mut flags) = (HEADER + children.len(), Self::own_flags(kind));
        if words <= EXACT {
            let freed = self.free[words] as usize;
            let head = if freed == 0 { self.top } else { freed };
            let (mut size, mut depth) = (1u32, 0u16);
            for child in children {
                if child.is_ref() {
                    size = size.saturating_add(self.size(*child));
                    depth = depth.max(self.depth(*child));
                } else {
                    size += 1;
                }
                flags |= child.flags();
            }
            let fits = self.live + words <= self.limit && size <= self.max_nodes && depth < MAX_DEPTH;
            if fits && let Some([first, second, payload @ ..]) = self.words.get_mut(head..head + words) {
                if freed == 0 {
                    self.top += words;
                } else {
                    self.free[words] = *second as u32;
                }
                *first = 1 | (kind as u64) << 32 | (words as u64) << 40 | u64::from(depth + 1) << 48;
                *second = children.len() as u64 | u64::from(size) << 32;
                for (word, child) in payload.iter_mut().zip(children) {
                    *word = child.0;
                }
                self.live += words;
                for child in children {
                    self.retain(*child);
                }
                return Ok(Value::node(kind, head as u32, flags));
            }
        }
        self.node_of_any(kind, children)
    }

    const fn own_flags(kind: Node) -> u64 {
        match kind {
            Node::Deferred => TAINT,
            Node::Closure => FUNCTION,
            _ => 0,
        }
    }

    fn node_of_any(&mut self, kind: Node, children: &[Value]) -> Result<Value, Full> {
        let (mut size, mut depth) = (1u32, 0u16);
        let mut flags = Self::own_flags(kind);
        for child in children {
            size = size.saturating_add(self.size(*child));
            depth = depth.max(self.depth(*child));
            flags |= child.flags();
        }
        let index = self.alloc(kind, children.len(), children.len(), size, depth + 1)?;
        for (at, child) in children.iter().enumerate() {
            self.retain(*child);
            self.words[index + HEADER + at] = child.0;
        }
        Ok(Value::node(kind, index as u32, flags))
    }

    /// A node that takes over the references of its children; they are given back when there is no room.
    pub(super) fn node_of(&mut self, kind: Node, children: &[Value]) -> Result<Value, Full> {
        let made = self.node(kind, children);
        children.iter().for_each(|child| self.release(*child));
        made
    }

    /// A list of values whose references are counted anew.
    #[inline]
    pub(super) fn list(&mut self, elements: &[Value]) -> Result<Value, Full> {
        if elements.is_empty() { Ok(EMPTY) } else { self.node(Node::List, elements) }
    }

    /// Words of a list of one element.
    pub(super) const ONE_WORDS: usize = HEADER + 1;

    /// A list of one element, whose reference is counted anew.
    #[inline]
    pub(super) fn one(&mut self, element: Value) -> Result<Value, Full> {
        const WORDS: usize = Heap::ONE_WORDS;
        let head = self.free[WORDS] as usize;
        let (size, depth) = (self.size(element), self.depth(element));
        if head == 0 || self.live + WORDS > self.limit || size >= self.max_nodes || depth >= MAX_DEPTH {
            return self.node(Node::List, &[element]);
        }
        let Some([first, second, child]) = self.words.get_mut(head..head + WORDS) else {
            return self.node(Node::List, &[element]);
        };
        self.free[WORDS] = *second as u32;
        *first = 1 | (Node::List as u64) << 32 | (WORDS as u64) << 40 | u64::from(depth + 1) << 48;
        *second = 1 | u64::from(size + 1) << 32;
        *child = element.0;
        self.live += WORDS;
        self.retain(element);
        Ok(Value::node(Node::List, head as u32, element.flags()))
    }

    /// Whether a list of one such element is within all bounds.
    #[inline(always)]
    pub(super) fn holds_one(&self, element: Value) -> bool {
        self.live + HEADER < self.limit && self.size(element) < self.max_nodes && self.depth(element) < MAX_DEPTH
    }

    /// Element of a list, if it is one of nodes and as long.
    #[inline(always)]
    pub(super) fn element(&self, list: Value, at: usize) -> Option<Value> {
        if list.is_node(Node::List) && at < self.len(list) { Some(self.child(list, at)) } else { None }
    }

    /// A list that takes over the references of its elements.
    pub(super) fn list_of(&mut self, elements: &[Value]) -> Result<Value, Full> {
        if elements.is_empty() { Ok(EMPTY) } else { self.node_of(Node::List, elements) }
    }

    /// A node of parts that were made just now; when one of them was not, the others are given back.
    pub(super) fn gather(&mut self, kind: Node, parts: &[Result<Value, Full>]) -> Result<Value, Full> {
        let values: Vec<Value> = parts.iter().copied().flatten().collect();
        match parts.iter().copied().find_map(Result::err) {
            None if kind == Node::List => self.list_of(&values),
            None => self.node_of(kind, &values),
            Some(full) => {
                values.into_iter().for_each(|value| self.release(value));
                Err(full)
            }
        }
    }

    /// Bytes or a long text.
    pub(super) fn bytes(&mut self, kind: Node, bytes: &[u8]) -> Result<Value, Full> {
        let words = bytes.len().div_ceil(8);
        let size = u32::try_from(1 + bytes.len() / 16).unwrap_or(u32::MAX);
        if bytes.len() > u32::MAX as usize {
            return Err(Full(self.words.len() as u64 * 8));
        }
        let index = self.alloc(kind, words, bytes.len(), size, 0)?;
        self.words[index + HEADER..index + HEADER + words].as_mut_bytes()[..bytes.len()].copy_from_slice(bytes);
        Ok(Value::node(kind, index as u32, 0))
    }

    /// A text; short ones stand inline, always.
    pub(super) fn text(&mut self, text: &str) -> Result<Value, Full> {
        match Value::short(text.as_bytes()) {
            Some(value) => Ok(value),
            None => self.bytes(Node::Text, text.as_bytes()),
        }
    }

    /// Bytes of a node of bytes or text.
    pub(super) fn node_bytes(&self, value: Value) -> &[u8] {
        let (from, len) = (value.index() + HEADER, self.len(value));
        &self.words[from..from + len.div_ceil(8)].as_bytes()[..len]
    }

    /// Bytes of a text, inline or not.
    pub(super) fn text_bytes<'a>(&'a self, value: Value, short: &'a mut [u8; 8]) -> &'a [u8] {
        if value.is_ref() {
            return self.node_bytes(value);
        }
        *short = value.0.to_le_bytes();
        &short[1..=usize::from(short[0] >> 4)]
    }

    /// A text as such.
    pub(super) fn string(&self, value: Value) -> String {
        let mut short = [0; 8];
        String::from_utf8_lossy(self.text_bytes(value, &mut short)).into_owned()
    }

    /// A number within [`crate::value::INT_MIN`] and [`crate::value::INT_MAX`].
    #[inline]
    pub(super) fn number(&mut self, number: i128) -> Result<Value, Full> {
        match i64::try_from(number).ok().and_then(Value::int) {
            Some(value) => Ok(value),
            None => self.wide(Node::Int, number),
        }
    }

    fn wide(&mut self, kind: Node, bits: i128) -> Result<Value, Full> {
        let index = self.alloc(kind, 2, 0, 1, 0)?;
        self.words[index + HEADER] = bits as u64;
        self.words[index + HEADER + 1] = (bits >> 64) as u64;
        Ok(Value::node(kind, index as u32, 0))
    }

    /// Content of a number, or of an identity too great to stand inline.
    fn wide_bits(&self, value: Value) -> i128 {
        let at = value.index() + HEADER;
        i128::from(self.words[at]) | i128::from(self.words[at + 1] as i64) << 64
    }

    /// A number, if it is one.
    #[inline]
    pub(super) fn as_number(&self, value: Value) -> Option<i128> {
        if value.is_int() {
            Some(i128::from(value.small()))
        } else if value.is_node(Node::Int) {
            Some(self.wide_bits(value))
        } else {
            None
        }
    }

    /// An identity of 64 bits.
    pub(super) fn identity(&mut self, tag: u64, kind: Node, id: u64) -> Result<Value, Full> {
        match Value::id(tag, id) {
            Some(value) => Ok(value),
            None => self.wide(kind, i128::from(id)),
        }
    }

    /// An identity, if it is one of this tag or kind.
    #[inline]
    pub(super) fn as_identity(&self, value: Value, tag: u64, kind: Node) -> Option<u64> {
        if value.tag() == tag {
            Some(value.id_bits())
        } else if value.is_node(kind) {
            Some(self.wide_bits(value) as u64)
        } else {
            None
        }
    }

    /// `true` or `false`, if it is one.
    #[inline(always)]
    pub(super) fn as_bool(value: Value) -> Option<bool> {
        match value {
            TRUE => Some(true),
            FALSE => Some(false),
            _ => None,
        }
    }

    /// A value that depends on choices: what it is now, and which term.
    pub(super) fn deferred(&mut self, now: Value, term: u32) -> Result<Value, Full> {
        self.node_of(Node::Deferred, &[now, Value::word32(super::word::T_MACHINE, term)])
    }

    /// What a deferred value is now; any other as it is.
    #[inline]
    pub(super) fn now(&self, value: Value) -> Value {
        if value.is_deferred() { self.child(value, 0) } else { value }
    }

    /// The term of a deferred value.
    pub(super) fn term(&self, value: Value) -> u32 {
        self.child(value, 1).bits32()
    }

    /// A copy without deferred values; counts a reference anew where there are none.
    pub(super) fn plain(&mut self, value: Value) -> Result<Value, Full> {
        if !value.tainted() {
            return Ok(self.retain(value));
        }
        if value.is_deferred() {
            let now = self.child(value, 0);
            return self.plain(now);
        }
        let children: Vec<Value> = self.children(value).collect();
        let mut made = Vec::with_capacity(children.len());
        for child in children {
            match self.plain(child) {
                Ok(child) => made.push(child),
                Err(full) => {
                    made.into_iter().for_each(|child| self.release(child));
                    return Err(full);
                }
            }
        }
        self.node_of(value.node_kind(), &made)
    }

    /// `just value`, taking over its reference.
    pub(super) fn just_of(&mut self, value: Value) -> Result<Value, Full> {
        self.node_of(Node::Just, &[value])
    }
}
