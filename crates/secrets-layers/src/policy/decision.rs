use std::fmt;

use secrets_core::SourcePosition;

/// What a policy says to one operation on one secret, and which rules said so.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyDecision {
    /// Whether it may be done.
    pub is_allowed: bool,
    /// The rules that decided: those that allow it, or those that forbid it. Empty where no rule has anything to say, which
    /// is a denial.
    pub rules: Vec<PolicyRule>,
    /// Of a denial without a rule: the principal's roles, and what of each does not fit.
    pub misses: Vec<PolicyMiss>,
}

/// A rule of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyRule {
    /// What it is called: `role "reader"`, `policy "no-root"`.
    pub name: String,
    /// Whether it allows; else it forbids, which goes before every permission.
    pub is_permit: bool,
    /// Where it is written.
    pub position: Option<SourcePosition>,
}

/// A role that does not allow something.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyMiss {
    /// The role.
    pub rule: PolicyRule,
    /// What of it does not fit.
    pub why: String,
}

/// Something about a policy that its author should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyWarning {
    /// What it is: one line.
    pub message: String,
    /// Where.
    pub position: Option<SourcePosition>,
}

impl PolicyDecision {
    /// Why it is denied, in one line; for a hint.
    pub(super) fn reason(&self) -> String {
        match (&self.rules[..], &self.misses[..]) {
            ([rule, ..], _) => format!("{rule} forbids it"),
            ([], []) => "the principal has no role, and what no rule allows is denied".to_owned(),
            ([], [miss]) => format!("no rule allows it: {miss}"),
            ([], [miss, others @ ..]) => {
                format!("no rule allows it: {miss}; and {} more", others.len())
            }
        }
    }
}

impl fmt::Display for PolicyRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.position {
            Some(position) => write!(f, " ({position})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for PolicyMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.rule, self.why)
    }
}
