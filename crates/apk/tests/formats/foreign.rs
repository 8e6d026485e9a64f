//! What others wrote is read: the packages, indexes and installed databases of the corpus.

use std::collections::BTreeSet;

use apk::installed::{Database, parse_triggers, print_triggers, read_scripts};
use apk::package::Expected;
use apk::signature::{Outcome, SignatureError, Unsigned};
use apk::{Checksum, Index, IndexError, Keyring, Package, Policy, Problem, Record};

use crate::common::{corpus, corpus_files, public_key};

const ANYONE: Policy = Policy { unsigned: Unsigned::Accept, sha1: apk::signature::Sha1::Refuse };

#[test]
fn every_package_is_read_and_its_data_verify() {
    let packages = [corpus_files("apk", ".apk"), corpus_files("apko/packages", ".apk")].concat();
    for path in &packages {
        let package = Package::open(path).unwrap();
        let report = package.verify(&Keyring::default(), &ANYONE).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(report.files > 0 && report.files_without_checksum == 0, "{}: {report:?}", path.display());
        let dir = tempfile::tempdir().unwrap();
        let table = package.extract(dir.path(), &apk::package::Limits::default()).unwrap();
        assert_eq!(table.entries.iter().filter(|entry| dir.path().join(&entry.path).symlink_metadata().is_err()).count(), 0);
    }
}

#[test]
fn melanges_packages_verify_with_the_right_key_only() {
    let Some(key) = corpus("apko/packages/melange.rsa.pub") else { return };
    let keys = Keyring::new([public_key(&key)]);
    let Some(other) = corpus("apk/rsa256-signed/test-rsa256.rsa.pub") else { return };
    // Another key under the name of the right one.
    let named = attest::key::Named::new("melange.rsa.pub", public_key(&other).key().clone()).unwrap();
    let wrong = Keyring::new([named]);
    for path in corpus_files("apko/packages", ".apk") {
        let package = Package::open(&path).unwrap();
        assert_eq!(package.verify(&keys, &Policy::default()).unwrap().keys().collect::<Vec<_>>(), ["melange.rsa.pub"]);
        let problem = *package.verify(&wrong, &Policy::default()).unwrap_err().problem;
        assert!(matches!(problem, Problem::Signature(SignatureError::Mismatch { .. })), "{problem}");
        let problem = *package.verify(&Keyring::default(), &Policy::default()).unwrap_err().problem;
        assert!(matches!(problem, Problem::Signature(SignatureError::UnknownKeys { .. })), "{problem}");
        assert!(package.others().contains_key(".melange.yaml"));
    }
}

#[test]
fn an_index_names_its_packages() {
    let Some(key) = corpus("apko/packages/melange.rsa.pub") else { return };
    let keys = Keyring::new([public_key(&key)]);
    for path in corpus_files("apko/packages", "APKINDEX.tar.gz") {
        let (index, _) = Index::load(&path, &keys, &Policy::default()).unwrap();
        assert!(!index.records.is_empty() && index.skipped.is_empty());
        for record in &index.records {
            let package = Package::open(&path.with_file_name(format!("{}.apk", record.info.identity()))).unwrap();
            Expected::from(record).check(&package).unwrap();
        }
    }
}

#[test]
fn several_signatures_each_count() {
    let Some(path) = corpus("apk/signing/APKINDEX.tar.gz") else { return };
    let bytes = fs_err::read(path).unwrap();
    let keys: Vec<_> = corpus_files("apk/signing", ".pub").iter().map(|path| public_key(path)).collect();
    assert_eq!(keys.len(), 3);
    for key in &keys {
        let (_, verified) = Index::read(&bytes, &Keyring::new([key.clone()]), &Policy::default()).unwrap();
        let outcomes: Vec<_> = verified.signatures.iter().filter(|one| one.outcome == Outcome::Verified).map(|one| &one.key).collect();
        assert_eq!(outcomes, [key.name()]);
    }
    let (_, verified) = Index::read(&bytes, &Keyring::new(keys), &Policy::default()).unwrap();
    assert!(verified.signatures.iter().all(|one| one.outcome == Outcome::Verified));
    let error = Index::read(&bytes, &Keyring::default(), &Policy::default()).unwrap_err();
    assert!(matches!(error, IndexError::Signature(SignatureError::UnknownKeys { keys }) if keys.len() == 3));
}

#[test]
fn alpines_indexes_are_read_whole() {
    for path in corpus_files("apk", "APKINDEX.tar.gz").iter().filter(|path| path.to_string_lossy().contains("alpine")) {
        let (index, verified) = Index::load(path, &Keyring::default(), &ANYONE).unwrap();
        assert!(index.records.len() > 4000 && index.skipped.is_empty(), "{}: {:?}", path.display(), index.skipped);
        // Alpine 3.16 has five packages that need `name=6.8.0p2-r4`, a version that apk refuses in a dependency.
        let (refused, sound): (Vec<_>, Vec<_>) = index.records.iter().partition(|record| record.uninstallable.is_some());
        assert!(refused.len() <= 5 && refused.iter().all(|record| !record.info.version.is_valid()), "{refused:?}");
        assert_eq!(verified.signatures.len(), 1);
        // Without the named exception, its signature over SHA-1 counts for nothing even if the key were known.
        let error = Index::load(path, &Keyring::default(), &Policy::default()).unwrap_err();
        assert!(matches!(error, IndexError::Signature(SignatureError::UnknownKeys { .. })), "{error}");
        let text = index.to_text().unwrap();
        let again = Index { description: index.description.clone(), ..Index::parse(text.as_bytes()).unwrap() };
        assert_eq!(again.to_text().unwrap(), text);
        let lines = |records: &[&Record]| records.iter().map(|record| format!("{record:?}")).collect::<BTreeSet<_>>();
        let missing: Vec<_> = lines(&sound).difference(&lines(&again.records.iter().collect::<Vec<_>>())).cloned().collect();
        assert!(missing.is_empty() && again.records.len() == sound.len(), "{:?}", missing.first());
    }
}

#[test]
fn installed_databases_survive_a_round_trip() {
    for name in ["installed", "wolfi-base", "redis-operator-compat", "bad-top-level-perms"] {
        let Some(path) = corpus("apk/installed").map(|dir| dir.join(name)) else { return };
        let bytes = fs_err::read(&path).unwrap();
        let database = Database::parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!database.packages.is_empty());
        let text = database.to_text().unwrap();
        assert_eq!(Database::parse(text.as_bytes()).unwrap(), database, "{name}");
        // This one was written by apk itself; the others by apko, whose order and spelling differ.
        if name == "installed" {
            let theirs = String::from_utf8(bytes).unwrap();
            assert_eq!(text.trim_end(), theirs.trim_end());
        }
    }
}

#[test]
fn scripts_and_triggers_are_those_of_installed_packages() {
    let Some(dir) = corpus("apk/installed") else { return };
    let database = Database::parse(&fs_err::read(dir.join("installed")).unwrap()).unwrap();
    let known: BTreeSet<Checksum> = database.packages.iter().map(|installed| installed.record.checksum).collect();
    let scripts = read_scripts(&fs_err::read(dir.join("scripts.tar")).unwrap()).unwrap();
    assert!(scripts.len() >= 7 && scripts.iter().all(|script| known.contains(&script.checksum)));
    let text = fs_err::read_to_string(dir.join("triggers")).unwrap();
    let triggers = parse_triggers(&text).unwrap();
    assert!(triggers.iter().all(|trigger| known.contains(&trigger.checksum)));
    assert_eq!(print_triggers(&triggers), text);
}
