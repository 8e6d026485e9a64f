//! `access` in `serve.yaml`: who may do what to the registry.

use std::time::Duration;

use serde::Serialize;

use crate::yaml::{Text, record};
use crate::{Code, Diagnostic, Diagnostics, duration};

record! {
    /// Who may do what. Without it everyone may do everything.
    AccessDocument is "`access`" {
        /// The file of users and their passwords, argon2id or bcrypt; read again when it changes.
        "htpasswd" => htpasswd: Option<Text>,
        /// How clients reach the registry: `https://registry.example.org`. Without it they are sent to the host that they asked.
        "url" => url: Option<Text>,
        /// For whom tokens are; servers that stand for one registry say the same.
        "service" => service: Option<Text>,
        /// The ECDSA P-256 key that signs tokens, PKCS#8 in PEM. Without it one is made at every start.
        "token-key" => token_key: Option<Text>,
        /// How long a token counts: `5m`.
        "token-lifetime" => token_lifetime: Option<Text>,
        /// Who may do what where; the first rule whose pattern fits decides. Without rules, users may do everything.
        "rules" => rules: Option<Vec<AccessRuleDocument>>,
    }

    /// What is allowed in some repositories, and to whom: `anyone`, `users`, or the name of a user.
    AccessRuleDocument is "a rule" {
        /// Which repositories: `team/*`, `team/**`.
        "repositories" => repositories: Text,
        /// Who may read.
        "pull" => pull: Vec<Text>,
        /// Who may write; they need `pull` as well.
        "push" => push: Vec<Text>,
        /// Who may delete.
        "delete" => delete: Vec<Text>,
    }
}

/// Who may do what, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Access {
    /// The file of users and passwords.
    pub htpasswd: Option<String>,
    /// How clients reach the registry.
    pub url: Option<String>,
    /// For whom tokens are.
    pub service: String,
    /// The key that signs tokens.
    pub token_key: Option<String>,
    /// How long a token counts.
    pub token_lifetime: Duration,
    /// Who may do what where; `None` where nothing is said.
    pub rules: Option<Vec<AccessRule>>,
}

/// What is allowed in some repositories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccessRule {
    /// Which repositories.
    pub repositories: String,
    /// Who may read.
    pub pull: Vec<String>,
    /// Who may write.
    pub push: Vec<String>,
    /// Who may delete.
    pub delete: Vec<String>,
}

/// How long a token counts where nothing is said: a large image is pulled in that time, and a client asks for another after it.
const LIFETIME: Duration = Duration::from_secs(300);
/// The shortest and the longest time that make sense: clients need some seconds, and what was stolen should not serve for long.
const LIFETIMES: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));

/// Says what a document means.
pub(crate) fn check(document: &AccessDocument, out: &mut Diagnostics) -> Access {
    let text = |text: &Option<Text>| text.as_ref().map(|text| text.value.clone());
    let texts = |texts: &[Text]| texts.iter().map(|text| text.value.clone()).collect();
    let rule = |rule: &AccessRuleDocument| AccessRule {
        repositories: rule.repositories.value.clone(),
        pull: texts(&rule.pull),
        push: texts(&rule.push),
        delete: texts(&rule.delete),
    };
    if let Some(url) = document.url.as_ref().filter(|url| !url.value.starts_with("https://") && !url.value.starts_with("http://")) {
        let error = Diagnostic::error(Code::BadValue, url.span, format!("`{url}` is no address that a client could reach"));
        out.push(error.help("write it as `https://registry.example.org`"));
    }
    let users = document.rules.iter().flatten().flat_map(|rule| [&rule.pull, &rule.push, &rule.delete]).flatten();
    if document.htpasswd.is_none()
        && let Some(user) = users.into_iter().find(|user| user.value != "anyone")
    {
        let error = Diagnostic::error(Code::BadValue, user.span, format!("`{user}` can not log in: there is no `htpasswd`"));
        out.push(error.help("name a file of passwords, or write `anyone`"));
    }
    Access {
        htpasswd: text(&document.htpasswd),
        url: text(&document.url),
        service: text(&document.service).unwrap_or_else(|| "undistro".to_owned()),
        token_key: text(&document.token_key),
        token_lifetime: lifetime(document.token_lifetime.as_ref(), out),
        rules: document.rules.as_ref().map(|rules| rules.iter().map(rule).collect()),
    }
}

fn lifetime(text: Option<&Text>, out: &mut Diagnostics) -> Duration {
    let Some(text) = text else { return LIFETIME };
    let time = duration::parse(&text.value).filter(|time| (LIFETIMES.0..=LIFETIMES.1).contains(time));
    if time.is_none() {
        let error = Diagnostic::error(Code::BadValue, text.span, format!("`{text}` is no time for which a token can count"));
        out.push(error.help("write a time from `1m` to `1h`"));
    }
    time.unwrap_or(LIFETIME)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Access, Diagnostics> {
        let text = text.lines().map(|line| format!("  {line}\n")).collect::<String>();
        crate::serve::parse(&format!("access:\n{text}")).map(|serve| serve.access.unwrap())
    }

    #[test]
    fn reads_what_operators_write() {
        let text = "\
htpasswd: /etc/undistro/htpasswd
url: https://registry.example.org
token-lifetime: 10m
rules:
  - repositories: public/**
    pull: [anyone]
    push: [alice, ci]
";
        let access = parse(text).unwrap();
        assert_eq!(access.token_lifetime, Duration::from_secs(600));
        assert_eq!(access.rules.unwrap()[0].push, ["alice", "ci"]);
        assert_eq!(parse("htpasswd: x\n").unwrap().rules, None);
    }

    #[test]
    fn names_every_mistake() {
        let text =
            "url: registry.example.org\ntoken-lifetime: 1d\nrules: [{ repositories: a, pull: [alice], pulls: [] }, { push: [anyone] }]\n";
        assert_eq!(parse(text).unwrap_err().iter().count(), 5, "of form and of meaning, at once");
        let text = "url: registry.example.org\ntoken-lifetime: 24h\nrules: [{ repositories: a, pull: [alice] }]\n";
        assert_eq!(parse(text).unwrap_err().iter().count(), 3, "of meaning");
    }
}
