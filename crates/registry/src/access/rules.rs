//! Rules: who may do what to which repositories.
//!
//! The first rule whose pattern fits a repository decides alone: what it does not allow is not allowed. Where none fits, nothing is.

use std::str::FromStr;

use globset::{GlobBuilder, GlobMatcher};

use super::Action;
use crate::Name;

/// The most rules: each is tried against the names of requests.
const MAX_RULES: usize = 1000;

/// Who a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Everyone, without a login.
    Anyone,
    /// Everyone with a login.
    Users,
    /// One user.
    User(String),
}

/// What is allowed to whom in the repositories that a pattern fits.
#[derive(Debug, Clone)]
pub struct Rule {
    repositories: GlobMatcher,
    pull: Vec<Who>,
    push: Vec<Who>,
    delete: Vec<Who>,
}

/// Rules in their order.
#[derive(Debug, Clone, Default)]
pub struct Rules(Vec<Rule>);

/// Rules that can not be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// There are too many.
    #[error("there are {0} rules; {MAX_RULES} are the most")]
    Many(usize),
    /// The pattern is none.
    #[error("`{pattern}` is no pattern of names")]
    Pattern {
        /// What was written.
        pattern: String,
        /// What is wrong with it.
        #[source]
        source: globset::Error,
    },
    /// Nobody has this name.
    #[error("a user's name is empty; there are also `anyone` and `users`")]
    Nobody,
}

impl Rule {
    /// Says who may read, write and delete in the repositories that a pattern fits: `team/*` fits `team/app`, `team/**` also what lies
    /// deeper, `**` everything. Clients ask what is there before they write: who may push should be able to pull.
    pub fn new(repositories: &str, pull: Vec<Who>, push: Vec<Who>, delete: Vec<Who>) -> Result<Self, RuleError> {
        let glob = GlobBuilder::new(repositories).literal_separator(true).build();
        let glob = glob.map_err(|source| RuleError::Pattern { pattern: repositories.to_owned(), source })?;
        Ok(Self { repositories: glob.compile_matcher(), pull, push, delete })
    }
}

impl Rules {
    /// Takes rules in their order.
    pub fn new(rules: Vec<Rule>) -> Result<Self, RuleError> {
        if rules.len() > MAX_RULES { Err(RuleError::Many(rules.len())) } else { Ok(Self(rules)) }
    }

    /// Every user may do everything, and nobody else anything: what is meant where users are named and rules are not.
    #[must_use]
    pub fn users_alone() -> Self {
        let users = || vec![Who::Users];
        Self(Rule::new("**", users(), users(), users()).into_iter().collect())
    }

    /// Whether `who`, a user or nobody in particular, may do `action` to `repository`.
    ///
    /// The list of all repositories is for those whom no rule keeps from reading one.
    #[must_use]
    pub fn allow(&self, who: Option<&str>, action: Action, repository: Option<&Name>) -> bool {
        let Some(name) = repository else {
            return match action {
                Action::Ping => true,
                Action::List => !self.0.is_empty() && self.0.iter().all(|rule| includes(&rule.pull, who)),
                Action::Pull | Action::Push | Action::Delete => false,
            };
        };
        let rule = self.0.iter().find(|rule| rule.repositories.is_match(name.as_str()));
        rule.is_some_and(|rule| match action {
            Action::Pull => includes(&rule.pull, who),
            Action::Push => includes(&rule.push, who),
            Action::Delete => includes(&rule.delete, who),
            Action::Ping | Action::List => false,
        })
    }
}

fn includes(list: &[Who], who: Option<&str>) -> bool {
    list.iter().any(|one| match one {
        Who::Anyone => true,
        Who::Users => who.is_some(),
        Who::User(name) => who == Some(name),
    })
}

impl FromStr for Who {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        match text {
            "anyone" => Ok(Self::Anyone),
            "users" => Ok(Self::Users),
            "" => Err(RuleError::Nobody),
            _ => Ok(Self::User(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(repositories: &str, pull: &[&str], push: &[&str], delete: &[&str]) -> Rule {
        let who = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        Rule::new(repositories, who(pull), who(push), who(delete)).unwrap()
    }

    #[test]
    fn the_first_rule_that_fits_decides_alone() {
        let rules = Rules::new(vec![
            rule("public/**", &["anyone"], &["alice"], &["alice"]),
            rule("team/secret", &["bob"], &[], &[]),
            rule("team/*", &["users"], &["users"], &[]),
        ])
        .unwrap();
        let table = [
            (None, Action::Pull, "public/a/b", true),
            (None, Action::Push, "public/a", false),
            (Some("bob"), Action::Push, "public/a", false),
            (Some("alice"), Action::Push, "public/a", true),
            (Some("alice"), Action::Delete, "public/a", true),
            (Some("bob"), Action::Pull, "team/secret", true),
            (Some("alice"), Action::Pull, "team/secret", false),
            (Some("bob"), Action::Push, "team/secret", false),
            (Some("alice"), Action::Push, "team/app", true),
            (None, Action::Pull, "team/app", false),
            (Some("alice"), Action::Delete, "team/app", false),
            (Some("alice"), Action::Pull, "team/app/deeper", false),
            (Some("alice"), Action::Pull, "team", false),
            (Some("alice"), Action::Pull, "other", false),
            (Some("alice"), Action::Pull, "publicity/a", false),
        ];
        for (who, action, name, allowed) in table {
            assert_eq!(rules.allow(who, action, Some(&name.parse().unwrap())), allowed, "{who:?} {action:?} {name}");
        }
        assert!(!rules.allow(Some("alice"), Action::List, None), "who may not read all does not see the list");
        assert!(rules.allow(None, Action::Ping, None));
    }

    #[test]
    fn without_rules_nothing_is_allowed_and_users_alone_means_that() {
        let name = "a".parse().unwrap();
        assert!(!Rules::default().allow(Some("alice"), Action::Pull, Some(&name)));
        assert!(!Rules::default().allow(Some("alice"), Action::List, None));
        let users = Rules::users_alone();
        assert!(
            users.allow(Some("alice"), Action::Delete, Some(&"a/b/c".parse().unwrap())) && users.allow(Some("alice"), Action::List, None)
        );
        assert!(!users.allow(None, Action::Pull, Some(&name)) && !users.allow(None, Action::List, None));
    }

    #[test]
    fn refuses_rules_that_can_not_be_meant() {
        assert!(matches!(Rule::new("[", vec![], vec![], vec![]), Err(RuleError::Pattern { .. })));
        assert_eq!("".parse::<Who>(), Err(RuleError::Nobody));
        assert!(matches!(Rules::new(vec![rule("a", &[], &[], &[]); MAX_RULES + 1]), Err(RuleError::Many(_))));
    }
}
