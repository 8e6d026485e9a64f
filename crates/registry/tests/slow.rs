//! Strangers who hold what they use for nothing, over real sockets: each is cut off, and with the guard off keeps others out.
#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use registry::{Algorithm, Digest, Limits, Open, Registry, Settings, Store};

/// A bound that a test waits for, and one that never comes.
const SHORT: Duration = Duration::from_millis(200);
const NEVER: Duration = Duration::from_secs(3600);

/// A server on a thread of its own; it goes with its folder when the test ends.
struct Server {
    address: SocketAddr,
    _folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    fn new(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let address = runtime.block_on(async {
            let store = Store::folder(folder.path()).await.unwrap();
            let registry = Registry::new(store, Settings { access: Box::new(Open), limits }, None, "test");
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(registry::serve::serve(Arc::new(registry), listener, None, std::future::pending()));
            address
        });
        Self { address, _folder: folder, _runtime: runtime }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// The first line of the answer to a request; nothing where none came.
    fn asks(&self, request: &[u8], patience: Duration) -> String {
        let mut stream = self.connect();
        stream.set_read_timeout(Some(patience)).unwrap();
        let _ = stream.write_all(request);
        first_line(&mut stream)
    }

    fn push(&self, bytes: &[u8]) -> String {
        let digest = Digest::of(Algorithm::Sha256, bytes);
        let head = format!("POST /v2/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", bytes.len());
        self.asks(&[head.as_bytes(), bytes].concat(), Duration::from_secs(60))
    }
}

fn first_line(stream: &mut TcpStream) -> String {
    let mut bytes = [0; 4096];
    let read = stream.read(&mut bytes).unwrap_or(0);
    String::from_utf8_lossy(&bytes[..read]).lines().next().unwrap_or_default().to_owned()
}

/// Whether the server ends this connection.
fn ends(mut stream: TcpStream) -> bool {
    let mut rest = Vec::new();
    !matches!(stream.read_to_end(&mut rest), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

const PING: &[u8] = b"GET /v2/ HTTP/1.1\r\nhost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK";

#[test]
fn heads_that_never_end_keep_nobody_out() {
    for (head_time, idle_time, answered) in [(SHORT, NEVER, true), (NEVER, NEVER, false)] {
        let server = Server::new(Limits { connections: 2, head_time, idle_time, ..Limits::default() });
        let lorises = [(); 2].map(|()| {
            let mut stream = server.connect();
            stream.write_all(b"GET /v2/ HTTP/1.1\r\nx-a: b").unwrap();
            stream
        });
        let patience = if answered { Duration::from_secs(20) } else { Duration::from_secs(1) };
        assert_eq!(server.asks(PING, patience), if answered { OK } else { "" }, "head_time: {head_time:?}");
        drop(lorises);
    }
}

#[test]
fn a_connection_that_says_nothing_ends() {
    let server = Server::new(Limits { idle_time: SHORT, head_time: NEVER, ..Limits::default() });
    assert!(ends(server.connect()));
    let mut started = server.connect();
    started.write_all(PING).unwrap();
    assert_eq!(first_line(&mut started), OK);
    assert!(ends(started), "one that was used before, too");
    let patient = Server::new(Limits { idle_time: NEVER, head_time: NEVER, ..Limits::default() });
    let silent = patient.connect();
    silent.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    assert!(!ends(silent), "with the guard off");
}

#[test]
fn who_takes_no_answer_is_not_waited_for() {
    for (idle_time, answered) in [(SHORT, true), (NEVER, false)] {
        let server = Server::new(Limits { connections: 1, idle_time, ..Limits::default() });
        let bytes = vec![7; 32 << 20];
        assert_eq!(server.push(&bytes), "HTTP/1.1 201 Created");
        let mut stopped = server.connect();
        let digest = Digest::of(Algorithm::Sha256, &bytes);
        stopped.write_all(format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).unwrap();
        let patience = if answered { Duration::from_secs(20) } else { Duration::from_secs(1) };
        assert_eq!(server.asks(PING, patience), if answered { OK } else { "" }, "idle_time: {idle_time:?}");
    }
}

#[test]
fn bodies_that_trickle_hold_no_room_among_the_uploads() {
    for (body_time, status) in [(SHORT, "HTTP/1.1 201 Created"), (NEVER, "HTTP/1.1 429 Too Many Requests")] {
        let server = Server::new(Limits { uploads: 1, body_time, ..Limits::default() });
        let digest = Digest::of(Algorithm::Sha256, b"never");
        let head = format!("POST /v2/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n");
        let mut trickle = server.connect();
        trickle.write_all(head.as_bytes()).unwrap();
        // A byte now and then is no progress.
        for _ in 0..20 {
            let _ = trickle.write_all(b"x");
            std::thread::sleep(SHORT / 10);
        }
        if body_time == SHORT {
            assert_eq!(first_line(&mut trickle), "HTTP/1.1 408 Request Timeout");
        }
        assert_eq!(server.push(b"another's"), status, "body_time: {body_time:?}");
    }
}

#[test]
fn a_flood_of_headers_is_refused_and_others_are_answered() {
    let long = format!("GET /v2/ HTTP/1.1\r\nhost: a\r\nx-a: {}\r\n\r\n", "a".repeat(200 << 10));
    let many = format!("GET /v2/ HTTP/1.1\r\nhost: a\r\n{}\r\n", "x-a: b\r\n".repeat(5000));
    let server = Server::new(Limits::default());
    let refused = "HTTP/1.1 431 Request Header Fields Too Large";
    for head in [&long, &many] {
        // Who still writes when the answer comes may find the connection reset; then there is no answer to read.
        let got = server.asks(head.as_bytes(), Duration::from_secs(20));
        assert!(got == refused || got.is_empty(), "{got}");
    }
    let endless = format!("GET /v2/{} HTTP/1.1\r\nhost: a\r\n\r\n", "a/".repeat(100 << 10));
    let got = server.asks(endless.as_bytes(), Duration::from_secs(20));
    assert!(got.is_empty() || got.contains("414") || got.contains("431"), "{got}");
    assert_eq!(server.asks(PING, Duration::from_secs(20)), OK);
    let roomy = Server::new(Limits { head: 1 << 20, ..Limits::default() });
    assert_eq!(roomy.asks(long.as_bytes(), Duration::from_secs(20)), OK, "with the guard off");
}

/// hyper's `pipeline_flush` read a whole answer into memory when the next request had come; nothing may do so again.
#[test]
fn requests_sent_ahead_do_not_fill_the_memory() {
    let server = Server::new(Limits::default());
    let bytes = vec![7; 64 << 20];
    assert_eq!(server.push(&bytes), "HTTP/1.1 201 Created");
    let request = format!("GET /v2/a/blobs/{} HTTP/1.1\r\nhost: a\r\n\r\n", Digest::of(Algorithm::Sha256, &bytes)).repeat(2);
    let before = resident();
    let greedy: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    for mut stream in greedy {
        assert_eq!(first_line(&mut stream), OK);
    }
    // All eight read ahead would be 512 MiB; other tests of this process take some, too.
    assert!(resident() < before + (200 << 20), "{before} {}", resident());
}

/// Bytes of memory that this process has.
fn resident() -> usize {
    let text = fs_err::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
