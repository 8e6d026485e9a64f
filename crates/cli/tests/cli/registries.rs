//! The usual mistakes with registries: what is said, and how it goes on.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

use super::desk::Desk;

/// Answers every request with what `answer` makes of its first line, and returns the port.
fn serve(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut first, mut line) = (String::new(), String::new());
            let _ = reader.read_line(&mut first);
            while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
                line.clear();
            }
            let _ = stream.write_all(answer(&first).as_bytes());
        }
    });
    port
}

fn reply(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} x\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

/// Runs commands with the port hidden.
fn seen(desk: &Desk, port: &str, runs: &[&[&str]]) -> String {
    let run = |run: &&[&str]| {
        let run: Vec<String> = run.iter().map(|word| word.replace("PORT", port)).collect();
        desk.run(&run.iter().map(String::as_str).collect::<Vec<_>>())
    };
    runs.iter().map(run).collect::<Vec<_>>().join("\n").replace(port, "PORT")
}

#[test]
fn a_registry_that_does_not_run() {
    let desk = Desk::new();
    insta::assert_snapshot!(desk.run(&["tags", "127.0.0.1:1/app"]));
}

#[test]
fn a_repository_that_is_not_there() {
    let desk = Desk::new();
    let port = serve(|first| match first {
        first if first.starts_with("GET /v2/ ") => reply(200, "", "{}"),
        _ => reply(404, "", r#"{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}"#),
    });
    let runs: [&[&str]; 4] = [
        &["tags", "127.0.0.1:PORT/app"],
        &["pull", "127.0.0.1:PORT/app:1", "-o", "out"],
        &["inspect", "127.0.0.1:PORT/app:1"],
        &["tree", "docker://127.0.0.1:PORT/app:1"],
    ];
    insta::assert_snapshot!(seen(&desk, &port, &runs));
}

#[test]
fn a_registry_that_wants_a_login() {
    let desk = Desk::new();
    let port = serve(|_| {
        let body = r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
        reply(401, "www-authenticate: Basic realm=\"here\"\r\n", body)
    });
    let without = seen(&desk, &port, &[&["tags", "127.0.0.1:PORT/app"]]);
    desk.write("home/.docker/config.json", &format!(r#"{{"auths":{{"127.0.0.1:{port}":{{"auth":"bWU6aHVudGVyMg=="}}}}}}"#));
    let with = seen(&desk, &port, &[&["tags", "127.0.0.1:PORT/app"], &["-v", "copy", "127.0.0.1:PORT/app", "127.0.0.1:PORT/b"]]);
    assert!(!with.contains("hunter2") && !with.contains("bWU6"), "{with}");
    desk.write("home/.docker/config.json", r#"{"auths":{"x":"hunter2"}}"#);
    let broken = seen(&desk, &port, &[&["tags", "127.0.0.1:PORT/app"]]);
    assert!(!broken.contains("hunter2"), "{broken}");
    insta::assert_snapshot!([without, with, broken].join("\n"));
}

#[test]
fn a_registry_that_gives_other_bytes() {
    let desk = Desk::new();
    let port = serve(|first| match first {
        first if first.starts_with("GET /v2/ ") => reply(200, "", "{}"),
        _ => reply(200, "content-type: application/vnd.oci.image.index.v1+json\r\n", r#"{"schemaVersion":2,"manifests":[]}"#),
    });
    let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let name = format!("127.0.0.1:PORT/app@{digest}");
    insta::assert_snapshot!(seen(&desk, &port, &[&["pull", &name, "-o", "out"]]));
    assert!(!desk.path("out").exists());
}

#[test]
fn tls_to_a_registry_that_does_not_speak_it() {
    let desk = Desk::new();
    let port = serve(|_| reply(400, "", "what?"));
    // Not the address of this machine by which TLS is not expected.
    insta::assert_snapshot!(seen(&desk, &port, &[&["tags", "127.0.0.2:PORT/app"]]));
}

#[test]
fn names_that_are_none() {
    let desk = Desk::new();
    let runs: [&[&str]; 5] = [
        &["tags", "127.0.0.1:5000/app:1"],
        &["pull", "127.0.0.1:5000/App", "-o", "out"],
        &["push", "nothing-here", "127.0.0.1:5000/app"],
        &["copy", "example.org/app@sha256:00", "example.org/b"],
        &["inspect", "nothing-here"],
    ];
    insta::assert_snapshot!(seen(&desk, "65536", &runs));
}
