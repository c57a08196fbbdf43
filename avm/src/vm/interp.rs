//! The loop: operations on inline values and the commonest instructions are done here, everything else by [`World::step`]
//! (`avm:7.1`). Constant host stack, whatever the program does.

use super::config::Why;
use super::exec::{Enter, Exec, Frame, WINDOW};
use super::heap::Heap;
use super::loaded::Code;
use super::tx::{Mode, OWNED, STATE};
use super::word::{FALSE, FUNCTION, NOTHING, Node, ROOT_REF, T_MACHINE, T_OBJECT, TRUE, Value};
use super::world::{Flow, World};
use crate::code::{Instr, Op};
use crate::event::TraceLevel;
use crate::id::{ObjectId, ROOT};

/// Why the loop was left.
#[derive(Debug)]
pub(super) enum Exit {
    /// The operations of the quantum are used up, or the execution gave way.
    Yield,
    Park(Why),
    Over,
}

const NO_WINDOW: &str = "registers are reserved a window ahead";

fn window(regs: &mut [Value], base: usize) -> &mut [Value; WINDOW] {
    let Some(Ok(window)) = regs.get_mut(base..base + WINDOW).map(TryInto::try_into) else {
        unreachable!("{NO_WINDOW}")
    };
    window
}

/// Reference to an object where it needs no node.
#[inline(always)]
fn object(id: ObjectId) -> Option<Value> {
    if id == ROOT { Some(ROOT_REF) } else { Value::id(T_OBJECT, id.0) }
}

/// Both inline numbers.
#[inline(always)]
const fn smalls(a: Value, b: Value) -> bool {
    a.is_int() && b.is_int()
}

