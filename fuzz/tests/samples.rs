//! Every target over its samples, over samples that are cut or changed, and over what once went wrong.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

#[test]
fn every_target_bears_its_samples() {
    for target in fuzz::targets() {
        let samples = (target.samples)();
        assert!(!samples.is_empty(), "{}", target.name);
        samples.iter().for_each(|sample| (target.run)(sample));
        for path in fuzz::regressions(target.name) {
            (target.run)(&fs_err::read(path).unwrap());
        }
        (target.run)(b"");
    }
}

#[test]
fn every_target_bears_cut_and_changed_samples() {
    for target in fuzz::targets() {
        for sample in (target.samples)().iter().take(3) {
            for at in (0..sample.len()).step_by(1 + sample.len() / 40) {
                (target.run)(&sample[..at]);
                let mut changed = sample.clone();
                changed[at] ^= 0x81;
                (target.run)(&changed);
            }
        }
    }
}

#[test]
fn every_room_that_reads_foreign_bytes_has_targets() {
    for room in ["apk", "attest", "base", "build", "oci", "source", "spec"] {
        assert!(fuzz::targets().iter().any(|target| target.name.starts_with(room)), "{room}");
    }
}
