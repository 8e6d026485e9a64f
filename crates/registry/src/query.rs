//! Parameters of a query.

use std::borrow::Cow;
use std::str::FromStr;

use url::form_urlencoded;

use crate::error::Refusal;
use crate::{Algorithm, Digest, DigestError};

/// The parameters of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    pub(crate) fn new(query: Option<&'a str>) -> Self {
        Self(query.unwrap_or_default())
    }

    /// Every value of a parameter.
    pub(crate) fn all(self, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
        form_urlencoded::parse(self.0.as_bytes()).filter(move |(key, _)| key == name).map(|(_, value)| value)
    }

    /// The first value of a parameter.
    pub(crate) fn first(self, name: &'a str) -> Option<Cow<'a, str>> {
        self.all(name).next()
    }

    fn parsed<T: FromStr<Err = DigestError>>(self, name: &'static str) -> Result<Option<T>, Refusal> {
        let value = self.first(name).filter(|value| !value.is_empty());
        value.map(|value| value.parse()).transpose().map_err(|source| Refusal::Digest { what: name, source })
    }

    /// A digest.
    pub(crate) fn digest(self, name: &'static str) -> Result<Option<Digest>, Refusal> {
        self.parsed(name)
    }

    /// `digest-algorithm`: what the client will name its content by.
    pub(crate) fn algorithm(self) -> Result<Algorithm, Refusal> {
        Ok(self.parsed("digest-algorithm")?.unwrap_or_default())
    }

    /// `n`: how many entries a page may have; `most` where it is not said or is more.
    pub(crate) fn page(self, most: usize) -> Result<usize, Refusal> {
        let Some(text) = self.first("n") else { return Ok(most) };
        let n: usize = text.parse().map_err(|_| Refusal::Parameter { what: "n", why: "not a number".into() })?;
        Ok(n.min(most))
    }
}
