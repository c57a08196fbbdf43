//! The formatter: lines stay as they are cut, blanks and indentation become uniform, comments stay.

use super::diagnostic::Diagnostics;
use super::lex::{Comment, Tok, Token};
use super::parse::{Parsed, Role, parse};
use super::source::Source;

const INDENT: usize = 4;

/// Formats a source. Formatting twice changes nothing more, and the program stays the same.
///
/// # Errors
/// What is wrong with it, when it cannot be read.
pub fn format(source: &str) -> Result<String, Diagnostics> {
    format_source(&Source::new("source", source))
}

/// Like [`format`], with the name of the file in messages.
///
/// # Errors
/// What is wrong with it, when it cannot be read.
pub fn format_source(source: &Source) -> Result<String, Diagnostics> {
    let parsed = parse(&source.text, 0);
    if parsed.errors.is_empty() {
        let mut writer = Writer::new(&source.text);
        writer.run(&parsed);
        return Ok(writer.out);
    }
    Err(Diagnostics::of(vec![source.clone()], parsed.errors))
}

/// Whether a source is formatted.
///
/// # Errors
/// What is wrong with it, when it cannot be read; `W` remarks never.
pub fn is_formatted(source: &Source) -> Result<bool, Diagnostics> {
    Ok(format_source(source)? == *source.text)
}

/// An open bracket.
struct Open {
    /// Statements stand in it.
    block: bool,
    /// How deep its line stands: what is in it stands one level deeper.
    level: usize,
}

struct Writer<'a> {
    text: &'a str,
    out: String,
    open: Vec<Open>,
    /// How deep this line stands.
    level: usize,
    /// End of what was written, in the text.
    at: usize,
    /// Nothing stands on the line yet.
    line_start: bool,
}

impl<'a> Writer<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, out: String::with_capacity(text.len()), open: Vec::new(), level: 0, at: 0, line_start: true }
    }

    fn run(&mut self, parsed: &Parsed) {
        let mut comments = parsed.comments.iter().peekable();
        let mut before: Option<(&Token, Role)> = None;
        for (i, (token, role)) in parsed.tokens.iter().zip(&parsed.roles).enumerate() {
            while let Some(comment) = comments.next_if(|comment| comment.span.start < token.span.start) {
                self.comment(comment, token, role);
            }
            if token.kind == Tok::End {
                break;
            }
            let next = parsed.tokens.get(i + 1);
            if token.kind == Tok::Sign(";") && next.is_none_or(|next| next.first || next.kind == Tok::Sign("}")) {
                self.at = token.span.end as usize;
                continue;
            }
            self.token(token, *role, before);
            before = Some((token, *role));
        }
        if !self.out.is_empty() && !self.line_start {
            self.out.push('\n');
        }
    }

    /// Ends the line, when something is on it, and keeps one empty line where there were some.
    fn new_line(&mut self, next: usize, keep_empty: bool) {
        if !self.line_start {
            self.out.push('\n');
        }
        let gap = self.text.get(self.at..next).unwrap_or_default();
        let empty = gap.matches('\n').count() > usize::from(!self.line_start || self.out.is_empty());
        let opened = self.out.ends_with("{\n") || self.out.ends_with("(\n") || self.out.ends_with("[\n");
        if empty && keep_empty && !opened && !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
        self.line_start = true;
    }

    fn indent(&mut self, levels: usize) {
        self.out.extend(std::iter::repeat_n(' ', levels * INDENT));
        self.line_start = false;
        self.level = levels;
    }

    fn depth(&self) -> usize {
        self.open.last().map_or(0, |open| open.level + 1)
    }

    fn comment(&mut self, comment: &Comment, next: &Token, role: &Role) {
        let text = self.text.get(comment.span.start as usize..comment.span.end as usize).unwrap_or_default().trim_end();
        if comment.own_line || self.out.is_empty() {
            self.new_line(comment.span.start as usize, true);
            let continues = !role.start && self.open.last().is_none_or(|open| open.block) && !closes(&next.kind);
            let levels = self.depth() + usize::from(continues && next.kind != Tok::End);
            self.indent(levels);
        } else if !self.line_start {
            self.out.push(' ');
        }
        self.out.push_str(text);
        self.at = comment.span.end as usize;
    }

    fn token(&mut self, token: &Token, role: Role, before: Option<(&Token, Role)>) {
        let start = token.span.start as usize;
        let closing = closes(&token.kind);
        if token.first {
            let in_block = self.open.last().is_none_or(|open| open.block);
            self.new_line(start, !closing);
            let mut levels = self.depth();
            if closing {
                levels = levels.saturating_sub(1);
            } else if in_block && !role.start && token.kind != Tok::Word("else") {
                levels += 1;
            }
            self.indent(levels);
        } else if self.line_start {
            self.line_start = false;
        } else if let Some((last, last_role)) = before
            && blank(last, last_role, token, role)
        {
            self.out.push(' ');
        }
        if closing {
            self.open.pop();
        }
        self.out.push_str(self.text.get(start..token.span.end as usize).unwrap_or_default().trim());
        self.at = token.span.end as usize;
        if let Tok::Sign(sign @ ("(" | "[" | "{")) = token.kind {
            self.open.push(Open { block: sign == "{" && !role.tight_open, level: self.level });
        }
    }
}

fn closes(kind: &Tok) -> bool {
    matches!(kind, Tok::Sign(")" | "]" | "}"))
}

/// Whether a blank stands between two tokens of one line.
fn blank(last: &Token, last_role: Role, token: &Token, role: Role) -> bool {
    if last_role.prefix || last_role.tight_open || last_role.joined || role.joined || role.tight_close {
        return false;
    }
    match (&last.kind, &token.kind) {
        (Tok::Sign("{"), Tok::Sign("}")) => false,
        (_, Tok::Sign(")" | "]" | "," | ";" | ":" | "?" | ".")) => false,
        (Tok::Sign("(" | "[" | "."), _) => false,
        // A blank before these brackets has a meaning, unless an operator stands before it.
        (last, Tok::Sign("(" | "[")) => {
            let heads = ["if", "in", "match", "return", "while", "for", "else", "let"];
            let head = matches!(last, Tok::Word(word) if heads.contains(word));
            let operator = matches!(last, Tok::Sign(sign) if !matches!(*sign, ")" | "]" | "}" | "?" | "_"));
            token.spaced || head || operator
        }
        _ => true,
    }
}
