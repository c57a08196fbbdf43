//! Writing.

use serde_json::{Map, Value, json};

use super::DEPTH;
use crate::fd::Constraint;
use crate::id::{ROOT, VarId};
use crate::nondet::flat::{Flat, Node, One, Two};
use crate::nondet::ir::{Answer, Choice, Expr, Ir, Objective, Ordering};
use crate::value::Val;

/// A value in the form described at the module.
#[must_use]
pub fn value_to_json(value: &Val) -> Value {
    match value {
        Val::Nothing => Value::Null,
        Val::Bool(truth) => json!(truth),
        Val::Int(n) => number(*n),
        Val::Text(text) => json!(&**text),
        Val::List(all) => Value::Array(all.iter().map(value_to_json).collect()),
        Val::Just(inner) => json!({ "Just": value_to_json(inner) }),
        Val::Pair(both) => json!({ "Pair": [value_to_json(&both.0), value_to_json(&both.1)] }),
        Val::Record(fields) => {
            let fields: Vec<Value> = fields.iter().map(|(name, v)| json!([&**name, value_to_json(v)])).collect();
            json!({ "Record": fields })
        }
        Val::Bytes(bytes) => json!({ "Bytes": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() }),
        Val::Object(id) if *id == ROOT => json!({ "Root": null }),
        Val::Object(id) => json!({ "Object": id.to_string() }),
        Val::Tx(id) => json!({ "Tx": id.to_string() }),
        Val::Execution(id) => json!({ "Execution": id.to_string() }),
        Val::Machine(name) => json!({ "Machine": name.as_str() }),
        Val::Controller(name) => json!({ "Controller": name.as_str() }),
        Val::Var(id) => json!({ "Var": id.0 }),
    }
}

/// A number of the machine fits one of the two wide kinds of JSON numbers.
fn number(n: i128) -> Value {
    u64::try_from(n).map(Value::from).or_else(|_| i64::try_from(n).map(Value::from)).unwrap_or(Value::Null)
}

/// The question as one line of JSON.
#[must_use]
pub fn to_json(ir: &Ir) -> String {
    let mut flat = Flat::default();
    let roots: Vec<u32> = ir.expressions().map(|expr| flat.add(expr)).collect();
    let table = Written::new(&flat.nodes, &roots);
    let mut root = roots.iter().map(|root| table.refer(*root));
    let mut next = || root.next().unwrap_or(Value::Null);
    let mut object = Map::new();
    object.insert("choices".to_owned(), ir.choices.iter().map(choice).collect());
    // In the order in which the expressions were put in.
    let path: Vec<Value> = ir.path.iter().map(|_| next()).collect();
    let requires: Vec<Value> = ir.requires.iter().map(|_| next()).collect();
    let prefers: Vec<Value> = ir.prefers.iter().map(|soft| json!([next(), soft.weight])).collect();
    object.insert("requires".to_owned(), Value::Array(requires));
    let optional = [("path", path), ("prefers", prefers), ("shared", table.shared())];
    for (name, all) in optional.into_iter().filter(|(_, all)| !all.is_empty()) {
        object.insert(name.to_owned(), Value::Array(all));
    }
    let named = |asserted: &crate::nondet::Asserted| match (&asserted.name, &asserted.place) {
        (None, None) => Value::Null,
        (name, place) => json!({ "name": name.as_deref(), "place": place.as_ref().map(json_place) }),
    };
    let named: Vec<Value> = ir.requires.iter().map(named).collect();
    if named.iter().any(|name| !name.is_null()) {
        object.insert("named".to_owned(), Value::Array(named));
    }
    let vars: Vec<Value> =
        ir.fd.vars.iter().map(|(id, domain)| json!({ "id": id.0, "domain": values(domain) })).collect();
    let constraints: Vec<Value> = ir.fd.constraints.iter().map(constraint).collect();
    let pair = |(id, value): &(VarId, Val)| json!([id.0, value_to_json(value)]);
    let refutations: Vec<Value> = ir.fd.refutations.iter().map(|all| all.iter().map(pair).collect()).collect();
    let mut fd = json!({ "vars": vars, "constraints": constraints, "refutations": refutations });
    if !ir.fd.places.is_empty() {
        let places = ir.fd.places.iter().map(|place| place.as_ref().map_or(Value::Null, json_place));
        fd["places"] = places.collect();
    }
    object.insert("fd".to_owned(), fd);
    let orders = ir.msc.iter().map(|Ordering::Before(one, two)| {
        let call = |(object, message): &(crate::id::ObjectId, Val)| json!([object.to_string(), value_to_json(message)]);
        json!(["Before", call(one), call(two)])
    });
    object.insert("msc".to_owned(), orders.collect());
    let objective = if ir.objective == Objective::LexFirst { "LexFirst" } else { "MaxWeight" };
    object.insert("objective".to_owned(), json!(objective));
    Value::Object(object).to_string()
}

