//! What is taken for a password, and what not.

use super::*;

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("htpasswd");
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn bcrypt_line(user: &str, password: &str) -> String {
    format!("{user}:{}\n", bcrypt::hash_with_salt(password, 4, *b"0123456789abcdef").unwrap())
}

/// argon2id of `password`, with little memory.
fn argon2_line(user: &str, password: &str) -> String {
    use argon2::password_hash::PasswordHasher as _;
    let hasher = Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, argon2::Params::new(64, 1, 1, None).unwrap());
    format!("{user}:{}\n", hasher.hash_password_with_salt(password.as_bytes(), b"0123456789abcdef").unwrap())
}

#[tokio::test]
async fn the_right_password_of_a_user_and_no_other() {
    let (_folder, path) = file(&format!("# people\n\n{}{}", bcrypt_line("alice", "a1"), argon2_line("bob", "b2")));
    let passwords = Passwords::open(&path).unwrap();
    for (user, password, right) in [
        ("alice", "a1", true),
        ("alice", "a1", true),
        ("bob", "b2", true),
        ("alice", "b2", false),
        ("bob", "a1", false),
        ("alice", "", false),
        ("nobody", "a1", false),
        ("nobody", "", false),
        ("", "", false),
        ("# people", "", false),
    ] {
        assert_eq!(passwords.verify(user, password).await, right, "{user} {password}");
    }
    assert!(!passwords.verify("alice", &"a".repeat(2000)).await);
    assert!(!format!("{passwords:?}").contains("$2b$"), "hashes are not printed");
}

#[tokio::test]
async fn a_file_that_changes_is_read_again_and_one_that_is_broken_is_not() {
    let (_folder, path) = file(&bcrypt_line("alice", "old"));
    let passwords = Passwords::open(&path).unwrap();
    assert!(passwords.verify("alice", "old").await);
    fs::write(&path, bcrypt_line("alice", "new one") + &bcrypt_line("bob", "b")).unwrap();
    assert!(!passwords.verify("alice", "old").await, "what was known is forgotten");
    assert!(passwords.verify("alice", "new one").await && passwords.verify("bob", "b").await);
    fs::write(&path, "alice:plain").unwrap();
    assert!(passwords.verify("alice", "new one").await, "a broken file changes nothing");
    assert!(!passwords.verify("alice", "plain").await);
    fs::remove_file(&path).unwrap();
    assert!(passwords.verify("alice", "new one").await);
}

#[test]
fn hashes_that_are_guessed_quickly_or_cost_too_much_are_refused_with_their_line() {
    let table = [
        ("alice:plain", "neither argon2id nor bcrypt"),
        ("alice:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "neither"),
        ("alice:$apr1$abc$def", "neither"),
        ("alice", "user:hash"),
        (":x", "user:hash"),
        ("alice:$2y$31$abcdefghijklmnopqrstuuQ6l1Oq0SlqnBmcfYiMNrKzJYX2V7bxG", "cost above"),
        ("alice:$2y$xx", "can not be understood"),
        ("alice:$argon2id$v=19$m=4194304,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZg", "256 MiB"),
        ("alice:$argon2id$nonsense", "can not be understood"),
    ];
    for (line, why) in table {
        let (_folder, path) = file(&format!("# first\n{line}\n"));
        let error = Passwords::open(&path).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("line 2"), "{line}: {error}");
    }
}
