//! Clients that hold what they use for nothing: bodies that trickle in, connections on which nothing moves.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// What has to come of a body within the time that is given for it: what a modem brings in half a minute.
const MIN_PROGRESS: usize = 16 << 10;

/// A body came too slowly.
#[derive(Debug, thiserror::Error)]
#[error("fewer than {MIN_PROGRESS} bytes came in {} s", .0.as_secs_f32())]
pub(crate) struct Slow(Duration);

/// A body that has to bring [`MIN_PROGRESS`], or its end, each time that a client was waited for so long.
pub(crate) struct Paced<B> {
    body: B,
    time: Duration,
    left: Duration,
    came: usize,
    since: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<B> Paced<B> {
    pub(crate) fn new(body: B, time: Duration) -> Self {
        Self { body, time, left: time, came: 0, since: None, alarm: None }
    }

    /// Waits for the client; ends when that took too long.
    fn poll_alarm(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(self.left)));
        if self.since.is_none() {
            let now = Instant::now();
            self.since = Some(now);
            alarm.as_mut().reset(now + self.left);
        }
        alarm.as_mut().poll(context)
    }

    /// Counts what came. The time in which we were busy with it is not the client's.
    fn came(&mut self, bytes: usize) {
        if let Some(since) = self.since.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
        self.came += bytes;
        if self.came >= MIN_PROGRESS {
            (self.came, self.left) = (0, self.time);
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Paced<B>
where
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            if let Some(Ok(frame)) = &frame {
                self.came(frame.data_ref().map_or(0, Bytes::len));
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(self.poll_alarm(context));
        Poll::Ready(Some(Err(Slow(self.time).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// How many requests of a connection are being worked on; then it may be still for as long as that takes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Busy(Arc<AtomicUsize>);

/// A request is being worked on until this is dropped.
pub(crate) struct Working(Busy);

impl Busy {
    pub(crate) fn work(&self) -> Working {
        self.0.fetch_add(1, Ordering::Relaxed);
        Working(self.clone())
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that ends when nothing moved on it for some time: no byte came in, and none of an answer was taken.
#[derive(Debug)]
pub(crate) struct Watched<I> {
    inner: I,
    time: Duration,
    busy: Busy,
    moved: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl<I> Watched<I> {
    pub(crate) fn new(inner: I, time: Duration, busy: Busy) -> Self {
        Self { inner, time, busy, moved: Instant::now(), alarm: Box::pin(sleep(time)) }
    }

    /// Notes that something moved, or waits until nothing did for too long. The alarm is set anew only when it rings.
    fn watch<T>(&mut self, context: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.moved = Instant::now();
            return done;
        }
        loop {
            ready!(self.alarm.as_mut().poll(context));
            let now = Instant::now();
            if self.busy.0.load(Ordering::Relaxed) > 0 {
                self.moved = now;
            }
            if self.moved + self.time <= now {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            let next = self.moved + self.time;
            self.alarm.as_mut().reset(next);
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<I> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.inner).poll_read(context, buffer);
        self.watch(context, done)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Watched<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.watch(context, done)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.watch(context, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
