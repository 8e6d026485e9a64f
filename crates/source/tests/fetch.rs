//! What fetching promises: the right bytes or a refusal that says what was tried.

mod common;

use std::sync::Mutex;

use base::{Digest, Finish, Reporter, Task};
use common::{Answer, Place, Server, quick, request};
use source::{Expected, Failure, FetchError, Fetched, Origin, Settings, Sha512, Try};

const BYTES: &[u8] = b"the bytes of a source, long enough to be cut";

fn tries(result: Result<Fetched, FetchError>) -> Vec<Try> {
    match result {
        Err(FetchError::Missing { tries, .. }) => tries,
        other => panic!("{other:?}"),
    }
}

fn last(result: Result<Fetched, FetchError>) -> Failure {
    tries(result).pop().expect("the store is tried at least").failure
}

#[test]
fn fetches_once_and_then_has_it() {
    let server = Server::start([("/x", Answer::File(BYTES.to_vec()))]);
    let place = Place::new();
    let fetcher = place.fetcher(quick());
    let wanted = request(BYTES, [server.url("/x")]);
    let first = fetcher.fetch(&wanted, &()).unwrap();
    assert_eq!(first, Fetched { digest: Digest::of(BYTES), size: BYTES.len() as u64, from: Origin::Place(server.url("/x")) });
    assert_eq!(fetcher.fetch(&wanted, &()).unwrap().from, Origin::Store);
    assert_eq!(place.store.read_blob(&first.digest).unwrap(), BYTES);
    assert_eq!(server.asked(), ["GET /x"]);
    assert!(place.unfinished().is_empty());
}

#[test]
fn knows_a_source_by_its_sha512_too() {
    let server = Server::start([("/x", Answer::File(BYTES.to_vec())), ("/y", Answer::File(b"other".to_vec()))]);
    let place = Place::new();
    let fetcher = place.fetcher(quick());
    let mut wanted = request(BYTES, [server.url("/x")]);
    wanted.expected = Expected::Sha512(Sha512::of(BYTES));
    assert_eq!(fetcher.fetch(&wanted, &()).unwrap().digest, Digest::of(BYTES));
    assert_eq!(fetcher.fetch(&wanted, &()).unwrap().from, Origin::Store);
    wanted.expected = Expected::Sha512(Sha512::of(b"another"));
    wanted.uris = vec![server.url("/y")];
    assert!(matches!(last(fetcher.fetch(&wanted, &())), Failure::Checksum { .. }));
    assert!(place.store.blob(&Digest::of(b"other")).is_none(), "wrong bytes are not kept");
}

#[test]
fn refuses_other_bytes_and_goes_on_to_the_next_place() {
    let server = Server::start([("/bad", Answer::File(b"evil".to_vec())), ("/good", Answer::File(BYTES.to_vec()))]);
    let place = Place::new();
    let fetcher = place.fetcher(quick());
    assert!(matches!(last(fetcher.fetch(&request(BYTES, [server.url("/bad")]), &())), Failure::Checksum { .. }));
    assert!(place.store.blob(&Digest::of(b"evil")).is_none() && place.unfinished().is_empty());
    #[derive(Default)]
    struct Warnings(Mutex<Vec<String>>);
    impl Reporter for Warnings {
        fn warned(&self, text: &str) {
            self.0.lock().unwrap().push(text.to_owned());
        }
    }
    let heard = Warnings::default();
    let fetched = fetcher.fetch(&request(BYTES, [server.url("/bad"), server.url("/good")]), &heard).unwrap();
    assert_eq!(fetched.from, Origin::Place(server.url("/good")));
    assert_eq!(heard.0.into_inner().unwrap(), [format!("{} has other bytes for x.tar.gz", server.url("/bad"))]);
}

#[test]
fn a_size_that_is_pinned_bounds_what_is_read() {
    let server = Server::start([("/x", Answer::File(vec![0; 1 << 20]))]);
    let place = Place::new();
    let mut wanted = request(BYTES, [server.url("/x")]);
    wanted.size = Some(BYTES.len() as u64);
    assert!(matches!(last(place.fetcher(quick()).fetch(&wanted, &())), Failure::TooLarge { limit } if limit == BYTES.len() as u64));
    assert!(place.unfinished().is_empty());
}

