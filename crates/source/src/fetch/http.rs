//! HTTP: one GET that goes on where it broke off, and tries again only what may pass by itself.

use std::io::{self, Read as _};
use std::time::Duration;

use fs_err as fs;
use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};
use url::Url;

use super::{Failure, Settings, SettingsError, tls};

/// How many redirects are followed. Release pages of forges need two or three.
const MAX_REDIRECTS: u32 = 10;
/// The longest pause that a server may ask for with `Retry-After`, in seconds.
const MAX_RETRY_AFTER: u64 = 30;
/// How much is read at once. Progress is told as often.
const CHUNK: usize = 256 << 10;

/// Speaks HTTP.
#[derive(Debug)]
pub(super) struct Web {
    agent: Agent,
    attempts: u32,
    backoff: Duration,
}

/// How one attempt ended in vain.
struct Setback {
    failure: Failure,
    /// `Some` if another attempt may succeed, with the least pause that the server asked for.
    again: Option<Duration>,
}

/// A download went wrong: the place failed, or the file here could not be written.
pub(super) enum Broken {
    Place(Failure),
    Write(io::Error),
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::Place(failure)
    }
}

impl Web {
    pub(super) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let proxy =
            |url: &String| ureq::Proxy::new(url).map_err(|source| SettingsError::Proxy { proxy: url.clone(), source: Box::new(source) });
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(MAX_REDIRECTS)
            .max_redirects_will_error(true)
            .user_agent(concat!("undistro/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .proxy(settings.proxy.as_ref().map(proxy).transpose()?)
            .timeout_connect(Some(settings.connect_timeout))
            .timeout_recv_response(Some(settings.stall_timeout))
            .timeout_per_read(Some(settings.stall_timeout))
            .tls_config(tls(settings)?)
            .build();
        Ok(Self { agent: Agent::new_with_config(config), attempts: settings.attempts.max(1), backoff: settings.backoff })
    }

    /// Appends to `file` what it lacks of the file at `url`. `advanced` hears of bytes had and, if known, of all.
    pub(super) fn download(&self, url: &Url, file: &mut fs::File, limit: u64, advanced: &dyn Fn(u64, Option<u64>)) -> Result<(), Broken> {
        self.again(|| self.download_once(url, file, limit, advanced))
    }

    /// Reads a small file whole.
    pub(super) fn read(&self, url: &Url, limit: u64) -> Result<Vec<u8>, Failure> {
        let attempt = || {
            let response = self.get(url, 0)?;
            let total = response.body().content_length();
            let mut bytes = Vec::new();
            let mut reader = response.into_body().into_with_config().limit(u64::MAX).reader().take(limit + 1);
            reader.read_to_end(&mut bytes).map_err(|error| Step::Setback(broken_off(error, bytes.len() as u64, total)))?;
            if bytes.len() as u64 > limit { Err(Failure::TooLarge { limit }.into()) } else { Ok(bytes) }
        };
        match self.again(attempt) {
            Ok(bytes) => Ok(bytes),
            Err(Broken::Place(failure)) => Err(failure),
            Err(Broken::Write(_)) => unreachable!("nothing is written"),
        }
    }

    /// Asks whether there is a file at `url`.
    pub(super) fn has(&self, url: &Url) -> Result<bool, Failure> {
        let attempt = || {
            let response = self.agent.head(url.as_str()).call().map_err(|error| Step::Setback(setback(error)))?;
            match response.status().as_u16() {
                200..=299 => Ok(true),
                404 | 410 => Ok(false),
                _ => Err(Step::Setback(refused(&response))),
            }
        };
        match self.again(attempt) {
            Ok(found) => Ok(found),
            Err(Broken::Place(failure)) => Err(failure),
            Err(Broken::Write(_)) => unreachable!("nothing is written"),
        }
    }

    /// Repeats `attempt` while its failures are transient.
    fn again<T>(&self, mut attempt: impl FnMut() -> Result<T, Step>) -> Result<T, Broken> {
        let mut pause = self.backoff;
        for number in 1.. {
            match attempt() {
                Ok(value) => return Ok(value),
                Err(Step::Write(error)) => return Err(Broken::Write(error)),
                Err(Step::Setback(Setback { failure, again })) => match again {
                    Some(least) if number < self.attempts => std::thread::sleep(pause.max(least)),
                    _ => return Err(Broken::Place(counted(failure, number))),
                },
            }
            pause = pause.saturating_mul(2);
        }
        unreachable!("the loop ends with the last attempt")
    }

    fn download_once(&self, url: &Url, file: &mut fs::File, limit: u64, advanced: &dyn Fn(u64, Option<u64>)) -> Result<(), Step> {
        use std::io::{Seek as _, Write as _};
        let had = file.seek(io::SeekFrom::End(0)).map_err(Step::Write)?;
        let response = self.get(url, had)?;
        let mut at = if response.status() == StatusCode::PARTIAL_CONTENT && range_start(&response) == Some(had) {
            had
        } else {
            file.set_len(0).and_then(|()| file.rewind()).map_err(Step::Write)?;
            0
        };
        let total = response.body().content_length().map(|rest| at + rest);
        if total.is_some_and(|total| total > limit) {
            return Err(Failure::TooLarge { limit }.into());
        }
        let mut reader = response.into_body().into_with_config().limit(u64::MAX).reader();
        let mut chunk = vec![0; CHUNK];
        loop {
            let n = match reader.read(&mut chunk) {
                Ok(n) => n,
                Err(error) => return Err(Step::Setback(broken_off(error, at, total))),
            };
            if n == 0 {
                break;
            }
            at += n as u64;
            if at > limit {
                return Err(Failure::TooLarge { limit }.into());
            }
            file.write_all(&chunk[..n]).map_err(Step::Write)?;
            advanced(at, total);
        }
        match total {
            Some(total) if at < total => {
                let failure = Failure::Truncated { got: at, total, attempts: 1 };
                Err(Step::Setback(Setback { failure, again: Some(Duration::ZERO) }))
            }
            _ => Ok(()),
        }
    }

    /// Asks for a file from byte `from` on. A server that does not know ranges answers with all of it.
    fn get(&self, url: &Url, from: u64) -> Result<Response<Body>, Step> {
        let ask = |from: u64| {
            let mut request = self.agent.get(url.as_str());
            if from > 0 {
                request = request.header(header::RANGE, format!("bytes={from}-"));
            }
            request.call().map_err(|error| Step::Setback(setback(error)))
        };
        let mut response = ask(from)?;
        let range = from > 0 && (response.status() == StatusCode::RANGE_NOT_SATISFIABLE || other_range(&response, from));
        if range {
            response = ask(0)?;
        }
        match response.status().as_u16() {
            200 | 203 => Ok(response),
            206 if from > 0 && !range => Ok(response),
            _ => Err(Step::Setback(refused(&response))),
        }
    }
}

/// What ends one attempt.
enum Step {
    Setback(Setback),
    Write(io::Error),
}

impl From<Failure> for Step {
    fn from(failure: Failure) -> Self {
        Self::Setback(Setback { failure, again: None })
    }
}

/// Whether the answer is a part of the file, but not the one that was asked for.
fn other_range(response: &Response<Body>, from: u64) -> bool {
    response.status() == StatusCode::PARTIAL_CONTENT && range_start(response) != Some(from)
}

/// The first byte's place, from `Content-Range: bytes 5-9/10` (RFC 9110, 14.4).
fn range_start(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
}

fn refused(response: &Response<Body>) -> Setback {
    let status = response.status().as_u16();
    let after = || response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok();
    let again = matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
        .then(|| Duration::from_secs(after().map_or(0, |seconds: u64| seconds.min(MAX_RETRY_AFTER))));
    Setback { failure: Failure::Status { status, attempts: 1 }, again }
}

/// A connection that could not be made or used.
fn setback(error: ureq::Error) -> Setback {
    let transient = match &error {
        ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed => true,
        ureq::Error::Io(error) => is_lost(error.kind()),
        _ => false,
    };
    let failure = match error {
        ureq::Error::TooManyRedirects => Failure::Redirects { limit: MAX_REDIRECTS },
        error => Failure::Http { error: Box::new(error), attempts: 1 },
    };
    Setback { failure, again: transient.then_some(Duration::ZERO) }
}

/// A body that ended before its end. Whatever the cause, going on from there may succeed.
fn broken_off(error: io::Error, got: u64, total: Option<u64>) -> Setback {
    let failure = match (ureq::Error::from(error), total) {
        (ureq::Error::Io(error), Some(total)) if is_lost(error.kind()) => Failure::Truncated { got, total, attempts: 1 },
        (error, _) => Failure::Http { error: Box::new(error), attempts: 1 },
    };
    Setback { failure, again: Some(Duration::ZERO) }
}

/// Whether a connection was lost on the way. One that was refused will be refused again.
fn is_lost(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, Interrupted, TimedOut, UnexpectedEof, WouldBlock};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | Interrupted | TimedOut | UnexpectedEof | WouldBlock)
}

fn counted(failure: Failure, number: u32) -> Failure {
    match failure {
        Failure::Status { status, .. } => Failure::Status { status, attempts: number },
        Failure::Http { error, .. } => Failure::Http { error, attempts: number },
        Failure::Truncated { got, total, .. } => Failure::Truncated { got, total, attempts: number },
        other => other,
    }
}
