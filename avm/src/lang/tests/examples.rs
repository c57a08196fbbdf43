use super::{Source, build, format_source, fuzz_parse, parse, verified};

pub const EXAMPLES: &[(&str, &str)] = &[
    ("bank_transfer", include_str!("../../../examples/bank_transfer.avm")),
    ("battleship", include_str!("../../../examples/battleship.avm")),
    ("counter", include_str!("../../../examples/counter.avm")),
    ("dining_philosophers", include_str!("../../../examples/dining_philosophers.avm")),
    ("escrow", include_str!("../../../examples/escrow.avm")),
    ("fair", include_str!("../../../examples/fair.avm")),
    ("hello", include_str!("../../../examples/hello.avm")),
    ("isolation", include_str!("../../../examples/isolation.avm")),
    ("n_queens", include_str!("../../../examples/n_queens.avm")),
    ("n_queens_narrow", include_str!("../../../examples/n_queens_narrow.avm")),
    ("ping_pong", include_str!("../../../examples/ping_pong.avm")),
    ("scheduling", include_str!("../../../examples/scheduling.avm")),
    ("sudoku", include_str!("../../../examples/sudoku.avm")),
    ("three_party_intent", include_str!("../../../examples/three_party_intent.avm")),
    ("three_party_unsat", include_str!("../../../examples/three_party_unsat.avm")),
    ("tour", include_str!("../../../examples/tour.avm")),
];

pub fn load(name: &str) -> Option<Source> {
    EXAMPLES.iter().find(|(known, _)| *known == name).map(|(name, text)| Source::new(&format!("{name}.avm"), text))
}

#[test]
fn every_file_is_listed() {
    let mut files: Vec<String> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples"))
        .expect("the examples are there")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".avm").map(str::to_owned))
        .collect();
    files.sort();
    assert_eq!(files, EXAMPLES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
}

#[test]
fn examples_compile_without_a_remark_and_verify() {
    for (name, _) in EXAMPLES {
        let source = load(name).expect("it is listed");
        let program = build(&[source], &load).unwrap_or_else(|remarks| panic!("{remarks}"));
        assert!(program.warnings.is_empty(), "{}", program.warnings);
        assert_eq!(*program.module.name, **name);
        assert!(!program.module.tests.is_empty(), "{name} has tests");
        program.uses.iter().for_each(|module| {
            drop(verified(super::Program { module: module.clone(), uses: Vec::new(), ..program.clone() }))
        });
        verified(program);
    }
}

#[test]
fn examples_are_formatted() {
    for (name, text) in EXAMPLES {
        let source = Source::new(name, text);
        let formatted = format_source(&source).unwrap_or_else(|remarks| panic!("{remarks}"));
        assert_eq!(formatted, *text, "{name}");
        assert_eq!(parse(&source).ok(), parse(&Source::new(name, &formatted)).ok());
        assert_eq!(fuzz_parse(text.as_bytes()), Ok(()));
    }
}

#[test]
fn the_tour_uses_every_family_of_instructions() {
    let program = build(&[load("tour").expect("it is listed")], &load).unwrap_or_else(|remarks| panic!("{remarks}"));
    let code = program.module.functions.iter().flat_map(|function| &function.code);
    let used: Vec<_> = code
        .filter_map(|op| if let crate::code::Op::Instr { which, .. } = op { Some(which.family()) } else { None })
        .collect();
    for instr in crate::code::Instr::ALL {
        assert!(used.contains(&instr.family()), "{:?}", instr.family());
    }
}
