//! Why there is no answer, in sentences.
//!
//! The search is run again, keeping for each learned clause the rules that it follows from. What remains at the end is a set of rules
//! that can not all be met; rules are left out one by one as long as there is still no answer, until every one of them matters.

use super::request::Request;
use super::state::{Rule, Search};
use super::universe::Universe;

mod story;

/// A contradiction over more rules than this is told as it was found, without trying which ones could be left out.
const MOST_RULES: usize = 400;

/// Tells why there is no answer.
pub(crate) fn explain(universe: &Universe<'_>, request: &Request) -> Vec<String> {
    let search = Search::new(universe, request);
    let core = smallest(universe, request);
    story::tell(&search, &core)
}

/// Returns rules that contradict each other, of which none can be left out.
fn smallest(universe: &Universe<'_>, request: &Request) -> Vec<Rule> {
    let Some(mut core) = contradiction(universe, request, Vec::new()) else { return Vec::new() };
    if core.len() > MOST_RULES {
        return core;
    }
    let mut without: Vec<Rule> = Vec::new();
    let mut needed: Vec<Rule> = Vec::new();
    // Late wants and deep dependencies are tried first, so that what the user wrote first and what he knows stays.
    while let Some(rule) = core.iter().rev().copied().find(|rule| may_be_left_out(*rule) && !needed.contains(rule)) {
        without.push(rule);
        if let Some(smaller) = contradiction(universe, request, without.clone()) {
            core = smaller;
        } else {
            without.pop();
            needed.push(rule);
        }
    }
    core
}

const fn may_be_left_out(rule: Rule) -> bool {
    matches!(rule, Rule::Want(_) | Rule::Depends(..) | Rule::Latest(..))
}

/// Returns rules that contradict each other when some are left out, or nothing where there is an answer then.
fn contradiction(universe: &Universe<'_>, request: &Request, without: Vec<Rule>) -> Option<Vec<Rule>> {
    let mut search = Search::new(universe, request);
    search.explaining = true;
    search.without = without;
    search.run().err()?;
    search.clauses.pop().map(|clause| clause.rules)
}
