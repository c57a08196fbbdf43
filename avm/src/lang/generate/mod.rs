//! From the tree to bytecode, with all checks on the way. Everything wrong is said; a module comes out only when nothing is.

mod behaviour;
mod body;
mod call;
mod closure;
mod control;
mod effects;
mod expr;
mod forms;
mod literal;
mod pattern;
mod post;
mod signatures;
mod statement;
mod types;
mod units;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::body::{Body, Dest, MAX_ARGS, Role};
pub(super) use self::units::{Unit, Units, gather};
use super::ast::{self, Name};
use super::codes::{Code, Severity};
use super::diagnostic::Diagnostic;
use super::source::{Source, Span};
use crate::code::{Behaviour, Entry, Function, Module, Place, PureFunction, limits, set_pinned};
use crate::fixed::FixedMap;
use crate::value::Val;

const MAX_TABLE: usize = u16::MAX as usize;
/// Most remarks that are made on a module.
const MAX_REMARKS: usize = 500;

/// A module in the making.
pub(super) struct Generator<'w> {
    units: &'w Units,
    root: &'w Unit,
    module: Module,
    constants: FixedMap<Val, u16>,
    /// Values inside all constants.
    values: usize,
    /// Functions that have an index, by module and name.
    known: BTreeMap<(Arc<str>, Arc<str>), u16>,
    /// Pure functions that keep terms, in the same way.
    in_terms: BTreeMap<(Arc<str>, Arc<str>), u16>,
    /// Those that are still to be compiled.
    queue: Vec<(&'w Unit, &'w ast::Function, u16, values::Values)>,
    /// Places in the source of each operation of each function.
    spans: Vec<Vec<Span>>,
    /// Index of a source to index into the files of the module.
    files: BTreeMap<u16, u16>,
    used: BTreeSet<Arc<str>>,
    /// An unsafe instruction was seen.
    is_unsafe: bool,
    /// Remarks.
    pub errors: Vec<Diagnostic>,
}

/// Compiles one unit, and what it uses of others.
pub(super) fn generate(units: &Units, root: &Unit) -> (Module, Vec<Diagnostic>) {
    let mut generator = Generator {
        units,
        root,
        module: Module { name: root.name.clone(), ..Module::default() },
        constants: FixedMap::default(),
        values: 0,
        known: BTreeMap::new(),
        in_terms: BTreeMap::new(),
        queue: Vec::new(),
        spans: Vec::new(),
        files: BTreeMap::new(),
        used: BTreeSet::new(),
        is_unsafe: false,
        errors: Vec::new(),
    };
    generator.run();
    (generator.module, generator.errors)
}

impl<'w> Generator<'w> {
    fn run(&mut self) {
        let root = self.root;
        for (name, function) in &root.functions {
            let Some(index) = self.function(root, name) else { break };
            let name = name.clone();
            if function.pure {
                self.module.pures.push(PureFunction { name, function: index });
            } else {
                self.module.entries.push(Entry { name, function: index });
            }
        }
        for behaviour in root.behaviours.values() {
            let Some(index) = self.reserve(behaviour.name.span) else { break };
            let messages = self.messages(behaviour);
            self.behaviour(root, behaviour, index, messages.is_some());
            self.module.behaviours.push(Behaviour { name: behaviour.name.text.clone(), function: index, messages });
        }
        for test in &root.tests {
            let Some(index) = self.reserve(test.name.span) else { break };
            let name: Arc<str> = format!("test {:?}", &*test.name.text).into();
            let mut body = Body::new(self, root, name, Role::Function);
            body.block(&test.body, Dest::Discard);
            body.finish(index, 0, test.body.span);
            self.module.tests.push(Entry { name: test.name.text.clone(), function: index });
        }
        while let Some((unit, function, index, values)) = self.queue.pop() {
            self.compile(unit, function, index, values);
        }
        self.finish();
    }

