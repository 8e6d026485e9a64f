//! Any flipped byte is refused, or lies at a listed offset that nothing covers and decodes to the same content.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use apk::package::{Expected, Report};
use apk::signature::{Sha1, Unsigned};
use apk::{Index, Keyring, Package, PackageError, Policy, Problem, Table};

use crate::common::{Workshop, corpus, corpus_files, public_key, tree};

fn read(path: &Path, keys: &Keyring, policy: &Policy) -> Result<(Package, Report, Table), PackageError> {
    let package = Package::open(path)?;
    let report = package.verify(keys, policy)?;
    let table = package.table()?;
    Ok((package, report, table))
}

/// Which bytes are tried: all up to `whole`, and the end; every `step`th between. A prime step meets every bit of the format.
fn offsets(length: usize, whole: usize, step: usize) -> impl Iterator<Item = usize> {
    (0..length).filter(move |at| *at < whole || at + 40 > length || at % step == 0)
}

/// A name for the sort of problem.
fn sort(problem: &Problem) -> &'static str {
    match problem {
        Problem::Member { .. } => "member",
        Problem::MemberSize { .. } => "size",
        Problem::Archive { .. } | Problem::ControlEntry { .. } | Problem::NoInfo | Problem::Info(_) => "archive",
        Problem::Signature(_) => "signature",
        Problem::Datahash { .. } => "datahash",
        other => panic!("a flipped byte gave {other:?}"),
    }
}

/// Flips one bit of each byte that is tried, the next bit each time; returns how often each sort of problem came.
fn flip(workshop: &Workshop, bytes: &[u8], keys: &Keyring, policy: &Policy, step: usize) -> BTreeMap<(&'static str, &'static str), usize> {
    let (package, report, table) = read(&workshop.file(bytes), keys, policy).unwrap();
    let layout = package.layout().clone();
    let listed = |at: usize| report.uncovered.iter().any(|range| range.contains(&(at as u64)));
    let mut sorts = BTreeMap::new();
    let whole = if step == 1 { layout.data.start as usize } else { 40 };
    for (turn, at) in offsets(bytes.len(), whole, step).enumerate() {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1 << (turn % 8);
        let region = match at as u64 {
            at if layout.signature.contains(&at) => "signature",
            at if layout.control.contains(&at) => "control",
            _ => "data",
        };
        let sort = match read(&workshop.file(&flipped), keys, policy) {
            Err(error) => sort(&error.problem),
            Ok((other, _, other_table)) => {
                assert!(listed(at), "byte {at} of {region} is not listed, and was accepted when flipped");
                assert_eq!(other_table, table, "byte {at}");
                assert_eq!(
                    (other.info(), other.scripts(), other.others()),
                    (package.info(), package.scripts(), package.others()),
                    "byte {at}"
                );
                // The digest of the whole file covers these too.
                Expected::from(package.record()).check(&other).unwrap_err();
                "uncovered"
            }
        };
        *sorts.entry((region, sort)).or_default() += 1;
    }
    sorts
}

#[test]
fn of_a_package_made_here() {
    let workshop = Workshop::open();
    let bytes = workshop.signed(&workshop.package(&tree()));
    let sorts = flip(&workshop, &bytes, &workshop.keys, &Policy::default(), 1);
    let seen: BTreeSet<_> = sorts.keys().copied().collect();
    assert!(seen.contains(&("signature", "member")) && seen.contains(&("control", "member")), "{sorts:?}");
    // What a gzip checksum does not cover in the control member, the signature does.
    assert!(seen.contains(&("control", "signature")) && !seen.contains(&("control", "uncovered")), "{sorts:?}");
    assert_eq!(seen.iter().filter(|(region, _)| *region == "data").collect::<Vec<_>>(), [&("data", "datahash")]);
}

#[test]
fn of_an_unsigned_package() {
    let workshop = Workshop::open();
    let bytes = fs_err::read(workshop.package(&tree()).path()).unwrap();
    let policy = Policy { unsigned: Unsigned::Accept, ..Policy::default() };
    let sorts = flip(&workshop, &bytes, &workshop.keys, &policy, 1);
    assert!(sorts.contains_key(&("control", "uncovered")), "nothing signs the header of the control member: {sorts:?}");
}

