//! A web server of a few lines, for tests: what it answers, and what it was asked.
#![allow(dead_code, clippy::unwrap_used, reason = "test code; each test file uses its part")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use source::{Expected, Fetcher, Request, Settings};

/// What a path answers.
#[derive(Clone)]
pub(crate) enum Answer {
    /// A file, whole or from the byte that was asked for.
    File(Vec<u8>),
    /// A file, always whole.
    WithoutRanges(Vec<u8>),
    /// A file whose connection breaks after so many bytes, as often as is said; then it is whole.
    Breaks { bytes: Vec<u8>, after: usize, times: usize },
    /// A status, as often as is said; then the file.
    Status { status: u16, times: usize, then: Vec<u8> },
    /// On to another path.
    Redirect(String),
    /// Nothing, while the connection stays open.
    Silence,
}

/// A server that lives as long as its value.
pub(crate) struct Server {
    port: u16,
    /// Each request: method, path, and `Range`.
    log: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn start(answers: impl IntoIterator<Item = (&'static str, Answer)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answers: BTreeMap<String, Answer> = answers.into_iter().map(|(path, answer)| (path.to_owned(), answer)).collect();
        let answers = Arc::new(Mutex::new(answers));
        let log = Arc::new(Mutex::new(Vec::new()));
        let (served, written) = (answers, log.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answers, log) = (served.clone(), written.clone());
                std::thread::spawn(move || serve(stream, &answers, &log));
            }
        });
        Self { port, log }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, answers: &Mutex<BTreeMap<String, Answer>>, log: &Mutex<Vec<String>>) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    let (method, path) = (first.split(' ').next()?.to_owned(), first.split(' ').nth(1)?.to_owned());
    let mut range = None;
    for line in lines.by_ref() {
        let line = line.ok()?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("range")
        {
            range = value.trim().strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok();
        }
    }
    log.lock().unwrap().push(match range {
        Some(from) => format!("{method} {path} from {from}"),
        None => format!("{method} {path}"),
    });
    let answer = answer(&path, answers);
    let head = |status: &str, length: usize, more: &str| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{more}\r\n")
    };
    let (head, body) = match answer {
        None => (head("404 Not Found", 0, ""), Vec::new()),
        Some(Answer::File(bytes)) => part(&bytes, range, head),
        Some(Answer::WithoutRanges(bytes)) => (head("200 OK", bytes.len(), ""), bytes),
        Some(Answer::Breaks { bytes, after, .. }) => {
            let from = range.unwrap_or(0);
            let (head, body) = part(&bytes, range, head);
            (head, body[..after.saturating_sub(from).min(body.len())].to_vec())
        }
        Some(Answer::Status { status, .. }) => (head(&format!("{status} Said"), 0, ""), Vec::new()),
        Some(Answer::Redirect(to)) => (head("302 Found", 0, &format!("Location: {to}\r\n")), Vec::new()),
        Some(Answer::Silence) => {
            std::thread::sleep(Duration::from_secs(5));
            return None;
        }
    };
    stream.write_all(head.as_bytes()).ok()?;
    if method != "HEAD" {
        stream.write_all(&body).ok()?;
    }
    stream.flush().ok()
}

fn part(bytes: &[u8], range: Option<usize>, head: impl Fn(&str, usize, &str) -> String) -> (String, Vec<u8>) {
    match range {
        Some(from) if from < bytes.len() => {
            let more = format!("Content-Range: bytes {from}-{}/{}\r\n", bytes.len() - 1, bytes.len());
            (head("206 Partial Content", bytes.len() - from, &more), bytes[from..].to_vec())
        }
        Some(_) => (head("416 Range Not Satisfiable", 0, ""), Vec::new()),
        None => (head("200 OK", bytes.len(), ""), bytes.to_vec()),
    }
}

/// Looks up what a path answers now, counting down what happens only so often.
fn answer(path: &str, answers: &Mutex<BTreeMap<String, Answer>>) -> Option<Answer> {
    let mut answers = answers.lock().unwrap();
    let entry = answers.get_mut(path)?;
    let now = entry.clone();
    let next = match now.clone() {
        Answer::Breaks { bytes, times: 0 | 1, .. } => Some(Answer::File(bytes)),
        Answer::Breaks { bytes, after, times } => Some(Answer::Breaks { bytes, after, times: times - 1 }),
        Answer::Status { times: 0 | 1, then, .. } => Some(Answer::File(then)),
        Answer::Status { status, times, then } => Some(Answer::Status { status, times: times - 1, then }),
        _ => None,
    };
    if let Some(next) = next {
        *entry = next;
    }
    Some(now)
}

/// A store of its own, and settings that do not wait.
pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) store: base::Store,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = base::Store::open(&dir.path().join("store")).unwrap();
        Self { dir, store }
    }

    pub(crate) fn fetcher(&self, settings: Settings) -> Fetcher<'_> {
        Fetcher::new(&self.store, settings).unwrap()
    }

    /// Paths of unfinished downloads.
    pub(crate) fn unfinished(&self) -> Vec<std::path::PathBuf> {
        fs_err::read_dir(self.dir.path().join("store/work")).unwrap().map(|entry| entry.unwrap().path().join("part")).collect()
    }
}

pub(crate) fn quick() -> Settings {
    Settings { attempts: 3, backoff: Duration::from_millis(1), stall_timeout: Duration::from_millis(300), ..Settings::default() }
}

pub(crate) fn request(bytes: &[u8], uris: impl IntoIterator<Item = String>) -> Request {
    Request {
        name: "x.tar.gz".into(),
        uris: uris.into_iter().collect(),
        expected: Expected::Sha256(base::Digest::of(bytes)),
        size: None,
        relock: None,
    }
}
