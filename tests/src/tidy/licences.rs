//! Dependencies against `deny.toml`: licence, source, bans. The same file serves cargo-deny where that is installed.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Finding;

const FILE: &str = "deny.toml";
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// What `deny.toml` allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    licences: BTreeSet<String>,
    banned: BTreeSet<(String, Vec<String>)>,
}

impl Policy {
    /// Reads `deny.toml`.
    ///
    /// # Errors
    /// What is missing or not as expected.
    pub fn parse(text: &str) -> Result<Self, Finding> {
        let wrong = |what: String| Finding::new(FILE, 0, what);
        let table: toml::Table = text.parse().map_err(|error| wrong(format!("{error}")))?;
        let texts = |value: Option<&toml::Value>| -> Vec<String> {
            let values = value.and_then(toml::Value::as_array).cloned().unwrap_or_default();
            values.iter().filter_map(toml::Value::as_str).map(str::to_owned).collect()
        };
        let licences: BTreeSet<String> =
            texts(table.get("licenses").and_then(|part| part.get("allow"))).into_iter().collect();
        if licences.is_empty() {
            return Err(wrong("licenses.allow names no licence".to_owned()));
        }
        let bans = table
            .get("bans")
            .and_then(|part| part.get("deny"))
            .and_then(toml::Value::as_array)
            .cloned()
            .unwrap_or_default();
        let mut banned = BTreeSet::new();
        for ban in &bans {
            let name = ban
                .get("crate")
                .and_then(toml::Value::as_str)
                .ok_or_else(|| wrong(format!("a ban without a crate: {ban}")))?;
            banned.insert((name.to_owned(), texts(ban.get("wrappers"))));
        }
        Ok(Self { licences, banned })
    }

    /// Holds the output of `cargo metadata` against the policy.
    #[must_use]
    pub fn check(&self, metadata: &Value) -> Vec<Finding> {
        let mut found = Vec::new();
        let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
        for package in &packages {
            let name = package["name"].as_str().unwrap_or_default();
            let label = format!("{name} {}", package["version"].as_str().unwrap_or_default());
            let Some(source) = package["source"].as_str() else { continue };
            if source != CRATES_IO {
                found.push(Finding::new(FILE, 0, format!("{label} comes from {source}, not from crates.io")));
            }
            match package["license"].as_str() {
                None => found.push(Finding::new(FILE, 0, format!("{label} names no licence"))),
                Some(expression) => match self.allows(expression) {
                    Ok(true) => {}
                    Ok(false) => {
                        found.push(Finding::new(FILE, 0, format!("{label}: licence {expression} is not allowed")))
                    }
                    Err(why) => found.push(Finding::new(FILE, 0, format!("{label}: licence {expression}: {why}"))),
                },
            }
        }
        found.extend(self.bans(&packages));
        found
    }

    fn bans(&self, packages: &[Value]) -> Vec<Finding> {
        let mut found = Vec::new();
        for package in packages {
            let user = package["name"].as_str().unwrap_or_default();
            for dependency in package["dependencies"].as_array().into_iter().flatten() {
                let name = dependency["name"].as_str().unwrap_or_default();
                let resolved = packages.iter().any(|package| package["name"] == name);
                let ban = self.banned.iter().find(|(banned, _)| banned == name);
                if let Some((_, wrappers)) = ban
                    && resolved
                    && !wrappers.iter().any(|wrapper| wrapper == user)
                {
                    found.push(Finding::new(FILE, 0, format!("{name} is banned and {user} uses it")));
                }
            }
        }
        found
    }

    /// Judges an SPDX expression: `OR` needs one side allowed, `AND` both.
    ///
    /// # Errors
    /// Where the expression cannot be read.
    pub fn allows(&self, expression: &str) -> Result<bool, String> {
        let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut reader = Reader { words: &words, at: 0, policy: self };
        let allowed = reader.either()?;
        if reader.at == words.len() { Ok(allowed) } else { Err(format!("{} was not expected", words[reader.at])) }
    }
}