/// The answer as one line of JSON: `{"choices":{"0":1,"1":2},"vars":{}}`.
#[must_use]
pub fn answer_to_json(answer: &Answer) -> String {
    // By hand, for numbers as keys do not sort as texts do.
    let choices = answer.choices.iter().enumerate().map(|(id, option)| format!("\"{id}\":{option}"));
    let vars = answer.vars.iter().map(|(id, value)| format!("\"{}\":{}", id.0, value_to_json(value)));
    let (choices, vars) = (choices.collect::<Vec<_>>().join(","), vars.collect::<Vec<_>>().join(","));
    format!("{{\"choices\":{{{choices}}},\"vars\":{{{vars}}}}}")
}

fn values(all: &[Val]) -> Value {
    all.iter().map(value_to_json).collect()
}

fn json_place(place: &(std::sync::Arc<str>, crate::code::Place)) -> Value {
    json!([&*place.0, serde_json::to_value(place.1).unwrap_or(Value::Null)])
}

fn choice(choice: &Choice) -> Value {
    let mut object = Map::new();
    object.insert("id".to_owned(), json!(choice.id.0));
    object.insert("options".to_owned(), values(&choice.options));
    if let Some(weights) = &choice.weights {
        object.insert("weights".to_owned(), json!(weights));
    }
    if let Some(place) = &choice.place {
        object.insert("place".to_owned(), json_place(place));
    }
    Value::Object(object)
}

fn constraint(constraint: &Constraint) -> Value {
    let ids = |vars: &[VarId]| vars.iter().map(|id| id.0).collect::<Vec<_>>();
    let sum = |terms: &[(i64, VarId)]| terms.iter().map(|(factor, id)| json!([factor, id.0])).collect::<Value>();
    match constraint {
        Constraint::Eq(x, y) => json!(["Eq", x.0, y.0]),
        Constraint::Neq(x, y) => json!(["Neq", x.0, y.0]),
        Constraint::Leq(x, y) => json!(["Leq", x.0, y.0]),
        Constraint::Lt(x, y) => json!(["Lt", x.0, y.0]),
        Constraint::Geq(x, y) => json!(["Geq", x.0, y.0]),
        Constraint::Gt(x, y) => json!(["Gt", x.0, y.0]),
        Constraint::AllDiff(vars) => json!(["AllDiff", ids(vars)]),
        Constraint::ValEq(x, value) => json!(["ValEq", x.0, value_to_json(value)]),
        Constraint::ValLeq(x, value) => json!(["ValLeq", x.0, value_to_json(value)]),
        Constraint::ValLt(x, value) => json!(["ValLt", x.0, value_to_json(value)]),
        Constraint::ValGeq(x, value) => json!(["ValGeq", x.0, value_to_json(value)]),
        Constraint::ValGt(x, value) => json!(["ValGt", x.0, value_to_json(value)]),
        Constraint::NeqOff(x, y, k) => json!(["NeqOff", x.0, y.0, k]),
        Constraint::EqOff(x, y, k) => json!(["EqOff", x.0, y.0, k]),
        Constraint::LeqOff(x, y, k) => json!(["LeqOff", x.0, y.0, k]),
        Constraint::SumEq(terms, total) => json!(["SumEq", sum(terms), total]),
        Constraint::SumLeq(terms, total) => json!(["SumLeq", sum(terms), total]),
        Constraint::Table(vars, rows) => {
            json!(["Table", ids(vars), rows.iter().map(|row| values(row)).collect::<Value>()])
        }
        Constraint::Element { list, index, value } => json!(["Element", values(list), index.0, value.0]),
    }
}

