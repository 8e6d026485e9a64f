//! Where credentials are found, and that they are not shown.

use super::*;

fn of(name: &str) -> Repository {
    name.parse().unwrap()
}

fn basic(user: &str, password: &str) -> Option<Credential> {
    Some(Credential::Basic { user: user.into(), password: Secret::new(password) })
}

#[test]
fn the_most_specific_entry_of_the_first_file_counts() {
    let mut keys = Keychain::default();
    let first = r#"{"auths":{"example.org":{"auth":"aG9zdDpoMQ=="},"example.org/team":{"auth":"dGVhbTp0MQ=="},"example.org/team/app":{"username":"app","password":"a1"},
        "https://index.docker.io/v1/":{"auth":"aHViOmQx"},"https://old.example.org/v2/":{"auth":"b2xkOm8x"},"empty.example.org":{},
        "id.example.org":{"identitytoken":"refresh"},"tok.example.org":{"registrytoken":"shown"}}}"#;
    keys.add_file("first", first.as_bytes()).unwrap();
    keys.add_file("second", br#"{"auths":{"example.org":{"auth":"bmV2ZXI6dXNlZA=="},"empty.example.org":{"auth":"dHdvOnMy"}}}"#).unwrap();
    keys.add_netrc("# a comment\nmachine net.example.org login n password n1\nmacdef init\n machine evil.example.org login x password y\n\nmachine net2.example.org\n  login n2\n  password p2");
    let cases = [
        ("example.org/other", basic("host", "h1")),
        ("example.org/team/x", basic("team", "t1")),
        ("example.org/team/app", basic("app", "a1")),
        ("example.org/team/app/deeper", basic("app", "a1")),
        ("nginx", basic("hub", "d1")),
        ("old.example.org/a", basic("old", "o1")),
        ("empty.example.org/a", basic("two", "s2")),
        ("id.example.org/a", Some(Credential::Identity(Secret::new("refresh")))),
        ("tok.example.org/a", Some(Credential::Token(Secret::new("shown")))),
        ("net.example.org/a", basic("n", "n1")),
        ("net.example.org:5000/a", basic("n", "n1")),
        ("net2.example.org/a", basic("n2", "p2")),
        ("evil.example.org/a", None),
        ("example.org.evil.example/a", None),
        ("unknown.example.org/a", None),
    ];
    for (name, expected) in cases {
        assert_eq!(keys.find(&of(name)).unwrap(), expected, "{name}");
    }
}

#[test]
fn the_default_of_netrc_is_for_every_host() {
    let mut keys = Keychain::default();
    keys.add_netrc("default login me password p");
    assert_eq!(keys.find(&of("any.example.org/a")).unwrap(), basic("me", "p"));
}

struct Fake;

impl Helper for Fake {
    fn get(&self, name: &str, server: &str) -> std::io::Result<(bool, Vec<u8>)> {
        match (name, server) {
            ("pass", "https://index.docker.io/v1/") => Ok((true, br#"{"ServerURL":"x","Username":"hub","Secret":"s"}"#.to_vec())),
            ("pass", "token.example.org") => Ok((true, br#"{"ServerURL":"x","Username":"<token>","Secret":"r"}"#.to_vec())),
            ("pass", "broken.example.org") => Ok((true, b"not json with s3cret".to_vec())),
            ("pass", "locked.example.org") => Ok((false, b"the keyring is locked\n".to_vec())),
            ("pass", _) => Ok((false, b"credentials not found in native keychain\n".to_vec())),
            _ => Err(std::io::Error::from(std::io::ErrorKind::NotFound)),
        }
    }
}

#[test]
fn helpers_are_asked_as_docker_asks_them() {
    let mut keys = Keychain::default();
    keys.add_file("c", br#"{"credsStore":"pass","credHelpers":{"gone.example.org":"gone","path.example.org":"../../bin/sh"}}"#).unwrap();
    assert_eq!(keys.find(&of("nginx")).unwrap(), None, "without a way to run it, a helper is passed over");
    keys.set_helper(Box::new(Fake));
    assert_eq!(keys.find(&of("nginx")).unwrap(), basic("hub", "s"));
    assert_eq!(keys.find(&of("token.example.org/a")).unwrap(), Some(Credential::Identity(Secret::new("r"))));
    assert_eq!(keys.find(&of("none.example.org/a")).unwrap(), None);
    for (host, says) in [
        ("broken", "not that of a helper"),
        ("locked", "keyring is locked"),
        ("gone", "docker-credential-gone"),
        ("path", "no name of a helper"),
    ] {
        let error = keys.find(&of(&format!("{host}.example.org/a"))).unwrap_err().to_string();
        assert!(error.contains(says) && !error.contains("s3cret"), "{error}");
    }
}

#[test]
fn errors_do_not_quote_files() {
    let mut keys = Keychain::default();
    let error = keys.add_file("config.json", br#"{"auths":{"x":{"auth":["hunter2"]}}}"#).unwrap_err();
    let said = format!("{error:?} {error} {}", std::error::Error::source(&error).unwrap());
    assert!(!said.contains("hunter2") && said.contains("line 1"), "{said}");
    keys.add_file("config.json", br#"{"auths":{"x.example.org":{"auth":"aHVudGVyMg=="}}}"#).unwrap();
    let error = keys.find(&of("x.example.org/a")).unwrap_err().to_string();
    assert!(error.contains("x.example.org") && !error.contains("aHVudGVy"), "{error}");
    assert!(!format!("{keys:?}").contains("aHVudGVy"));
}
