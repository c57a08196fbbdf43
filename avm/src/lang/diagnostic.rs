//! What the checker has to say, and how it is shown.

use std::fmt;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

use super::codes::{Code, Severity};
use super::source::{Source, Span, floor};

/// One remark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What it is about.
    pub code: Code,
    /// What is wrong, one line.
    pub message: String,
    /// Where.
    pub span: Span,
    /// Why, beside the place; may be empty.
    pub label: String,
    /// Another place that matters, and why.
    pub other: Option<(Span, String)>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A remark without reasons yet.
    #[must_use]
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), span, label: String::new(), other: None, help: None }
    }

    /// Says why, beside the place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Names another place that matters.
    #[must_use]
    pub fn other(mut self, span: Span, label: impl Into<String>) -> Self {
        self.other = Some((span, label.into()));
        self
    }
}

/// All remarks on a set of sources.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnostics {
    sources: Vec<Source>,
    list: Vec<Diagnostic>,
}

/// Form of a remark for machines.
#[derive(Serialize)]
struct Json<'a> {
    code: &'a str,
    severity: &'a str,
    message: &'a str,
    file: &'a str,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    start: u32,
    end: u32,
    label: &'a str,
    help: Option<&'a str>,
}

impl Diagnostics {
    /// Remarks on sources; ordered by place.
    #[must_use]
    pub fn of(sources: Vec<Source>, mut list: Vec<Diagnostic>) -> Self {
        list.sort_by_key(|d| (d.span.file, d.span.start, d.code));
        list.dedup();
        Self { sources, list }
    }

    /// The remarks, ordered by place.
    #[must_use]
    pub fn list(&self) -> &[Diagnostic] {
        &self.list
    }

    /// Whether one of them forbids the program.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.code.severity() == Severity::Error)
    }

    /// Whether there is nothing to say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Name, line and column from 1 of a remark.
    #[must_use]
    pub fn place(&self, diagnostic: &Diagnostic) -> (&str, u32, u32) {
        match self.sources.get(usize::from(diagnostic.span.file)) {
            Some(source) => {
                let (line, column) = source.line_column(diagnostic.span.start as usize);
                (&source.name, line, column)
            }
            None => ("", 1, 1),
        }
    }

    /// As a person reads them, with source lines; `colour` adds terminal colours.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut out = String::new();
        for diagnostic in &self.list {
            out.push_str(&self.render_one(&renderer, diagnostic));
            out.push_str("\n\n");
        }
        out
    }

    fn render_one(&self, renderer: &Renderer, diagnostic: &Diagnostic) -> String {
        let level = match diagnostic.code.severity() {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(&diagnostic.message).id(diagnostic.code.as_str());
        let mut group = Group::with_title(title);
        if let Some(source) = self.sources.get(usize::from(diagnostic.span.file)) {
            let primary = AnnotationKind::Primary.span(range(source, diagnostic.span));
            let label = (!diagnostic.label.is_empty()).then_some(diagnostic.label.as_str());
            let mut snippet = Snippet::source(&*source.text).path(&*source.name).annotation(primary.label(label));
            if let Some((span, why)) = &diagnostic.other
                && span.file == diagnostic.span.file
            {
                snippet = snippet.annotation(AnnotationKind::Context.span(range(source, *span)).label(why));
            }
            group = group.element(snippet);
        }
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(help));
        }
        renderer.render(&[group])
    }

    /// As machines read them: a list of objects with `code`, `severity`, `message`, `file`, `line`, `column` (from 1, in
    /// characters), `end_line`, `end_column`, `start`, `end` (in bytes), `label` and `help`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let one = |d: &Diagnostic| {
            let (file, line, column) = self.place(d);
            let source = self.sources.get(usize::from(d.span.file));
            let (end_line, end_column) = source.map_or((1, 1), |source| source.line_column(d.span.end as usize));
            serde_json::to_value(Json {
                code: d.code.as_str(),
                severity: if d.code.severity() == Severity::Error { "error" } else { "warning" },
                message: &d.message,
                file,
                line,
                column,
                end_line,
                end_column,
                start: d.span.start,
                end: d.span.end,
                label: &d.label,
                help: d.help.as_deref(),
            })
            .unwrap_or_default()
        };
        self.list.iter().map(one).collect()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(false).trim_end())
    }
}

impl std::error::Error for Diagnostics {}

/// The bytes to mark: inside the text, on borders of characters, on the first line of the place.
fn range(source: &Source, span: Span) -> std::ops::Range<usize> {
    let start = floor(&source.text, span.start as usize);
    let end = floor(&source.text, span.end as usize).max(start);
    let line = source.text.get(start..end).unwrap_or_default().find(['\n', '\r']).map_or(end, |at| start + at);
    start..line.max(start)
}
