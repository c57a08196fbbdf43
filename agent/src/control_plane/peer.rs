//! Who is at the other end of the control socket, and what they may do.
//!
//! Root, the agent's own user and members of the configured group may change; others may read or nothing at all, by
//! `node.others`. Membership counts supplementary groups (`decisions:NODE-20`).

use std::ffi::CString;

use nix::unistd::{Gid, Uid, User, getgrouplist};

use crate::config::{Group, Others};

/// Credentials of a connected process, from the kernel at the time it connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
}

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Nothing.
    Nothing,
    /// Look.
    Read,
    /// Look and change.
    Change,
}

/// The rule of one node.
#[derive(Debug, Clone)]
pub struct Rule {
    /// User the agent runs as.
    pub me: u32,
    /// Group whose members may change.
    pub group: Option<Group>,
    /// What everybody else may do.
    pub others: Others,
}

impl Rule {
    /// The rule for this process.
    #[must_use]
    pub fn new(group: Option<Group>, others: Others) -> Self {
        Self { me: nix::unistd::geteuid().as_raw(), group, others }
    }

    /// What `caller` may do.
    #[must_use]
    pub fn right(&self, caller: Caller) -> Right {
        self.right_with(caller, supplementary)
    }

    fn right_with(&self, caller: Caller, groups: impl Fn(Caller) -> Vec<u32>) -> Right {
        let owner = caller.uid == 0 || caller.uid == self.me;
        // The group database is asked only when the cheap answers do not settle it.
        let member = || match &self.group {
            Some(group) => caller.gid == group.gid || groups(caller).contains(&group.gid),
            None => false,
        };
        if owner || member() {
            return Right::Change;
        }
        match self.others {
            Others::ReadOnly => Right::Read,
            Others::Refuse => Right::Nothing,
        }
    }

    /// Why `caller` may not, who may, and how to become one of them.
    #[must_use]
    pub fn why_not(&self, caller: Caller) -> String {
        let name = |uid: u32| User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name);
        let show = |uid: u32| name(uid).unwrap_or_else(|| format!("uid {uid}"));
        let me = show(self.me);
        let who = if self.me == 0 { "root".to_owned() } else { format!("root, {me}") };
        let user = show(caller.uid);
        match &self.group {
            Some(group) => format!(
                "{user} may not change this node; {who} and members of group {0} may: usermod -aG {0} {user}, then log in again",
                group.name
            ),
            None => format!(
                "{user} may not change this node; only {who} may: run it as {me}, or set node.group in the configuration"
            ),
        }
    }
}

/// All groups the user database lists for the caller; empty for a user without an entry.
fn supplementary(caller: Caller) -> Vec<u32> {
    let Ok(Some(user)) = User::from_uid(Uid::from_raw(caller.uid)) else { return Vec::new() };
    let Ok(name) = CString::new(user.name) else { return Vec::new() };
    let groups = getgrouplist(&name, Gid::from_raw(caller.gid)).unwrap_or_default();
    groups.into_iter().map(Gid::as_raw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(others: Others) -> Rule {
        Rule { me: 990, group: Some(Group { name: "trefoil".to_owned(), gid: 400 }), others }
    }

    /// `decisions:NODE-20`: supplementary groups count.
    #[test]
    fn root_the_agent_and_the_group_may_change_and_others_only_look() {
        let none = |_: Caller| vec![];
        let rule_open = rule(Others::ReadOnly);
        assert_eq!(rule_open.right_with(Caller { uid: 0, gid: 0 }, none), Right::Change);
        assert_eq!(rule_open.right_with(Caller { uid: 990, gid: 990 }, none), Right::Change);
        assert_eq!(rule_open.right_with(Caller { uid: 1000, gid: 400 }, none), Right::Change);
        assert_eq!(rule_open.right_with(Caller { uid: 1000, gid: 100 }, |_| vec![100, 27, 400]), Right::Change);
        assert_eq!(rule_open.right_with(Caller { uid: 1000, gid: 100 }, |_| vec![100, 27]), Right::Read);
        assert_eq!(rule(Others::Refuse).right_with(Caller { uid: 1000, gid: 100 }, none), Right::Nothing);
        let closed = Rule { group: None, ..rule(Others::ReadOnly) };
        assert_eq!(closed.right_with(Caller { uid: 1000, gid: 400 }, |_| vec![400]), Right::Read);
    }

    #[test]
    fn the_refusal_says_who_may_and_how() {
        let text = rule(Others::ReadOnly).why_not(Caller { uid: 123_456, gid: 5 });
        assert!(text.contains("uid 123456") && text.contains("usermod -aG trefoil"), "{text}");
        let closed = Rule { group: None, ..rule(Others::ReadOnly) };
        assert!(closed.why_not(Caller { uid: 123_456, gid: 5 }).contains("node.group"));
    }

    #[test]
    fn the_group_database_is_read() {
        assert!(supplementary(Caller { uid: 0, gid: 0 }).contains(&0));
        assert!(supplementary(Caller { uid: 4_000_000_000, gid: 0 }).is_empty());
    }
}
