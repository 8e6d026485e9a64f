//! Each way in which a world can fail is told in sentences.

use apk::Index;
use apk::solve::{Policy, Repository, World, solve};

/// Solves over records written as `name version [D:…] [p:…] [k:…] [i:…]`, one a line; `@tag` begins a tagged repository.
fn reasons(world: &str, records: &str) -> String {
    let mut repositories: Vec<(Option<&str>, String)> = vec![(None, String::new())];
    for line in records.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(tag) = line.strip_prefix('@') {
            repositories.push((Some(tag), String::new()));
            continue;
        }
        let mut parts = line.split(" | ");
        let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
        let text = &mut repositories.last_mut().unwrap().1;
        *text += &format!("P:{name}\nV:{version}\nI:1\n");
        parts.for_each(|part| *text += &format!("{part}\n"));
        *text += "\n";
    }
    let indexes: Vec<_> = repositories.iter().map(|(tag, text)| (tag, Index::parse(text.as_bytes()).unwrap())).collect();
    let offered: Vec<_> =
        indexes.iter().map(|(tag, index)| Repository { tag: tag.map(str::to_owned), ..Repository::new(&index.records) }).collect();
    let error = solve(&World::parse(world).unwrap(), &offered, Policy::Apk, &[]).unwrap_err();
    error.reasons.join("\n")
}

#[test]
fn a_pin_against_a_library() {
    let records = "
        nginx 1.27.0-r0 | D:so:libssl.so.3
        openssl 3.0 | p:so:libssl.so.3=3.0
        openssl 3.1 | p:so:libssl.so.3=3.1
        openssl 3.3 | p:so:libssl.so.3=3.3
        openssl 3.4 | p:so:libssl.so.3=3.4
        openssl 3.6 | p:so:libssl.so.4=3.6";
    insta::assert_snapshot!(reasons("nginx openssl>3.5", records), @"
    your world wants nginx
    your world pins openssl>3.5
    only openssl 3.6 fits
    nginx needs so:libssl.so.3
    only openssl 3.0 to 3.4 provide it
    ");
}

#[test]
fn something_that_is_nowhere() {
    insta::assert_snapshot!(reasons("a", "a 1 | D:b\nb 1 | D:so:gone.so.1"), @"
    your world wants a
    a needs b
    b needs so:gone.so.1
    no package has or provides so:gone.so.1
    ");
    insta::assert_snapshot!(reasons("a>2 b", "a 1\na 2\nb 1"), @"
    your world pins a>2
    there is only a 1 and 2
    ");
}

#[test]
fn only_what_matters_is_told() {
    let records = "
        a 1 | D:lib<2 c
        a 2 | D:lib<2 c
        a 3 | D:lib<3 c
        b 1 | D:lib>2 c
        c 1 | D:d
        d 1
        lib 1
        lib 2
        lib 3";
    insta::assert_snapshot!(reasons("a b c d", records), @"
    your world wants a
    your world wants b
    a 1 and 2 need lib<2
    only lib 1 fits
    a 3 needs lib<3
    only lib 1 and 2 fit
    b needs lib>2
    only lib 3 fits
    ");
}

#[test]
fn two_that_can_not_stand_together() {
    let records = "
        server-a 1 | p:service=1
        server-b 1 | p:service=2
        picky 1 | D:!mail
        reader 1 | p:mail
        plain 1 | D:!reader
        app 1 | D:so:x.so.1
        app2 1 | D:so:x.so.2
        x 1 | p:so:x.so.1=1
        x 2 | p:so:x.so.2=2";
    insta::assert_snapshot!(reasons("server-a server-b", records), @"
    your world wants server-a
    your world wants server-b
    server-a and server-b both have the name service, which only one package can have
    ");
    insta::assert_snapshot!(reasons("picky reader", records), @"
    your world wants picky
    your world wants reader
    picky conflicts with mail, which reader 1 provides
    ");
    insta::assert_snapshot!(reasons("plain reader", records), @"
    your world wants plain
    your world wants reader
    plain conflicts with reader
    ");
    insta::assert_snapshot!(reasons("app app2", records), @"
    your world wants app
    your world wants app2
    app needs so:x.so.1
    only x 1 provides it
    app2 needs so:x.so.2
    only x 2 provides it
    only one version of x can be installed
    ");
    insta::assert_snapshot!(reasons("app !x", records), @"
    your world wants app
    app needs so:x.so.1
    only x 1 provides it
    your world rules out x
    ");
}

#[test]
fn what_is_only_provided_is_not_chosen() {
    insta::assert_snapshot!(reasons("a", "a 1 | D:v\nb 1 | p:v\nc 1 | p:v"), @"
    your world wants a
    a needs v
    only b 1 and c 1 provide it, and none of them is chosen unless you name it: add it to your world
    ");
    insta::assert_snapshot!(reasons("v", "b 1 | p:v"), @"
    your world wants v
    only b 1 provides it, and it is not chosen unless you name it: add it to your world
    ");
}

#[test]
fn a_tag_that_nobody_allowed() {
    insta::assert_snapshot!(reasons("a>1", "a 1\n@testing\na 2"), @"
    your world pins a>1
    a 2 is only in a repository with the tag @testing: pin it in your world
    ");
}

#[test]
fn packages_that_can_not_be_installed() {
    insta::assert_snapshot!(reasons("twice", "twice 1 | p:x=1 x=2"), @"
    your world wants twice
    twice can not be installed: it provides x more than once, in different versions
    ");
    insta::assert_snapshot!(reasons("odd", "odd 1 | D:even\neven 1 | D:!odd"), @"
    your world wants odd
    odd needs even
    even conflicts with odd
    ");
}
