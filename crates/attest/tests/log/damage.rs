//! What an audit says of a log that something wrote to.

use attest::log::{Folder, Log, LogError, audit};

use crate::{ORIGIN, bodies, key, signer};

fn changed(name: &str, change: impl Fn(&mut Vec<u8>)) -> LogError {
    let dir = tempfile::tempdir().unwrap();
    let (folder, signer) = (Folder::new(dir.path()), signer());
    Log::create(&folder, &signer, ORIGIN).unwrap().append(&bodies(0..600)).unwrap();
    assert!(audit(&folder, &key(), None, &mut |_, _| ()).is_ok());
    let path = dir.path().join(name);
    let mut bytes = fs_err::read(&path).unwrap();
    change(&mut bytes);
    fs_err::write(&path, bytes).unwrap();
    audit(&folder, &key(), None, &mut |_, _| ()).unwrap_err()
}

#[test]
fn every_file_counts() {
    let flip = |at: usize| move |bytes: &mut Vec<u8>| bytes[at] ^= 1;
    for name in ["tile/0/000", "tile/0/002.p/88", "tile/1/000.p/2"] {
        assert!(matches!(changed(name, flip(40)), LogError::Damaged { name: found, .. } if found == name), "{name}");
        assert!(matches!(changed(name, |bytes| bytes.truncate(32)), LogError::Damaged { .. }), "{name}");
    }
    assert!(matches!(changed("tile/entries/001", flip(0)), LogError::Damaged { .. }));
    assert!(matches!(changed("tile/entries/001", flip(10)), LogError::Body { index: 256, .. }));
    // Within the signature's base64: an entry that can be read, and is another.
    let other = |bytes: &mut Vec<u8>| {
        let at = bytes.windows(10).position(|window| window == b"\"content\":").unwrap() + 11;
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    };
    assert!(matches!(changed("tile/entries/001", other), LogError::Damaged { name, .. } if name == "tile/0/001"));
    assert!(matches!(changed("checkpoint", flip(13)), LogError::Signature { .. }));
    assert!(matches!(changed("checkpoint", |bytes| bytes.truncate(30)), LogError::Checkpoint { .. }));
}

#[test]
fn a_file_that_is_gone_is_named() {
    for name in ["checkpoint", "tile/0/000", "tile/1/000.p/2", "tile/entries/002.p/88"] {
        let dir = tempfile::tempdir().unwrap();
        let (folder, signer) = (Folder::new(dir.path()), signer());
        Log::create(&folder, &signer, ORIGIN).unwrap().append(&bodies(0..600)).unwrap();
        fs_err::remove_file(dir.path().join(name)).unwrap();
        let error = audit(&folder, &key(), None, &mut |_, _| ()).unwrap_err();
        let is_named = matches!(&error, LogError::Lost { name: found } if found == name)
            || (name == "checkpoint" && matches!(error, LogError::Missing));
        assert!(is_named, "{name}: {error}");
    }
}

#[test]
fn what_never_changes_is_not_written_over() {
    use attest::log::{Storage as _, StorageError};
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::new(dir.path());
    folder.put("tile/0/000", b"a").unwrap();
    folder.put("tile/0/000", b"a").unwrap();
    assert!(matches!(folder.put("tile/0/000", b"b"), Err(StorageError::Changed { .. })));
    assert!(folder.move_head(None, b"1").unwrap());
    assert!(!folder.move_head(None, b"2").unwrap());
    assert!(!folder.move_head(Some(b"0"), b"2").unwrap());
    assert!(folder.move_head(Some(b"1"), b"2").unwrap());
    assert_eq!(folder.head().unwrap().unwrap(), b"2");
}