#[test]
fn goes_on_where_a_download_broke_off() {
    let server = Server::start([("/x", Answer::Breaks { bytes: BYTES.to_vec(), after: 10, times: 1 })]);
    let place = Place::new();
    place.fetcher(quick()).fetch(&request(BYTES, [server.url("/x")]), &()).unwrap();
    assert_eq!(server.asked(), ["GET /x", "GET /x from 10"]);
}

#[test]
fn a_later_process_goes_on_where_an_earlier_one_stopped() {
    let server = Server::start([("/x", Answer::Breaks { bytes: BYTES.to_vec(), after: 7, times: 1 })]);
    let place = Place::new();
    let wanted = request(BYTES, [server.url("/x")]);
    let once = Settings { attempts: 1, ..quick() };
    assert!(matches!(last(place.fetcher(once).fetch(&wanted, &())), Failure::Truncated { got: 7, .. }));
    assert_eq!(fs_err::read(&place.unfinished()[0]).unwrap(), &BYTES[..7]);
    place.fetcher(quick()).fetch(&wanted, &()).unwrap();
    assert_eq!(server.asked(), ["GET /x", "GET /x from 7"]);
    assert!(place.unfinished().is_empty());
}

#[test]
fn begins_again_when_the_part_was_of_something_else() {
    let server = Server::start([("/x", Answer::Breaks { bytes: vec![9; 40], after: 7, times: 9 }), ("/y", Answer::File(BYTES.to_vec()))]);
    let place = Place::new();
    let fetched = place.fetcher(quick()).fetch(&request(BYTES, [server.url("/x"), server.url("/y")]), &()).unwrap();
    assert_eq!(fetched.from, Origin::Place(server.url("/y")));
    assert_eq!(server.asked()[3..], ["GET /y from 7".to_owned(), "GET /y".to_owned()]);
}

#[test]
fn a_server_without_ranges_sends_all_of_it_again() {
    let server = Server::start([
        ("/x", Answer::Breaks { bytes: BYTES.to_vec(), after: 10, times: 9 }),
        ("/y", Answer::WithoutRanges(BYTES.to_vec())),
    ]);
    let place = Place::new();
    place.fetcher(quick()).fetch(&request(BYTES, [server.url("/x"), server.url("/y")]), &()).unwrap();
    assert_eq!(server.asked().last().unwrap(), "GET /y from 10");
}

#[test]
fn tries_again_only_what_may_pass() {
    for (status, again) in [(503, true), (429, true), (500, true), (403, false), (404, false), (401, false)] {
        let server = Server::start([("/x", Answer::Status { status, times: 2, then: BYTES.to_vec() })]);
        let place = Place::new();
        let result = place.fetcher(quick()).fetch(&request(BYTES, [server.url("/x")]), &());
        assert_eq!(result.is_ok(), again, "{status}");
        assert_eq!(server.asked().len(), if again { 3 } else { 1 }, "{status}");
    }
}

#[test]
fn gives_up_in_the_end() {
    let server = Server::start([("/x", Answer::Status { status: 503, times: 99, then: Vec::new() })]);
    let failure = last(Place::new().fetcher(quick()).fetch(&request(BYTES, [server.url("/x")]), &()));
    assert_eq!(failure.to_string(), "HTTP status 503 (tried 3 times)");
}

#[test]
fn follows_redirects_but_not_for_ever() {
    let server = Server::start([
        ("/x", Answer::Redirect("/file".into())),
        ("/file", Answer::File(BYTES.to_vec())),
        ("/loop", Answer::Redirect("/loop".into())),
    ]);
    let place = Place::new();
    let fetcher = place.fetcher(quick());
    let failure = last(fetcher.fetch(&request(BYTES, [server.url("/loop")]), &()));
    assert!(matches!(failure, Failure::Redirects { .. }), "{failure:?}");
    fetcher.fetch(&request(BYTES, [server.url("/x")]), &()).unwrap();
}

