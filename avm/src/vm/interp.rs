//! The loop: operations on inline values and the commonest instructions are done here, everything else by [`World::step`]
//! (`avm:7.1`). Constant host stack, whatever the program does.

use super::config::Why;
use super::exec::{Context, Enter, Exec, Frame, WINDOW};
use super::fast::Fast;
use super::heap::Heap;
use super::loaded::Code;
use super::quick::{self, Ease};
use super::word::{FALSE, NOTHING, Node, ROOT_REF, T_MACHINE, T_OBJECT, TRUE, Value};
use super::world::{Flow, World};
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

/// A number and a small one.
#[inline(always)]
fn add(value: Value, number: i16) -> Option<Value> {
    if value.is_int() { Value::int(value.small() + i64::from(number)) } else { None }
}

/// Whether two values are equal, where words tell.
#[inline(always)]
fn same(a: Value, b: Value) -> Option<bool> {
    if a.is_ref() || b.is_ref() { None } else { Some(a == b) }
}

/// Length of a list, less than nothing of what is none.
#[inline(always)]
fn length(heap: &Heap, a: Value) -> Option<i64> {
    if a.is_deferred() {
        return None;
    }
    Some(if a.is_list() { heap.len(a) as i64 } else { -1 })
}

/// Both truth values.
#[inline(always)]
fn truths(a: Value, b: Value) -> Option<(bool, bool)> {
    Some((Heap::as_bool(a)?, Heap::as_bool(b)?))
}

/// The innermost context, where instructions may ask for it.
#[inline(always)]
fn running(contexts: &[Context], pures: u32) -> Option<&Context> {
    if pures == 0 { contexts.last() } else { None }
}

