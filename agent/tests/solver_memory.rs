//! The memory of the solver is bounded. A process of its own, for the bound is one of the process.
#![cfg(feature = "z3")]

mod common;

use common::{TempDir, config, guard};
use control::avm::{AvmReply, AvmRequest, ExecutionSnapshot, ExecutionState, Query, Source, StartRequest};

/// A question of many choices between many, and one that is small.
const CHOICES: &str = "module choices\n\nfn main(many: int) -> bool {\n    let t = beginTx()\n    let mut sum = 0\n    let mut left = many\n    \
                       while left > 0 {\n        let x = choose 1..400\n        sum = sum + x\n        left -= 1\n    }\n    \
                       require sum >= many * 200 as \"enough\"\n    commitTx(t)\n}\n";

// decisions:AVM-10: a question beyond the memory of the solver is unknown by name; the node goes on, and the next is decided.
#[test]
fn a_question_beyond_the_memory_of_the_solver_is_unknown_and_the_node_goes_on() {
    let dir = TempDir::new("solver-memory");
    let text = format!(
        "{}[braid]\ntori = 1\n[avm]\nheap_mib = 64\nmemory_mib = 64\n[avm.solver]\nkind = \"z3\"\nmemory_mib = 96\n\
         nodes = 10_000_000\n[[torus]]\n[torus.capacities]\nevents = 16_384\nadmission = 1024\n[torus.workload]\nkind = \"avm\"\n",
        common::head(&dir)
    );
    let mut node = common::start(config(&text));
    let ask = |request: AvmRequest| {
        node.handle().avm_request(0, &request).unwrap_or_else(|refusal| panic!("{}", refusal.error))
    };
    ask(AvmRequest::Load { sources: vec![Source { name: "choices.avm".into(), text: CHOICES.into() }] });
    let ended = |many: &str| -> ExecutionSnapshot {
        let start = StartRequest { arguments: vec![many.into()], ..StartRequest::new("choices", "main") };
        let AvmReply::Started(ids) = ask(AvmRequest::Start(start)) else { panic!("not started") };
        let mut row = ExecutionSnapshot::default();
        guard("the execution ends", || {
            let query = Query { filter: ids[0].clone(), ..Query::default() };
            let AvmReply::Executions(listing) = ask(AvmRequest::Ps { query }) else { panic!("no list") };
            row = listing.rows.into_iter().find(|row| row.id == ids[0]).unwrap_or_default();
            !matches!(row.state, ExecutionState::Running | ExecutionState::Suspended | ExecutionState::Unknown)
        });
        row
    };
    let large = ended("300");
    assert_eq!(large.state, ExecutionState::Failed, "{large:?}");
    assert!(
        large.why.contains("ErrProgramSolverUnknown") && large.why.contains("avm.solver.memory_mib"),
        "{}",
        large.why
    );
    // The bound is of all engines together: until the thread that held so much has gone, others are refused as well.
    guard("the memory is given back", || {
        let small = ended("2");
        small.state == ExecutionState::Ended && small.why == "true"
    });
    let AvmReply::Solver(solver) = ask(AvmRequest::Solver {}) else { panic!("no pool") };
    assert!(solver.unknown >= 1 && solver.restarts >= 1, "{solver:?}");
    assert!(solver.sat >= 1 && solver.restart_reason.contains("avm.solver.memory_mib"), "{solver:?}");
    assert!(!node.stop().failed());
}