#[test]
fn does_not_wait_for_a_silent_server() {
    let server = Server::start([("/x", Answer::Silence)]);
    let once = Settings { attempts: 1, ..quick() };
    let failure = last(Place::new().fetcher(once).fetch(&request(BYTES, [server.url("/x")]), &()));
    assert!(matches!(failure, Failure::Http { .. }), "{failure:?}");
}

#[test]
fn offline_asks_nobody_but_reads_files() {
    let server = Server::start([("/x", Answer::File(BYTES.to_vec()))]);
    let place = Place::new();
    let file = place.dir.path().join("x");
    fs_err::write(&file, BYTES).unwrap();
    let offline = Settings { offline: true, mirrors: vec![server.url("/m").parse().unwrap()], ..quick() };
    let fetcher = place.fetcher(offline);
    let wanted = request(BYTES, [server.url("/x")]);
    assert!(tries(fetcher.fetch(&wanted, &()))[1..].iter().all(|one| matches!(one.failure, Failure::Offline)));
    assert!(fetcher.fetch(&request(BYTES, [server.url("/x"), format!("file://{}", file.display())]), &()).is_ok());
    assert!(server.asked().is_empty());
}

#[test]
fn works_from_a_mirror_alone() {
    let server = Server::start([("/x", Answer::File(BYTES.to_vec())), ("/y", Answer::File(b"second".to_vec()))]);
    let place = Place::new();
    let mut by_sha512 = request(b"second", [server.url("/y")]);
    by_sha512.expected = Expected::Sha512(Sha512::of(b"second"));
    let wanted = [request(BYTES, [server.url("/x")]), by_sha512];
    let folder = place.dir.path().join("mirror");
    let fetcher = place.fetcher(quick());
    let done = source::mirror(&fetcher, &wanted, &folder, &()).unwrap();
    assert_eq!((done.added, done.kept, done.bytes), (2, 0, BYTES.len() as u64 + 6));
    assert_eq!(source::mirror(&fetcher, &wanted, &folder, &()).unwrap().kept, 2);
    let elsewhere = Place::new();
    let from_mirror = Settings { mirrors: vec![folder.to_str().unwrap().parse().unwrap()], offline: true, ..quick() };
    let fetcher = elsewhere.fetcher(from_mirror);
    for one in &wanted {
        assert!(matches!(fetcher.fetch(one, &()).unwrap().from, Origin::Place(_)));
    }
}

#[test]
fn a_changed_file_of_a_mirror_is_refused() {
    let place = Place::new();
    let mirror = place.dir.path().join("mirror");
    let wanted = request(BYTES, []);
    fs_err::create_dir_all(mirror.join("sha256")).unwrap();
    fs_err::write(mirror.join(wanted.expected.mirror_path()), b"changed").unwrap();
    let settings = Settings { mirrors: vec![mirror.to_str().unwrap().parse().unwrap()], ..quick() };
    assert!(matches!(last(place.fetcher(settings).fetch(&wanted, &())), Failure::Checksum { .. }));
}