#[test]
fn of_a_package_with_two_signatures() {
    let workshop = Workshop::open();
    let other = Workshop::named("other.rsa.pub");
    let package = workshop.package(&tree());
    let (ours, theirs) = (workshop.signed(&package), other.signed(&package));
    let one = &theirs[..theirs.len() - fs_err::metadata(package.path()).unwrap().len() as usize];
    let bytes = [one, &ours].concat();
    let opened = Package::open(&workshop.file(&bytes)).unwrap();
    assert_eq!(opened.signatures().len(), 2);
    assert_eq!(opened.content(), package.content());
    let mut both = workshop.keys.clone();
    both.insert(&other.key.public().unwrap());
    assert_eq!(opened.verify(&both, &Policy::default()).unwrap().keys().count(), 2);
    flip(&workshop, &bytes, &workshop.keys, &Policy::default(), 1);
}

#[test]
fn of_the_packages_of_the_corpus() {
    let workshop = Workshop::open();
    let packages = [corpus_files("apk", ".apk"), corpus_files("apko/packages", ".apk")].concat();
    for path in packages {
        let bytes = fs_err::read(&path).unwrap();
        let package = Package::open(&path).unwrap();
        let mut keys = Keyring::default();
        if let Some(melange) = corpus("apko/packages/melange.rsa.pub").filter(|_| path.to_string_lossy().contains("apko")) {
            keys.insert(&public_key(&melange));
        }
        let unsigned = if keys.names().next().is_some() { Unsigned::Refuse } else { Unsigned::Accept };
        // Those of Alpine are signed over SHA-1, by keys that the corpus does not hold.
        let policy = Policy { unsigned, sha1: Sha1::AcceptLegacy };
        let sorts = flip(&workshop, &bytes, &keys, &policy, if bytes.len() > 10_000 { 211 } else { 13 });
        assert!(sorts.keys().any(|(_, sort)| *sort == "datahash"), "{}: {sorts:?}", package.info().identity());
    }
}

fn flip_index(bytes: &[u8], keys: &Keyring, policy: &Policy) {
    flip_index_at(bytes, keys, policy, 800, 7);
}

fn flip_index_at(bytes: &[u8], keys: &Keyring, policy: &Policy, whole: usize, step: usize) {
    let (index, verified) = Index::read(bytes, keys, policy).unwrap();
    for (turn, at) in offsets(bytes.len(), whole, step).enumerate() {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1 << (turn % 8);
        if let Ok((other, _)) = Index::read(&flipped, keys, policy) {
            assert!(verified.uncovered.contains(&at), "byte {at} is not listed, and was accepted when flipped");
            assert_eq!(other, index, "byte {at}");
        }
    }
}

#[test]
fn of_an_index_made_here() {
    let workshop = Workshop::open();
    let index = Index { records: vec![workshop.package(&tree()).record().clone()], description: "test".into(), ..Index::default() };
    flip_index(&index.to_archive(Some(&workshop.key)).unwrap(), &workshop.keys, &Policy::default());
    flip_index(&index.to_archive(None).unwrap(), &workshop.keys, &Policy { unsigned: Unsigned::Accept, ..Policy::default() });
}

#[test]
fn of_the_signed_indexes_of_the_corpus() {
    for (index, key) in [
        ("apk/rsa256-signed/APKINDEX.tar.gz", "apk/rsa256-signed/test-rsa256.rsa.pub"),
        ("apko/packages/x86_64/APKINDEX.tar.gz", "apko/packages/melange.rsa.pub"),
        ("apko/packages/aarch64/APKINDEX.tar.gz", "apko/packages/melange.rsa.pub"),
        ("apk/signing/APKINDEX.tar.gz", "apk/signing/chainguard-60912bbc46bfc8ed6bda0b50db3a8a5f3c4344d6bc8549ec9b84d96140b475d1.rsa.pub"),
    ] {
        let Some((index, key)) = corpus(index).zip(corpus(key)) else { return };
        flip_index(&fs_err::read(index).unwrap(), &Keyring::new([public_key(&key)]), &Policy::default());
    }
}

#[test]
fn of_alpines_indexes() {
    // Each read takes a while; their keys are not in the corpus, so gzip's own checksum is what there is.
    let policy = Policy { unsigned: Unsigned::Accept, sha1: Sha1::AcceptLegacy };
    for path in corpus_files("apk", "APKINDEX.tar.gz").iter().filter(|path| path.to_string_lossy().contains("alpine")) {
        flip_index_at(&fs_err::read(path).unwrap(), &Keyring::default(), &policy, 12, 100_003);
    }
}
