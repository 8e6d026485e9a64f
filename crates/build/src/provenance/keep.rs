//! Statements in the store, under the digest of what they are about.

use attest::slsa::Provenance;
use base::{Digest, Store, StoreError};
use serde::{Deserialize, Serialize};

use super::ProvenanceError;

/// The kind of record that lists statements.
const KIND: &str = "provenance";

/// The most statements that are kept of one subject: the first, which made what is used, and the latest. Building the same over
/// and over, as `reproduce` does, should not fill a store.
const MAX_KEPT: usize = 8;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Kept {
    /// Blobs of statements, the first made first.
    statements: Vec<Digest>,
}

/// Keeps a statement under each of its subjects. What was kept before stays.
pub fn keep(store: &Store, subjects: &[Digest], statement: &Provenance) -> Result<Digest, ProvenanceError> {
    let blob = store.put(statement.to_json().as_bytes())?;
    let _alone = store.lock(KIND)?;
    for subject in subjects {
        let mut kept: Kept = store.record(KIND, subject)?.unwrap_or_default();
        if kept.statements.contains(&blob) {
            continue;
        }
        if kept.statements.len() >= MAX_KEPT {
            kept.statements.remove(1);
        }
        kept.statements.push(blob);
        store.put_record(KIND, subject, &kept)?;
    }
    Ok(blob)
}

/// Returns the statements about `subject`, the first made first: a package's content, an image's manifest or index.
///
/// One that `store verify --repair` had to remove is as if it had never been made: nothing can make it again, and what was
/// built is no less right for that. What descends from its subject is told as unknown then.
pub fn kept(store: &Store, subject: &Digest) -> Result<Vec<Provenance>, ProvenanceError> {
    let kept: Kept = store.record(KIND, subject)?.unwrap_or_default();
    let mut found = Vec::new();
    for digest in &kept.statements {
        let text = match store.read_blob(digest) {
            Err(StoreError::Missing { .. }) => continue,
            text => text?,
        };
        found.push(serde_json::from_slice(&text).map_err(|source| ProvenanceError::Parse { digest: *digest, source })?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_that_was_lost_stops_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let (subject, lost) = (Digest::of("subject"), Digest::of("lost"));
        store.put_record(KIND, &subject, &Kept { statements: vec![lost] }).unwrap();
        assert_eq!(kept(&store, &subject).unwrap(), []);
        let unreadable = store.put(b"no statement").unwrap();
        store.put_record(KIND, &subject, &Kept { statements: vec![lost, unreadable] }).unwrap();
        assert!(matches!(kept(&store, &subject), Err(ProvenanceError::Parse { .. })));
    }
}