struct Reader<'a> {
    words: &'a [&'a str],
    at: usize,
    policy: &'a Policy,
}

impl Reader<'_> {
    fn take(&mut self, word: &str) -> bool {
        let there = self.words.get(self.at).is_some_and(|found| *found == word);
        self.at += usize::from(there);
        there
    }

    fn either(&mut self) -> Result<bool, String> {
        let mut allowed = self.both()?;
        while self.take("OR") {
            allowed |= self.both()?;
        }
        Ok(allowed)
    }

    fn both(&mut self) -> Result<bool, String> {
        let mut allowed = self.one()?;
        while self.take("AND") {
            allowed &= self.one()?;
        }
        Ok(allowed)
    }

    fn one(&mut self) -> Result<bool, String> {
        if self.take("(") {
            let allowed = self.either()?;
            return if self.take(")") { Ok(allowed) } else { Err("a bracket is not closed".to_owned()) };
        }
        let licence = *self.words.get(self.at).ok_or("ends too early")?;
        self.at += 1;
        if ["OR", "AND", "WITH", ")"].contains(&licence) {
            return Err(format!("{licence} where a licence was expected"));
        }
        if self.take("WITH") {
            let exception = *self.words.get(self.at).ok_or("ends after WITH")?;
            self.at += 1;
            return Ok(self.policy.licences.contains(&format!("{licence} WITH {exception}")));
        }
        Ok(self.policy.licences.contains(licence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        let text = "[licenses]\nallow = [\"MIT\", \"Unicode-3.0\", \"Apache-2.0 WITH LLVM-exception\"]\n\
                    [bans]\ndeny = [{ crate = \"bad\", wrappers = [\"old\"] }]\n";
        Policy::parse(text).unwrap()
    }

    #[test]
    fn expressions_are_judged() {
        for (expression, expected) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("MIT OR GPL-3.0", true),
            ("MIT/GPL-3.0", true),
            ("MIT AND GPL-3.0", false),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("GPL-3.0 OR (MIT AND (ISC OR Unicode-3.0))", true),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("Apache-2.0", false),
        ] {
            assert_eq!(policy().allows(expression), Ok(expected), "{expression}");
        }
        for broken in ["", "MIT OR", "(MIT", "MIT GPL-3.0", "OR MIT", "MIT WITH"] {
            assert!(policy().allows(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn sources_licences_and_bans_are_found() {
        let package = |name: &str, source: Value, license: Value, uses: &[&str]| {
            let dependencies: Vec<Value> = uses.iter().map(|name| serde_json::json!({ "name": name })).collect();
            serde_json::json!({ "name": name, "version": "1.0.0", "source": source, "license": license, "dependencies": dependencies })
        };
        let good = serde_json::json!({ "packages": [
            package("ours", Value::Null, Value::Null, &["fine"]),
            package("fine", CRATES_IO.into(), "MIT".into(), &[]),
        ] });
        assert!(policy().check(&good).is_empty());
        let bad = serde_json::json!({ "packages": [
            package("ours", Value::Null, Value::Null, &["bad"]),
            package("old", CRATES_IO.into(), "MIT".into(), &["bad"]),
            package("bad", CRATES_IO.into(), "MIT".into(), &[]),
            package("git", "git+https://example.org/x".into(), "MIT".into(), &[]),
            package("gpl", CRATES_IO.into(), "GPL-3.0".into(), &[]),
            package("none", CRATES_IO.into(), Value::Null, &[]),
        ] });
        let found: Vec<String> = policy().check(&bad).into_iter().map(|finding| finding.what).collect();
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found.iter().any(|what| what.contains("bad is banned and ours uses it")), "{found:?}");
    }

    #[test]
    fn a_policy_without_licences_is_refused() {
        assert!(Policy::parse("[licenses]\nallow = []\n").is_err());
        assert!(Policy::parse("not toml").is_err());
    }
}
