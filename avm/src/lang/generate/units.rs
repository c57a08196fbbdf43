//! Modules by name: what each defines, and how the others are found.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::code::{Builtin, Instr};
use crate::lang::ast::{Behaviour, File, Function, Item, Name, Test};
use crate::lang::codes::Code;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::parse::parse;
use crate::lang::source::{Source, Span};

/// Names of forms that are compiled to loops.
pub const FORMS: &[(&str, usize)] = &[("map", 2), ("filter", 2), ("fold", 3), ("any", 2), ("all", 2)];
/// Most sources of a program.
const MAX_SOURCES: usize = 1000;

/// One module: its sources together.
#[derive(Debug, Default)]
pub struct Unit {
    pub name: Arc<str>,
    /// Sources with the places where lines begin, by index.
    pub sources: Vec<(u16, (Source, Vec<u32>))>,
    /// Head of all sources together; without items.
    pub file: File,
    pub functions: BTreeMap<Arc<str>, Function>,
    pub behaviours: BTreeMap<Arc<str>, Behaviour>,
    pub tests: Vec<Test>,
}

/// All modules of a program by name.
pub type Units = BTreeMap<Arc<str>, Unit>;

/// What was gathered.
pub struct Gathered {
    pub units: Units,
    /// Name of the module that is compiled.
    pub root: Arc<str>,
    /// All sources, by index.
    pub sources: Vec<Source>,
    pub errors: Vec<Diagnostic>,
    /// The modules in the order in which they were found.
    pub order: Vec<Arc<str>>,
}

/// Reads sources, which are one module together, and the modules they use.
pub fn gather(sources: &[Source], loader: &dyn Fn(&str) -> Option<Source>) -> Gathered {
    let mut out =
        Gathered { units: Units::new(), root: "".into(), sources: Vec::new(), errors: Vec::new(), order: Vec::new() };
    let mut root = Unit::default();
    for source in sources {
        out.read(&mut root, source);
    }
    if root.file.module.is_none() {
        let error = Diagnostic::new(Code::NoModule, Span::default(), "the program does not say what it is called")
            .help("begin the file with `module name`");
        out.errors.push(error);
    }
    out.root = root.name.clone();
    let mut wanted = root.file.uses.clone();
    out.order.push(root.name.clone());
    out.units.insert(root.name.clone(), root);
    while let Some(name) = wanted.pop() {
        if out.units.contains_key(&name.text) {
            continue;
        }
        let mut unit = Unit::default();
        match loader(&name.text).filter(|_| out.sources.len() < MAX_SOURCES) {
            Some(source) => out.read(&mut unit, &source),
            None => {
                let what = format!("the module `{}` is not to be found", name.text);
                let help = format!("put it into `{}.avm` beside this file", name.text);
                out.errors.push(Diagnostic::new(Code::UnknownModule, name.span, what).help(help));
                continue;
            }
        }
        if unit.name != name.text {
            let what = format!("the file of module `{}` says `module {}`", name.text, unit.name);
            out.errors.push(Diagnostic::new(Code::NoModule, name.span, what).help("name file and module alike"));
            unit.name = name.text.clone();
        }
        wanted.extend(unit.file.uses.iter().cloned());
        out.order.push(unit.name.clone());
        out.units.insert(unit.name.clone(), unit);
    }
    out
}

impl Gathered {
    fn read(&mut self, unit: &mut Unit, source: &Source) {
        let Ok(index) = u16::try_from(self.sources.len()) else { return };
        let parsed = parse(&source.text, index);
        self.sources.push(source.clone());
        self.errors.extend(parsed.errors);
        let mut lines = vec![0];
        lines.extend(source.text.bytes().zip(1..).filter(|(byte, _)| *byte == b'\n').map(|(_, next)| next));
        unit.sources.push((index, (source.clone(), lines)));
        self.head(unit, &parsed.file);
        for item in parsed.file.items {
            self.item(unit, item);
        }
        // Both are started by name.
        for test in &unit.tests {
            if let Some(function) = unit.functions.get(&test.name.text).filter(|function| !function.pure) {
                self.twice(&test.name, function.name.span);
            }
        }
    }

    fn head(&mut self, unit: &mut Unit, file: &File) {
        if let Some(module) = &file.module {
            match &unit.file.module {
                Some(first) if first.text != module.text => {
                    let what = format!("this file is of module `{}`, the others of `{}`", module.text, first.text);
                    self.errors.push(Diagnostic::new(Code::NoModule, module.span, what));
                }
                Some(_) => {}
                None => {
                    if &*module.text == super::super::NODE_MODULE {
                        let what = format!("a module `{}` is on every node: it makes the calls of people", module.text);
                        let error =
                            Diagnostic::new(Code::Taken, module.span, what).help("give the module another name");
                        self.errors.push(error);
                    }
                    unit.name = module.text.clone();
                    unit.file.module = Some(module.clone());
                }
            }
        }
        if unit.file.needs_unsafe.is_none() {
            unit.file.needs_unsafe = file.needs_unsafe;
        }
        for module in &file.uses {
            match unit.file.uses.iter().find(|other| other.text == module.text) {
                Some(first) => self.twice(module, first.span),
                None => unit.file.uses.push(module.clone()),
            }
        }
    }

    fn item(&mut self, unit: &mut Unit, item: Item) {
        match item {
            Item::Function(function) => {
                self.taken(&function.name);
                match unit.functions.get(&function.name.text) {
                    Some(first) => self.twice(&function.name, first.name.span),
                    None => drop(unit.functions.insert(function.name.text.clone(), function)),
                }
            }
            Item::Behaviour(behaviour) => match unit.behaviours.get(&behaviour.name.text) {
                Some(first) => self.twice(&behaviour.name, first.name.span),
                None => drop(unit.behaviours.insert(behaviour.name.text.clone(), behaviour)),
            },
            Item::Test(test) => match unit.tests.iter().find(|other| other.name.text == test.name.text) {
                Some(first) => self.twice(&test.name, first.name.span),
                None => unit.tests.push(test),
            },
        }
    }

    fn twice(&mut self, name: &Name, first: Span) {
        let error = Diagnostic::new(Code::Duplicate, name.span, format!("the name `{}` stands twice", name.text))
            .other(first, "here first")
            .help("rename one of them");
        self.errors.push(error);
    }

    fn taken(&mut self, name: &Name) {
        let what = if Instr::named(&name.text).is_some() {
            "an instruction"
        } else if Builtin::named(&name.text).is_some() {
            "a library function"
        } else if FORMS.iter().any(|(form, _)| *form == &*name.text) {
            "a form of the language"
        } else {
            return;
        };
        let error =
            Diagnostic::new(Code::Taken, name.span, format!("`{}` is {what}", name.text)).help("choose another name");
        self.errors.push(error);
    }
}