#[test]
fn names_every_place_that_was_tried_and_the_way_out() {
    let server = Server::start([("/debian/pool/main/b.tar.gz", Answer::File(b"other".to_vec()))]);
    let place = Place::new();
    let mut wanted = request(
        BYTES,
        [
            "debian:pool/main/x/x/x_1.orig.tar.gz".to_owned(),
            "debian:pool/main/b.tar.gz".to_owned(),
            "file:///nowhere/x".to_owned(),
            "ftp://host/x".to_owned(),
        ],
    );
    wanted.relock = Some("undistro source relock x".into());
    let settings = Settings { debian: Some(server.url("/debian/").parse().unwrap()), ..quick() };
    let error = place.fetcher(settings).fetch(&wanted, &()).unwrap_err().to_string();
    let error = error.replace(&server.url(""), "http://MIRROR");
    insta::assert_snapshot!(error, @r"
    source x.tar.gz (sha256:b6f718981831f51f9300edf3f13bedb456a9f0dca9293ef45df3b2313515c52a) could not be had; tried
      the store: not there
      http://MIRROR/debian/pool/main/x/x/x_1.orig.tar.gz: HTTP status 404
      http://MIRROR/debian-security/pool/updates/main/x/x/x_1.orig.tar.gz: HTTP status 404
      http://MIRROR/debian/pool/main/b.tar.gz: other bytes: sha256:d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa
      http://MIRROR/debian-security/pool/updates/main/b.tar.gz: HTTP status 404
      /nowhere/x: not there
      ftp://host/x: the scheme of `ftp://host/x` is not supported; there are https, http, file and debian
    hint: an archive drops superseded files at a point release; `undistro source relock x` shows what is there now
    hint: a mirror made by `undistro source mirror DIR` while the source was there is asked before the network
    ");
}

#[test]
fn without_a_debian_mirror_says_so() {
    let error = last(Place::new().fetcher(quick()).fetch(&request(BYTES, ["debian:pool/x".to_owned()]), &()));
    assert_eq!(error.to_string(), "no Debian mirror is known: none is set, and the host's apt names none");
}

#[test]
fn tells_how_a_fetch_comes_on() {
    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);
    impl Reporter for Heard {
        fn started(&self, task: &Task) {
            self.0.lock().unwrap().push(format!("started {}", task.name));
        }
        fn advanced(&self, _: &Task, done: u64, total: Option<u64>) {
            self.0.lock().unwrap().push(format!("{done} of {total:?}"));
        }
        fn finished(&self, _: &Task, how: Finish) {
            self.0.lock().unwrap().push(format!("{how:?}"));
        }
    }
    let server = Server::start([("/x", Answer::File(BYTES.to_vec()))]);
    let place = Place::new();
    let heard = Heard::default();
    let fetcher = place.fetcher(quick());
    fetcher.fetch(&request(BYTES, [server.url("/x")]), &heard).unwrap();
    fetcher.fetch(&request(BYTES, [server.url("/x")]), &heard).unwrap();
    let expected = ["started x.tar.gz", "44 of Some(44)", "Done", "started x.tar.gz", "Cached"];
    assert_eq!(heard.0.into_inner().unwrap(), expected);
}

#[test]
fn refuses_authorities_that_are_none() {
    let place = Place::new();
    let settings = Settings { authorities: Some(b"no certificate".to_vec()), ..quick() };
    assert!(source::Fetcher::new(&place.store, settings).is_err());
}

#[test]
fn a_bundle_holds_every_source_once_and_the_same_bytes_each_time() {
    use source::{Bundle, Bundled, Identity};
    let server = Server::start([("/x", Answer::File(BYTES.to_vec())), ("/y", Answer::File(b"second".to_vec()))]);
    let place = Place::new();
    let fetcher = place.fetcher(quick());
    let bundled = |package: &str, bytes: &[u8], path: &str| {
        let request = request(bytes, [server.url(path)]);
        Bundled { package: package.into(), identity: Identity::of(&request), request }
    };
    let wanted = vec![bundled("b", BYTES, "/x"), bundled("a", BYTES, "/x"), bundled("a", b"second", "/y")];
    let tar = |wanted: Vec<Bundled>| {
        let mut bytes = Vec::new();
        Bundle::collect(&fetcher, wanted, &()).unwrap().write_tar(&mut bytes, 7).unwrap();
        Digest::of(bytes)
    };
    let reversed: Vec<_> = wanted.iter().rev().cloned().collect();
    let bundle = Bundle::collect(&fetcher, wanted.clone(), &()).unwrap();
    let packages: std::collections::BTreeSet<_> = bundle.sources.iter().map(|one| one.packages.join(" ")).collect();
    assert_eq!(packages.into_iter().collect::<Vec<_>>(), ["a", "a b"]);
    let folder = place.dir.path().join("bundle");
    bundle.write_folder(&folder).unwrap();
    let held: std::collections::BTreeSet<_> = bundle.sources.iter().map(|one| fs_err::read(folder.join(&one.path)).unwrap()).collect();
    assert!(held.contains(BYTES) && held.contains(&b"second"[..]), "two sources of one name do not overwrite each other");
    assert!(fs_err::read_to_string(folder.join("sources.json")).unwrap().contains(&Digest::of(b"second").to_string()));
    assert_eq!(tar(wanted), tar(reversed));
}