/// Runs until the operations left are used up or something else ends it.
#[allow(clippy::too_many_lines)]
pub(super) fn run(world: &mut World, code: &Code, x: &mut Exec) -> Exit {
    let mut left = x.left;
    'window: loop {
        let top = x.frames.len() - 1;
        let frame = x.frames[top];
        let func = &code.functions[frame.func as usize];
        let constants = func.constants as usize;
        let base = frame.base as usize;
        let mut pc = frame.pc as usize;
        let w = window(&mut x.regs, base);
        macro_rules! set {
            ($dst:expr, $value:expr) => {{
                let value = $value;
                let before = std::mem::replace(&mut w[$dst as usize], value);
                world.heap.release(before);
            }};
        }
        macro_rules! leave_with {
            ($flow:expr) => {
                match $flow.unwrap_or_else(|fault| world.fail(code, x, fault)) {
                    Flow::Next => {}
                    Flow::Park(why) => return Exit::Park(why),
                    Flow::Yield => return Exit::Yield,
                    Flow::Over => return Exit::Over,
                }
            };
        }
        loop {
            let op = code.ops[pc];
            if left == 0 {
                x.frames[top].pc = pc as u32;
                x.left = 0;
                return Exit::Yield;
            }
            left -= 1;
            pc += 1;
            match op {
                Op::Const { dst, k } => {
                    let value = code.constants[constants + usize::from(k)];
                    set!(dst, world.heap.retain(value));
                    continue;
                }
                Op::Int { dst, number } => {
                    set!(dst, Value::int32(number));
                    continue;
                }
                Op::Bool { dst, truth } => {
                    set!(dst, Value::bool(truth));
                    continue;
                }
                Op::Nothing { dst } => {
                    set!(dst, NOTHING);
                    continue;
                }
                Op::Move { dst, src } => {
                    let value = world.heap.retain(w[src as usize]);
                    set!(dst, value);
                    continue;
                }
                Op::Add { dst, a, b } => {
                    let (a, b) = (w[a as usize], w[b as usize]);
                    if smalls(a, b)
                        && let Some(sum) = Value::int(a.small() + b.small())
                    {
                        set!(dst, sum);
                        continue;
                    }
                }
                Op::Sub { dst, a, b } => {
                    let (a, b) = (w[a as usize], w[b as usize]);
                    if smalls(a, b)
                        && let Some(difference) = Value::int(a.small() - b.small())
                    {
                        set!(dst, difference);
                        continue;
                    }
                }
                Op::Mul { dst, a, b } => {
                    let (a, b) = (w[a as usize], w[b as usize]);
                    if smalls(a, b)
                        && let Some(product) = a.small().checked_mul(b.small()).and_then(Value::int)
                    {
                        set!(dst, product);
                        continue;
                    }
                }
                Op::Div { dst, a, b } => {
                    let (a, b) = (w[a as usize], w[b as usize]);
                    if smalls(a, b)
                        && b.small() > 0
                        && let Some(quotient) = Value::int(a.small().div_euclid(b.small()))
                    {
                        set!(dst, quotient);
                        continue;
                    }
                }
                Op::Mod { dst, a, b } => {
                    let (a, b) = (w[a as usize], w[b as usize]);
                    if smalls(a, b)
                        && b.small() > 0
                        && let Some(rest) = Value::int(a.small().rem_euclid(b.small()))
                    {
                        set!(dst, rest);
                        continue;
                    }
                }
                Op::AddInt { dst, a, number } => {
                    let a = w[a as usize];
                    if a.is_int()
                        && let Some(sum) = Value::int(a.small() + i64::from(number))
                    {
                        set!(dst, sum);
                        continue;
                    }
                }
                Op::Eq { dst, a, b } => {
                    let (a, b) = (w[a as usize], w[b as usize]);
                    if !a.is_ref() && !b.is_ref() {
                        set!(dst, Value::bool(a == b));
                        continue;
                    }
                }
                Op::Ne { dst, a, b } => {
                    let (a, b) = (w[a as usize], w[b as usize]);
                    if !a.is_ref() && !b.is_ref() {
                        set!(dst, Value::bool(a != b));
                        continue;
                    }
                }
                Op::Lt { dst, a, b } => {
                    let (a, b) = (w[a as usize], w[b as usize]);
                    if smalls(a, b) {
                        set!(dst, Value::bool(a.small() < b.small()));
                        continue;
                    }
                }
                Op::Le { dst, a, b } => {
                    let (a, b) = (w[a as usize], w[b as usize]);
                    if smalls(a, b) {
                        set!(dst, Value::bool(a.small() <= b.small()));
                        continue;
                    }
                }
                Op::Not { dst, a } => {
                    if let Some(truth) = Heap::as_bool(w[a as usize]) {
                        set!(dst, Value::bool(!truth));
                        continue;
                    }
                }
                Op::And { dst, a, b } => {
                    if let (Some(a), Some(b)) = (Heap::as_bool(w[a as usize]), Heap::as_bool(w[b as usize])) {
                        set!(dst, Value::bool(a && b));
                        continue;
                    }
                }
                Op::Or { dst, a, b } => {
                    if let (Some(a), Some(b)) = (Heap::as_bool(w[a as usize]), Heap::as_bool(w[b as usize])) {
                        set!(dst, Value::bool(a || b));
                        continue;
                    }
                }
                Op::List { dst, start, count } => {
                    let (from, to) = (start as usize, start as usize + count as usize);
                    if to <= WINDOW
                        && let Ok(list) = world.heap.list(&w[from..to])
                    {
                        set!(dst, list);
                        continue;
                    }
                }
                Op::LenIs { dst, a, len } => {
                    let a = w[a as usize];
                    if !a.is_deferred() {
                        set!(dst, Value::bool(a.is_list() && world.heap.len(a) == usize::from(len)));
                        continue;
                    }
                }
                Op::LenAtLeast { dst, a, len } => {
                    let a = w[a as usize];
                    if !a.is_deferred() {
                        set!(dst, Value::bool(a.is_list() && world.heap.len(a) >= usize::from(len)));
                        continue;
                    }
                }
                Op::Item { dst, a, index } => {
                    let a = w[a as usize];
                    if a.is_node(Node::List) && usize::from(index) < world.heap.len(a) {
                        let item = world.heap.child(a, usize::from(index));
                        set!(dst, world.heap.retain(item));
                        continue;
                    }
                }
                Op::First { dst, a } => {
                    let a = w[a as usize];
                    if a.is_node(Node::Pair) {
                        let item = world.heap.child(a, 0);
                        set!(dst, world.heap.retain(item));
                        continue;
                    }
                }
                Op::Second { dst, a } => {
                    let a = w[a as usize];
                    if a.is_node(Node::Pair) {
                        let item = world.heap.child(a, 1);
                        set!(dst, world.heap.retain(item));
                        continue;
                    }
                }
                Op::KindIs { dst, a, kind } => {
                    let a = w[a as usize];
                    if !a.is_deferred() {
                        set!(dst, Value::bool(super::convert::kind(&world.heap, a) == kind));
                        continue;
                    }
                }
                Op::Jump { to } => {
                    pc = to as usize;
                    continue;
                }
                Op::JumpIf { cond, to } => match w[cond as usize] {
                    TRUE => {
                        pc = to as usize;
                        continue;
                    }
                    FALSE => continue,
                    _ => {}
                },
                Op::JumpIfNot { cond, to } => match w[cond as usize] {
                    FALSE => {
                        pc = to as usize;
                        continue;
                    }
                    TRUE => continue,
                    _ => {}
                },
                Op::Invoke { dst, start, function }
                    if x.frames.len() < super::slow::FRAMES * world.config.call_depth as usize =>
                {
                    let number = func.functions + u32::from(function);
                    x.frames[top].pc = pc as u32;
                    enter(world, code, x, number, base + start as usize, dst, Enter::Invoke);
                    continue 'window;
                }
                Op::Return { src } => {
                    if frame.enter == Enter::Invoke && top > x.floor as usize {
                        let value = std::mem::replace(&mut w[src as usize], NOTHING);
                        for register in &mut w[..func.registers as usize] {
                            let value = std::mem::replace(register, NOTHING);
                            world.heap.release(value);
                        }
                        x.frames.pop();
                        let at = x.frames[top - 1].base as usize + frame.dst as usize;
                        let before = std::mem::replace(&mut x.regs[at], value);
                        world.heap.release(before);
                        continue 'window;
                    }
                    if frame.enter == Enter::Call {
                        x.frames[top].pc = pc as u32;
                        x.left = left;
                        let value = world.heap.retain(x.regs[base + src as usize]);
                        leave_with!(world.call_returned(code, x, value));
                        left = x.left;
                        continue 'window;
                    }
                }
                Op::Instr { dst, start, which } => match which {
                    Instr::Call if x.pures == 0 => {
                        x.frames[top].pc = pc as u32;
                        if let Err(fault) = world.call(code, x, dst, start) {
                            x.left = left;
                            leave_with!(Ok(world.fail(code, x, fault)));
                            left = x.left;
                        }
                        continue 'window;
                    }
                    Instr::SelfId => {
                        if let Some(me) = object(x.contexts[x.contexts.len() - 1].id) {
                            set!(dst, me);
                            continue;
                        }
                    }
                    Instr::Input => {
                        let input = world.heap.retain(x.contexts[x.contexts.len() - 1].input);
                        set!(dst, input);
                        continue;
                    }
                    Instr::Sender => {
                        if let Some(sender) = x.contexts[x.contexts.len() - 1].sender.map_or(Some(NOTHING), object) {
                            set!(dst, sender);
                            continue;
                        }
                    }
                    Instr::CurrentMachine => {
                        set!(dst, Value::word32(T_MACHINE, x.contexts[x.contexts.len() - 1].machine));
                        continue;
                    }
                    Instr::GetState => {
                        let context = &x.contexts[x.contexts.len() - 1];
                        if context.epoch == x.tx.epoch {
                            let state = x.tx.table[context.entry as usize].state;
                            set!(dst, world.heap.retain(state));
                            continue;
                        }
                        if context.id == ROOT && x.tx.mode == Mode::None {
                            set!(dst, world.heap.retain(x.state));
                            continue;
                        }
                    }
                    Instr::SetState => {
                        let context = &x.contexts[x.contexts.len() - 1];
                        let state = w[start as usize];
                        if state.is_list() && state.flags() & FUNCTION == 0 && x.trace.level != TraceLevel::Extended {
                            if context.epoch == x.tx.epoch {
                                let entry = &x.tx.table[context.entry as usize];
                                let ready = entry.has(STATE) && (x.tx.mode == Mode::Implicit || entry.has(OWNED));
                                if ready && x.tx.is_saved(entry) {
                                    world.heap.retain(state);
                                    let entry = &mut x.tx.table[context.entry as usize];
                                    let before = std::mem::replace(&mut entry.state, state);
                                    world.heap.release(before);
                                    set!(dst, NOTHING);
                                    continue;
                                }
                            } else if context.id == ROOT && x.tx.mode == Mode::None {
                                world.heap.retain(state);
                                let before = std::mem::replace(&mut x.state, state);
                                world.heap.release(before);
                                set!(dst, NOTHING);
                                continue;
                            }
                        }
                    }
                    _ => {}
                },
                _ => {}
            }
            x.frames[top].pc = pc as u32;
            x.left = left;
            match world.step(code, x, op) {
                Flow::Next => {}
                Flow::Park(why) => return Exit::Park(why),
                Flow::Yield => return Exit::Yield,
                Flow::Over => return Exit::Over,
            }
            left = x.left;
            continue 'window;
        }
    }
}

/// Enters a function whose arguments stand from register `base` on.
#[inline]
pub(super) fn enter(world: &mut World, code: &Code, x: &mut Exec, func: u32, base: usize, dst: u8, how: Enter) {
    let function = &code.functions[func as usize];
    x.reserve(base);
    for register in &mut x.regs[base + function.arity as usize..base + function.registers as usize] {
        let before = std::mem::replace(register, NOTHING);
        world.heap.release(before);
    }
    x.frames.push(Frame { pc: function.start, base: base as u32, func, dst, enter: how });
}
