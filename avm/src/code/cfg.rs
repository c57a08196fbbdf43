//! The control-flow graph of a function, and its picture in Mermaid (`avm:12`).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::disasm::{clean, op_text};
use super::{Flow, Function, Instr, Module, Op, Reg};

/// The graph of one function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    /// Blocks in order of the code; the first is where the function starts.
    pub blocks: Vec<Block>,
}

/// Operations that run one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// First operation.
    pub start: usize,
    /// One past its last operation.
    pub end: usize,
    /// How it ends.
    pub exit: Exit,
}

/// How a block ends; blocks are named by their position in [`Graph::blocks`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The function ends with a register.
    Return(Reg),
    /// The function ends with another function's result.
    Tail(u16),
    /// The execution fails.
    Fail,
    /// Goes on at a block.
    Jump(usize),
    /// Goes on at the next block, which something else jumps to.
    Falls(usize),
    /// Goes on at one of two blocks, as a register says.
    Branch {
        /// The register.
        cond: Reg,
        /// Block where it is true.
        yes: usize,
        /// Block where it is false.
        no: usize,
    },
    /// Leaves the code: the verifier refuses such a function.
    Off,
}

impl Graph {
    /// The graph of a function, verified or not.
    #[must_use]
    pub fn of(function: &Function) -> Self {
        let code = &function.code;
        let leaders = leaders(code);
        let starts: Vec<usize> = leaders.keys().copied().collect();
        let blocks = starts.iter().enumerate().map(|(block, &start)| {
            let end = starts.get(block + 1).copied().unwrap_or(code.len());
            Block { start, end, exit: exit(code, end - 1, &leaders) }
        });
        Self { blocks: blocks.collect() }
    }

    /// Blocks that a block goes on at, each once, ascending.
    #[must_use]
    pub fn successors(&self, block: usize) -> Vec<usize> {
        match self.blocks[block].exit {
            Exit::Jump(to) | Exit::Falls(to) => vec![to],
            Exit::Branch { yes, no, .. } if yes == no => vec![yes],
            Exit::Branch { yes, no, .. } => vec![yes.min(no), yes.max(no)],
            Exit::Return(_) | Exit::Tail(_) | Exit::Fail | Exit::Off => Vec::new(),
        }
    }

    /// Blocks that can be reached from the start, ascending.
    #[must_use]
    pub fn reachable(&self) -> Vec<usize> {
        let mut seen = vec![false; self.blocks.len()];
        let mut work = Vec::from_iter((!self.blocks.is_empty()).then_some(0));
        while let Some(block) = work.pop() {
            if !std::mem::replace(&mut seen[block], true) {
                work.extend(self.successors(block));
            }
        }
        (0..seen.len()).filter(|block| seen[*block]).collect()
    }
}

/// First operations of blocks, with the number of the block: the first one, targets, and what stands after a branch, a jump or an
/// end.
fn leaders(code: &[Op]) -> BTreeMap<usize, usize> {
    let mut starts = BTreeMap::new();
    let mut mark = |at: usize| {
        if at < code.len() {
            starts.insert(at, 0);
        }
    };
    mark(0);
    for (at, op) in code.iter().enumerate() {
        match op.flow() {
            Flow::Next => {}
            Flow::End => mark(at + 1),
            Flow::Jump(to) | Flow::Branch(to) => {
                mark(at + 1);
                mark(to as usize);
            }
        }
    }
    for (block, number) in starts.values_mut().enumerate() {
        *number = block;
    }
    starts
}

fn exit(code: &[Op], last: usize, leaders: &BTreeMap<usize, usize>) -> Exit {
    let block = |at: usize| leaders.get(&at).copied();
    match code[last] {
        Op::Return { src } => Exit::Return(src),
        Op::TailInvoke { function, .. } => Exit::Tail(function),
        Op::NoMatch { .. } | Op::Instr { which: Instr::Reject | Instr::Raise, .. } => Exit::Fail,
        Op::Jump { to } => block(to as usize).map_or(Exit::Off, Exit::Jump),
        Op::JumpIf { cond, to } => match (block(to as usize), block(last + 1)) {
            (Some(yes), Some(no)) => Exit::Branch { cond, yes, no },
            _ => Exit::Off,
        },
        Op::JumpIfNot { cond, to } => match (block(last + 1), block(to as usize)) {
            (Some(yes), Some(no)) => Exit::Branch { cond, yes, no },
            _ => Exit::Off,
        },
        _ => block(last + 1).map_or(Exit::Off, Exit::Falls),
    }
}

/// One function as Mermaid: nodes `B0["..."]`, edges with their condition, ends at `END([End])`. Empty when the module has no
/// such function.
#[must_use]
pub fn mermaid(module: &Module, function: u16) -> String {
    let Some(found) = module.functions.get(usize::from(function)) else { return String::new() };
    let mut out = String::from("graph TD\n");
    draw(&mut out, module, found, "", "    ");
    out
}

/// All functions of a module as one Mermaid picture, a frame each.
#[must_use]
pub fn mermaid_all(module: &Module) -> String {
    let mut out = String::from("graph TD\n");
    for (index, function) in module.functions.iter().enumerate() {
        let name = escape(&clean(&function.name));
        let _ = writeln!(out, "    subgraph F{index}[\"{name}\"]");
        draw(&mut out, module, function, &format!("F{index}"), "        ");
        out.push_str("    end\n");
    }
    out
}

fn draw(out: &mut String, module: &Module, function: &Function, prefix: &str, indent: &str) {
    let graph = Graph::of(function);
    for (number, block) in graph.blocks.iter().enumerate() {
        let ops: Vec<String> = (block.start..block.end)
            .map(|at| escape(&format!("{at}: {}", op_text(module, function.code[at]))))
            .collect();
        let _ = writeln!(out, "{indent}{prefix}B{number}[\"{}\"]", ops.join("<br/>"));
    }
    for (number, block) in graph.blocks.iter().enumerate() {
        let mut edge = |label: &str, to: &str| {
            let label = if label.is_empty() { String::new() } else { format!("|{}|", escape(label)) };
            let _ = writeln!(out, "{indent}{prefix}B{number} -->{label} {prefix}{to}");
        };
        match block.exit {
            Exit::Return(reg) => edge(&format!("return r{reg}"), "END([End])"),
            Exit::Tail(callee) => {
                let name = module.functions.get(usize::from(callee)).map_or_else(|| "?".into(), |f| clean(&f.name));
                edge(&format!("becomes {name}"), "END([End])");
            }
            Exit::Fail => edge("fails", "END([End])"),
            Exit::Off => edge("falls off", "END([End])"),
            Exit::Jump(to) | Exit::Falls(to) => edge("", &format!("B{to}")),
            Exit::Branch { cond, yes, no } => {
                edge(&format!("r{cond} is true"), &format!("B{yes}"));
                edge(&format!("r{cond} is false"), &format!("B{no}"));
            }
        }
    }
}

/// Text inside a label of Mermaid.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("#quot;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            '#' => out.push_str("#35;"),
            '|' => out.push_str("#124;"),
            '`' => out.push_str("#96;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
