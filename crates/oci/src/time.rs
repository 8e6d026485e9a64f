//! Times as image configurations write them.

/// Returns seconds since 1970 as RFC 3339 in UTC, or `None` beyond year 9999.
#[must_use]
pub fn rfc3339(epoch: i64) -> Option<String> {
    jiff::Timestamp::from_second(epoch).ok().map(|time| time.to_string())
}