/// Runs until the operations left are used up or something else ends it.
#[allow(clippy::too_many_lines)]
pub(super) fn run(world: &mut World, code: &Code, x: &mut Exec) -> Exit {
    let mut left = x.left;
    let fast = &code.fast[..];
    x.ease = Ease::Unknown;
    'window: loop {
        let frame = x.frame();
        let mut pc = frame.pc as usize;
        let w = window(&mut x.regs, frame.base as usize);
        macro_rules! set {
            ($dst:expr, $value:expr) => {{
                let value = $value;
                let before = std::mem::replace(&mut w[$dst as usize], value);
                world.heap.release(before);
            }};
        }
        // So many operations are done; it goes on behind them, or elsewhere.
        macro_rules! go {
            ($count:expr) => {{
                left -= u32::from($count);
                pc += usize::from($count);
                continue;
            }};
            ($count:expr, $to:expr) => {{
                left -= $count;
                pc = $to as usize;
                continue;
            }};
        }
        // One operation with a value, where there is one.
        macro_rules! give {
            ($dst:expr, $value:expr) => {
                if let Some(value) = $value {
                    set!($dst, value);
                    go!(1u16);
                }
            };
        }
        macro_rules! copy {
            ($move:expr) => {
                set!($move.0, world.heap.retain(w[$move.1 as usize]))
            };
        }
        macro_rules! number {
            ($dst:expr, $a:expr, $b:expr, |$one:ident, $two:ident| $made:expr) => {{
                let (one, two) = (w[$a as usize], w[$b as usize]);
                if smalls(one, two) {
                    let ($one, $two) = (one.small(), two.small());
                    give!($dst, $made);
                }
            }};
        }
        // The last of so many operations goes on elsewhere when a test does not hold.
        macro_rules! test {
            ($count:expr, $dst:expr, $truth:expr, $to:expr) => {{
                let truth = $truth;
                set!($dst, Value::bool(truth));
                go!($count, if truth { pc + $count } else { $to as usize });
            }};
        }
        loop {
            if left == 0 {
                world.spread(x);
                x.set_pc(pc);
                x.left = 0;
                return Exit::Yield;
            }
            // What does not go on is done in full below.
            match fast[pc] {
                Fast::Plain => {}
                Fast::Inline { dst, value } => give!(dst, Some(value)),
                Fast::Shared { dst, value } => give!(dst, Some(world.heap.retain(value))),
                Fast::Move { dst, src } => give!(dst, Some(world.heap.retain(w[src as usize]))),
                Fast::Moves { one, two } if left >= 2 => {
                    copy!(one);
                    copy!(two);
                    go!(2u16);
                }
                Fast::MovesOfThree { one, two, three } if left >= 3 => {
                    copy!(one);
                    copy!(two);
                    copy!(three);
                    go!(3u16);
                }
                Fast::Add { dst, a, b } => number!(dst, a, b, |a, b| Value::int(a + b)),
                Fast::Sub { dst, a, b } => number!(dst, a, b, |a, b| Value::int(a - b)),
                Fast::Mul { dst, a, b } => {
                    number!(dst, a, b, |a, b| a.checked_mul(b).and_then(Value::int))
                }
                Fast::Div { dst, a, b } => {
                    number!(dst, a, b, |a, b| if b > 0 { Value::int(a.div_euclid(b)) } else { None });
                }
                Fast::Mod { dst, a, b } => {
                    number!(dst, a, b, |a, b| if b > 0 { Value::int(a.rem_euclid(b)) } else { None });
                }
                Fast::AddInt { dst, a, number } => give!(dst, add(w[a as usize], number)),
                Fast::AddJump { dst, a, number, to } if left >= 2 => {
                    if let Some(sum) = add(w[a as usize], number) {
                        set!(dst, sum);
                        go!(2, to);
                    }
                }
                Fast::Turn { dst, a, number, test, one, two, to, end } if left >= 2 => {
                    if let Some(sum) = add(w[a as usize], number) {
                        set!(dst, sum);
                        let (one, two) = (w[one as usize], w[two as usize]);
                        if left < 4 || !smalls(one, two) {
                            go!(2, to);
                        }
                        let less = one.small() < two.small();
                        set!(test, Value::bool(less));
                        go!(4, if less { to + 2 } else { end });
                    }
                }
                Fast::Eq { dst, a, b } => {
                    give!(dst, same(w[a as usize], w[b as usize]).map(Value::bool))
                }
                Fast::Ne { dst, a, b } => give!(dst, same(w[a as usize], w[b as usize]).map(|same| Value::bool(!same))),
                Fast::Lt { dst, a, b } => number!(dst, a, b, |a, b| Some(Value::bool(a < b))),
                Fast::Le { dst, a, b } => number!(dst, a, b, |a, b| Some(Value::bool(a <= b))),
                Fast::LessElse { dst, a, b, to } if left >= 2 => {
                    let (a, b) = (w[a as usize], w[b as usize]);
                    if smalls(a, b) {
                        test!(2, dst, a.small() < b.small(), to);
                    }
                }
                Fast::Not { dst, a } => give!(dst, Heap::as_bool(w[a as usize]).map(|truth| Value::bool(!truth))),
                Fast::And { dst, a, b } => {
                    give!(dst, truths(w[a as usize], w[b as usize]).map(|(a, b)| Value::bool(a && b)));
                }
                Fast::Or { dst, a, b } => {
                    give!(dst, truths(w[a as usize], w[b as usize]).map(|(a, b)| Value::bool(a || b)));
                }
                Fast::List { dst, start, count } => {
                    let elements = w.get(start as usize..start as usize + count as usize);
                    give!(dst, elements.and_then(|elements| world.heap.list(elements).ok()));
                }
                Fast::One { dst, src } => give!(dst, world.heap.one(w[src as usize]).ok()),
                Fast::Ready { part, dst, list } if left >= 2 => {
                    set!(part, world.heap.child(list, 0));
                    set!(dst, world.heap.retain(list));
                    go!(2u16);
                }
                Fast::LenIs { dst, a, len } => {
                    give!(dst, length(&world.heap, w[a as usize]).map(|have| Value::bool(have == i64::from(len))));
                }
                Fast::LenElse { dst, a, len, to } if left >= 2 => {
                    if let Some(have) = length(&world.heap, w[a as usize]) {
                        test!(2, dst, have == i64::from(len), to);
                    }
                }
                Fast::LenAtLeast { dst, a, len } => {
                    give!(dst, length(&world.heap, w[a as usize]).map(|have| Value::bool(have >= i64::from(len))));
                }
                Fast::Item { dst, a, index } => {
                    give!(dst, world.heap.item(w[a as usize], usize::from(index)))
                }
                Fast::Items { dst, a, count, index } if left >= u32::from(count) => {
                    let (a, index) = (w[a as usize], usize::from(index));
                    if a.is_node(Node::List) && index + usize::from(count) <= world.heap.len(a) {
                        for at in 0..count {
                            let item = world.heap.child(a, index + usize::from(at));
                            set!(dst + at, world.heap.retain(item));
                        }
                        go!(count);
                    }
                }
                Fast::Tag { a, item, dst, to, value } if left >= 4 => {
                    if let Some(first) = world.heap.word(w[a as usize], 0) {
                        set!(item, first);
                        test!(4, dst, first == value, to);
                    }
                }
                Fast::InputTag { input, item, dst, to, value } => {
                    if let Some(context) = running(&x.contexts, x.pures) {
                        let message = world.heap.retain(context.input);
                        set!(input, message);
                        if left >= 5
                            && let Some(first) = world.heap.word(message, 0)
                        {
                            set!(item, first);
                            test!(5, dst, first == value, to);
                        }
                        go!(1u16);
                    }
                }
                Fast::ItemAdd { item, a, dst, index, number } if left >= 2 => {
                    if let Some(element) = world.heap.word(w[a as usize], usize::from(index))
                        && let Some(sum) = add(element, number)
                    {
                        set!(item, element);
                        set!(dst, sum);
                        go!(2u16);
                    }
                }
                Fast::First { dst, a } => give!(dst, world.heap.half(w[a as usize], 0)),
                Fast::Second { dst, a } => give!(dst, world.heap.half(w[a as usize], 1)),
                Fast::KindIs { dst, a, kind } => {
                    let a = w[a as usize];
                    if !a.is_deferred() {
                        give!(dst, Some(Value::bool(super::convert::kind(&world.heap, a) == kind)));
                    }
                }
                Fast::Jump { to } => go!(1, to),
                Fast::JumpIf { cond, to } => match w[cond as usize] {
                    TRUE => go!(1, to),
                    FALSE => go!(1u16),
                    _ => {}
                },
                Fast::JumpIfNot { cond, to } => match w[cond as usize] {
                    FALSE => go!(1, to),
                    TRUE => go!(1u16),
                    _ => {}
                },
                Fast::Invoke { dst, start, function }
                    if x.frames.len() < super::slow::FRAMES * world.config.call_depth as usize =>
                {
                    x.set_pc(pc + 1);
                    left -= 1;
                    enter(world, code, x, function, frame.base as usize + start as usize, dst, Enter::Invoke);
                    continue 'window;
                }
                Fast::Return { src } => {
                    let value = w[src as usize];
                    let ended = match frame.enter {
                        Enter::Invoke => world.quick_end(code, x, src),
                        Enter::Call if value.is_list() && value.flags() == 0 => {
                            let output = world.heap.element(value, 0);
                            world.quick_return(code, x, output)
                        }
                        _ => false,
                    };
                    if ended {
                        left -= 1;
                        continue 'window;
                    }
                }
                Fast::ReturnOne { src, list } => {
                    let output = w[src as usize];
                    if frame.enter != Enter::Call {
                        give!(list, world.heap.one(output).ok());
                    } else if left >= 2
                        && output.flags() == 0
                        && world.heap.holds_one(output)
                        && world.quick_return(code, x, Some(output))
                    {
                        left -= 2;
                        continue 'window;
                    }
                }
                Fast::ReturnInput { dst } => {
                    if let Some(input) = running(&x.contexts, x.pures).map(|context| context.input) {
                        if left >= 3 && frame.enter == Enter::Call && input.flags() == 0 && world.heap.holds_one(input)
                        {
                            if world.quick_return(code, x, Some(input)) {
                                left -= 3;
                                continue 'window;
                            }
                        } else {
                            give!(dst, Some(world.heap.retain(input)));
                        }
                    }
                }
                Fast::Call { dst, start } => {
                    x.set_pc(pc + 1);
                    if world.quick_call(code, x, dst, start) {
                        left -= 1;
                        continue 'window;
                    }
                }
                Fast::SelfId { dst } => {
                    give!(dst, running(&x.contexts, x.pures).and_then(|context| object(context.id)));
                }
                Fast::Input { dst } => {
                    give!(dst, running(&x.contexts, x.pures).map(|context| world.heap.retain(context.input)));
                }
                Fast::Sender { dst } => {
                    let sender =
                        running(&x.contexts, x.pures).map(|context| context.sender.map_or(Some(NOTHING), object));
                    give!(dst, sender.flatten());
                }
                Fast::CurrentMachine { dst } => {
                    give!(dst, running(&x.contexts, x.pures).map(|context| Value::word32(T_MACHINE, context.machine)));
                }
                Fast::GetState { dst } => {
                    let context = running(&x.contexts, x.pures);
                    let state = context.and_then(|context| quick::state(context, &x.leaf, &x.tx, x.state));
                    give!(dst, state.map(|state| world.heap.retain(state)));
                }
                Fast::StateLen { dst, test, len, to } if left >= 3 => {
                    let context = running(&x.contexts, x.pures);
                    if let Some(state) = context.and_then(|context| quick::state(context, &x.leaf, &x.tx, x.state)) {
                        set!(dst, world.heap.retain(state));
                        // A state is a list.
                        test!(3, test, world.heap.len(state) == usize::from(len), to);
                    }
                }
                Fast::SetState { dst, start } if x.trace.level != TraceLevel::Extended => {
                    let (context, state) = (running(&x.contexts, x.pures), w[start as usize]);
                    if quick::keep(context, (&mut x.leaf, &mut x.tx, &mut x.state), &mut world.heap, state) {
                        give!(dst, Some(NOTHING));
                    }
                }
                Fast::KeepOne { list, src, dst, count }
                    if left >= u32::from(count) && x.trace.level != TraceLevel::Extended =>
                {
                    if let Ok(state) = world.heap.one(w[src as usize]) {
                        let context = running(&x.contexts, x.pures);
                        let kept = quick::keep(context, (&mut x.leaf, &mut x.tx, &mut x.state), &mut world.heap, state);
                        set!(list, state);
                        if kept {
                            set!(dst, NOTHING);
                            go!(count);
                        }
                        // The list is made; where it is kept is found in full.
                        go!(1u16);
                    }
                }
                _ => {}
            }
            left -= 1;
            world.spread(x);
            x.ease = Ease::Unknown;
            x.set_pc(pc + 1);
            x.left = left;
            match world.step(code, x, code.ops[pc]) {
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

/// Enters a function whose arguments stand from register `base` on. Above the windows of all frames every register is `Nothing`,
/// so what has to be cleared for it is what the caller left behind its arguments.
pub(super) fn enter(world: &mut World, code: &Code, x: &mut Exec, func: u32, base: usize, dst: u8, how: Enter) {
    let function = &code.functions[func as usize];
    x.reserve(base);
    if let Some(caller) = x.frames.last() {
        let end = caller.base as usize + usize::from(code.functions[caller.func as usize].registers);
        let from = base + usize::from(function.arity);
        if from < end {
            x.wipe(&mut world.heap, from, end);
        }
    }
    x.frames.push(Frame { pc: function.start, base: base as u32, func, dst, enter: how });
}