    fn compile(&mut self, unit: &'w Unit, function: &'w ast::Function, index: u16, values: values::Values) {
        if function.params.len() > MAX_ARGS {
            let what = format!("more than {MAX_ARGS} parameters");
            let error = Diagnostic::new(Code::Arguments, function.name.span, what).help("pass a list or a record");
            self.report(error);
            return;
        }
        // The machine says the module itself.
        let name = if unit.name == self.root.name {
            function.name.text.clone()
        } else {
            format!("{}.{}", unit.name, function.name.text).into()
        };
        let mut body = Body::new(self, unit, name, Role::Function);
        body.values = values;
        let start = body.window(function.params.len(), function.name.span);
        body.bind_params(&function.params, start, false);
        if let Some(ty) = &function.result {
            body.result = Some((body.declared(Some(ty)), ty.span));
        }
        body.block(&function.body, Dest::Return);
        body.finish(index, function.params.len() as u8, function.body.span);
    }

    fn finish(&mut self) {
        let ops: usize = self.module.functions.iter().map(|function| function.code.len()).sum();
        let named =
            [self.module.entries.len(), self.module.pures.len(), self.module.behaviours.len(), self.module.tests.len()];
        if ops > limits::MODULE_OPS || named.into_iter().any(|count| count > limits::NAMED) {
            let error = Diagnostic::new(Code::Functions, Span::default(), "the module is too large");
            self.report(error.help("split it into modules"));
        }
        effects::pure(self);
        set_pinned(&mut self.module);
        if let Some(span) = self.root.file.needs_unsafe
            && !self.is_unsafe
        {
            let error = Diagnostic::new(Code::UnneededUnsafe, span, "the module holds no unsafe instruction")
                .help("remove `unsafe`: it runs then on every node");
            self.report(error);
        }
        for module in &self.root.file.uses {
            if !self.used.contains(&module.text) && self.units.contains_key(&module.text) {
                let what = format!("nothing of `{}` is used", module.text);
                self.report(Diagnostic::new(Code::UnusedUse, module.span, what).help("remove the line"));
            }
        }
        self.module.needs_unsafe = self.root.file.needs_unsafe.is_some();
    }

    pub fn report(&mut self, error: Diagnostic) {
        // Remarks on modules that are used belong to them.
        let foreign = !self.root.sources.iter().any(|(file, _)| *file == error.span.file);
        let is_error = error.code.severity() == Severity::Error;
        if foreign && !is_error {
            return;
        }
        if self.errors.contains(&error) {
            // A function may be compiled in two ways.
        } else if !self.said_enough() {
            self.errors.push(error);
        } else if is_error && self.errors.iter().all(|other| other.code.severity() == Severity::Warning) {
            // A program with an error is refused, however many warnings come before it.
            self.errors.push(error);
        }
    }

    /// Nobody reads more.
    pub fn said_enough(&self) -> bool {
        self.errors.len() >= MAX_REMARKS
    }

    pub fn duplicate(&mut self, name: &Name, first: Span) {
        let error = Diagnostic::new(Code::Duplicate, name.span, format!("the name `{}` stands twice", name.text))
            .other(first, "here first")
            .help("rename one of them");
        self.report(error);
    }

    /// An index for a function that is put later.
    pub fn reserve(&mut self, span: Span) -> Option<u16> {
        let index = self.module.functions.len();
        if index >= MAX_TABLE {
            if !self.errors.iter().any(|error| error.code == Code::Functions) {
                let error = Diagnostic::new(Code::Functions, span, "the module has too many functions");
                self.report(error.help("split it into modules"));
            }
            return None;
        }
        self.module.functions.push(Function::default());
        self.spans.push(Vec::new());
        Some(index as u16)
    }

    pub fn put(&mut self, index: u16, function: Function, spans: Vec<Span>) {
        let index = usize::from(index);
        if let (Some(slot), Some(place)) = (self.module.functions.get_mut(index), self.spans.get_mut(index)) {
            *slot = function;
            *place = spans;
        }
    }

    /// Index of a function of a unit; compiled when it is asked for first.
    pub fn function(&mut self, unit: &'w Unit, name: &Arc<str>) -> Option<u16> {
        let key = (unit.name.clone(), name.clone());
        if let Some(index) = self.known.get(&key) {
            return Some(*index);
        }
        let function = unit.functions.get(name)?;
        let index = self.reserve(function.name.span)?;
        self.known.insert(key, index);
        self.queue.push((unit, function, index, values::Values::Plain));
        Some(index)
    }