/// The table of nodes, of which some are written where they are used and the others once for all.
struct Written<'a> {
    nodes: &'a [Node],
    /// Position among the shared ones.
    shared: Vec<Option<u32>>,
}

impl<'a> Written<'a> {
    fn new(nodes: &'a [Node], roots: &[u32]) -> Self {
        let mut uses = vec![0u32; nodes.len()];
        roots.iter().for_each(|root| uses[*root as usize] += 1);
        nodes.iter().for_each(|node| node.each(|part| uses[part as usize] += 1));
        let mut depth = vec![0u32; nodes.len()];
        let mut shared = vec![None; nodes.len()];
        let mut count = 0;
        for (at, node) in nodes.iter().enumerate() {
            if matches!(node, Node::Const(_) | Node::Choice(_) | Node::Fd(_)) {
                continue;
            }
            node.each(|part| {
                let below = if shared[part as usize].is_some() { 0 } else { depth[part as usize] };
                depth[at] = depth[at].max(below + 1);
            });
            if uses[at] > 1 || depth[at] >= DEPTH {
                shared[at] = Some(count);
                count += 1;
            }
        }
        Self { nodes, shared }
    }

    fn refer(&self, at: u32) -> Value {
        match self.shared[at as usize] {
            Some(shared) => json!(["Shared", shared]),
            None => self.write(at),
        }
    }

    fn shared(&self) -> Vec<Value> {
        (0..self.nodes.len()).filter(|at| self.shared[*at].is_some()).map(|at| self.write(at as u32)).collect()
    }

    /// One node with its operands; as deep as [`DEPTH`] allows.
    fn write(&self, at: u32) -> Value {
        let all = |name: &str, parts: &[u32]| {
            let parts = parts.iter().map(|part| self.refer(*part));
            Value::Array(std::iter::once(json!(name)).chain(parts).collect())
        };
        match &self.nodes[at as usize] {
            Node::Const(value) => match value {
                Val::List(_) => json!(["Const", value_to_json(value)]),
                other => value_to_json(other),
            },
            Node::Choice(id) => json!(["Choice", id.0]),
            Node::Fd(id) => json!(["Fd", id.0]),
            Node::Two(op, a, b) => all(two_name(*op), &[*a, *b]),
            Node::One(One::Neg, a) => all("Neg", &[*a]),
            Node::One(One::Not, a) => all("Not", &[*a]),
            Node::One(One::Defined, a) => all("Defined", &[*a]),
            Node::Ite(a, b, c) => all("Ite", &[*a, *b, *c]),
            Node::In(a, list) => json!(["In", self.refer(*a), values(list)]),
            Node::AllDiff(parts) => all("AllDiff", parts),
            Node::Table(ids, rows) => {
                let ids: Vec<u32> = ids.iter().map(|id| id.0).collect();
                json!(["Table", ids, rows.iter().map(|row| values(row)).collect::<Value>()])
            }
        }
    }
}

const fn two_name(op: Two) -> &'static str {
    match op {
        Two::Add => "Add",
        Two::Sub => "Sub",
        Two::Mul => "Mul",
        Two::Div => "Div",
        Two::Mod => "Mod",
        Two::Eq => "Eq",
        Two::Neq => "Neq",
        Two::Lt => "Lt",
        Two::Leq => "Leq",
        Two::Gt => "Gt",
        Two::Geq => "Geq",
        Two::And => "And",
        Two::Or => "Or",
    }
}

/// Makes sure that an expression alone can be written too, for messages.
impl Expr {
    /// The expression as JSON, operands in place; what is shared is written where it is used, so use it for small ones.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut flat = Flat::default();
        let root = flat.add(self);
        let written = Written::new(&flat.nodes, &[root]);
        let shared = written.shared();
        if shared.is_empty() {
            written.refer(root).to_string()
        } else {
            json!({ "expr": written.refer(root), "shared": shared }).to_string()
        }
    }
}
