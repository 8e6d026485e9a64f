//! Who may do what to the registry that is served: from `access` in `serve.yaml` to what decides about requests.

use std::path::Path;

use registry::access::{Guard, Passwords, Rule, Rules, Tokens};
use registry::{Access, Open};
use spec::access::AccessRule;

use crate::failure::Failure;

/// Makes what decides; where nothing is written everyone may do everything. Paths in it are relative to `folder`.
pub(crate) fn open(written: Option<&spec::access::Access>, folder: &Path, tls: bool) -> Result<Box<dyn Access>, Failure> {
    let Some(written) = written else { return Ok(Box::new(Open)) };
    let beside = |name: &String| folder.join(name);
    let passwords = written.htpasswd.as_ref().map(|name| Passwords::open(&beside(name))).transpose();
    let passwords = passwords.map_err(|error| Failure::input(&error))?;
    let rules = match &written.rules {
        Some(rules) => rules.iter().map(rule).collect::<Result<_, _>>().and_then(Rules::new).map_err(|error| Failure::input(&error))?,
        None => Rules::users_alone(),
    };
    let tokens = match &written.token_key {
        Some(name) => {
            let pem = fs_err::read_to_string(beside(name)).map_err(|error| Failure::input(&error))?;
            Tokens::from_pem(&pem, &written.service, written.token_lifetime)
        }
        None => Tokens::with_own_key(&written.service, written.token_lifetime),
    };
    let tokens = tokens.map_err(|error| Failure::input(&error))?;
    Ok(Box::new(Guard::new(rules, passwords, tokens, written.url.clone(), tls)))
}

fn rule(written: &AccessRule) -> Result<Rule, registry::access::RuleError> {
    let who = |names: &[String]| names.iter().map(|name| name.parse()).collect::<Result<_, _>>();
    Rule::new(&written.repositories, who(&written.pull)?, who(&written.push)?, who(&written.delete)?)
}