    /// The same of a pure function that keeps terms ([`values::Values::Terms`]).
    pub fn function_in_terms(&mut self, unit: &'w Unit, name: &Arc<str>) -> Option<u16> {
        let key = (unit.name.clone(), name.clone());
        if let Some(index) = self.in_terms.get(&key) {
            return Some(*index);
        }
        let function = unit.functions.get(name)?;
        let index = self.reserve(function.name.span)?;
        self.in_terms.insert(key, index);
        self.queue.push((unit, function, index, values::Values::Terms));
        Some(index)
    }

    /// The unit of a module that a unit names by `use`.
    pub fn used_unit(&mut self, from: &Unit, name: &str) -> Option<&'w Unit> {
        let unit = if *from.name == *name {
            self.units.get(name)
        } else {
            from.file.uses.iter().find(|module| *module.text == *name)?;
            self.units.get(name)
        }?;
        if from.name == self.root.name {
            self.used.insert(unit.name.clone());
        }
        Some(unit)
    }

    /// Whether a module of that name was read.
    pub fn knows(&self, name: &str) -> bool {
        self.units.contains_key(name)
    }

    /// A behaviour by its full name.
    pub fn behaviour_named(&self, full: &str) -> Option<&'w ast::Behaviour> {
        let (module, name) = full.split_once('.')?;
        self.units.get(module)?.behaviours.get(name)
    }

    pub fn constant(&mut self, value: &Val, span: Span) -> u16 {
        if let Some(index) = self.constants.get(value) {
            return *index;
        }
        let index = self.module.constants.len();
        self.values += count(value);
        if index >= MAX_TABLE || self.values > limits::VALUES / 2 {
            if !self.errors.iter().any(|error| error.code == Code::Constants) {
                let error = Diagnostic::new(Code::Constants, span, "the module has too many constants");
                self.report(error.help("split it into modules"));
            }
            return 0;
        }
        self.module.constants.push(value.clone());
        self.constants.insert(value.clone(), index as u16);
        index as u16
    }

    /// An unsafe instruction stands here.
    pub fn unsafe_instruction(&mut self, unit: &Unit, name: &str, span: Span) {
        self.is_unsafe = true;
        if unit.file.needs_unsafe.is_none() || self.root.file.needs_unsafe.is_none() {
            let error = Diagnostic::new(Code::NeedsUnsafe, span, format!("`{name}` is an unsafe instruction"))
                .label("sees or changes what belongs to the whole node")
                .help("write `unsafe` on a line after `module`; the program then runs only where the node grants it");
            self.report(error);
        }
    }

    fn source(&self, file: u16) -> Option<&'w (Source, Vec<u32>)> {
        self.units.values().flat_map(|unit| &unit.sources).find(|(index, _)| *index == file).map(|(_, source)| source)
    }

    pub fn text(&self, span: Span) -> &'w str {
        let source = self.source(span.file);
        source.and_then(|(source, _)| source.text.get(span.start as usize..span.end as usize)).unwrap_or_default()
    }

    pub fn place(&mut self, span: Span) -> Place {
        let Some((source, lines)) = self.source(span.file) else { return Place::default() };
        let next = self.module.files.len() as u16;
        let file = *self.files.entry(span.file).or_insert(next);
        if file == next {
            self.module.files.push(source.name.clone());
        }
        let line = lines.partition_point(|start| *start <= span.start);
        let start = line.checked_sub(1).and_then(|line| lines.get(line)).copied().unwrap_or(0);
        let before = source.text.get(start as usize..span.start as usize).unwrap_or_default();
        // Columns are told up to the width of the field.
        let column = before.chars().take(usize::from(u16::MAX) - 1).count() as u16 + 1;
        Place { file, line: line as u32, column }
    }
}

/// Values inside a value, itself included.
fn count(value: &Val) -> usize {
    match value {
        Val::Just(inner) => 1 + count(inner),
        Val::List(values) => 1 + values.iter().map(count).sum::<usize>(),
        Val::Pair(both) => 1 + count(&both.0) + count(&both.1),
        Val::Record(fields) => 1 + fields.iter().map(|(_, value)| count(value)).sum::<usize>(),
        _ => 1,
    }
}
