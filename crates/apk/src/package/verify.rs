//! Verifies a package: signature, then control, then the data's hash, then each file.

use std::fmt;
use std::ops::Range;

use base::Digest;

use super::walk::Stop;
use super::{Layout, Limits, Package, PackageError, Problem};
use crate::signature::{self, Checked, Keyring, Outcome, Policy};
use crate::{Checksum, Record};

/// What an index or a lock says of the package that is wanted. What is `None` is not compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expected {
    /// `name-version`.
    pub identity: Option<String>,
    /// The checksum of the control member.
    pub checksum: Option<Checksum>,
    /// The length of the file.
    pub size: Option<u64>,
    /// sha256 of control and data.
    pub content: Option<Digest>,
    /// sha256 of the whole file.
    pub file: Option<Digest>,
}

/// What was checked, and found right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Each signature, in the order of the file.
    pub signatures: Vec<Checked>,
    /// How many files and links were compared with their checksum record.
    pub files: usize,
    /// How many files and links have no checksum record; the hash of the data covers them.
    pub files_without_checksum: usize,
    /// sha256 of control and data.
    pub content: Digest,
    /// The bytes of the file that nothing covers: the signature members, and the control member unless a signature holds.
    ///
    /// Their content is checked by gzip's own checksum and has been read, but one content has many encodings: other bytes
    /// there may give the same package. Only the digest of the whole file covers them.
    pub uncovered: Vec<Range<u64>>,
}

impl From<&Record> for Expected {
    /// Expects what a record of an index says.
    fn from(record: &Record) -> Self {
        Self {
            identity: Some(record.info.identity()),
            checksum: record.checksum.is_stated().then_some(record.checksum),
            size: Some(record.size),
            content: record.content,
            file: record.file,
        }
    }
}

impl Expected {
    /// Refuses a package that is another.
    pub fn check(&self, package: &Package) -> Result<(), PackageError> {
        let record = package.record();
        compare(package, "name and version", self.identity.as_ref(), &record.info.identity())?;
        compare(package, "control checksum", self.checksum.as_ref(), &record.checksum)?;
        compare(package, "content digest", self.content.as_ref(), &package.content())?;
        if let Some(file) = &record.file {
            compare(package, "size", self.size.as_ref(), &record.size)?;
            compare(package, "file digest", self.file.as_ref(), file)?;
        }
        Ok(())
    }
}

fn compare<T: PartialEq + fmt::Display>(
    package: &Package,
    what: &'static str,
    expected: Option<&T>,
    actual: &T,
) -> Result<(), PackageError> {
    match expected {
        Some(expected) if expected != actual => {
            Err(package.error(Problem::Expected { what, expected: expected.to_string(), actual: actual.to_string() }))
        }
        _ => Ok(()),
    }
}

impl Package {
    /// Checks the signatures over the control member.
    pub fn check_signature(&self, keys: &Keyring, policy: &Policy) -> Result<Vec<Checked>, PackageError> {
        signature::check(&self.control, &self.signatures, keys, policy).map_err(|error| self.error(Problem::Signature(error)))
    }

    /// Verifies the package whole.
    ///
    /// A signature says who stands for the control member; that states the hash of the data; the data state a checksum of
    /// each file.
    pub fn verify(&self, keys: &Keyring, policy: &Policy) -> Result<Report, PackageError> {
        let signatures = self.check_signature(keys, policy)?;
        let expected = self.datahash.ok_or_else(|| self.error(Problem::NoDatahash))?;
        if let Some(actual) = self.data_found
            && actual != expected
        {
            return Err(self.error(Problem::Datahash { expected, actual }));
        }
        let walked = self.walk(&Limits::default(), &mut |_, _| Ok::<_, Problem>(())).map_err(|stop| match stop {
            Stop::Problem(problem) | Stop::Caller(problem) => self.error(problem),
        })?;
        let signed = signatures.iter().any(|checked| checked.outcome == Outcome::Verified);
        let Layout { signature, control, .. } = self.layout.clone();
        let uncovered = [Some(signature), (!signed).then_some(control)].into_iter().flatten().filter(|range| !range.is_empty()).collect();
        let (files, files_without_checksum) = (walked.checked, walked.unchecked);
        Ok(Report { signatures, files, files_without_checksum, content: self.content, uncovered })
    }
}

impl Report {
    /// Returns the names of the keys whose signatures were verified.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.signatures.iter().filter(|checked| checked.outcome == Outcome::Verified).map(|checked| checked.key.as_str())
    }
}
