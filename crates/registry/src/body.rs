//! Bodies of answers: nothing, bytes at hand, or a file that is read as fast as the client takes it.

use std::io::IoSliceMut;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt as _};
use http_body::{Frame, SizeHint};
use rustix::io::{ReadWriteFlags, preadv2};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::store::{Content, StoreError, doing};
use crate::wire::{MAX_PART, Parts};

/// How much of a file is read at once. As large as stays in the processor's cache between the read and the write
/// to the socket; a larger piece was slower.
const PIECE: usize = 128 << 10;

/// What is smaller is read and written: it stays in the processor's cache on the way, and the kernel's work for each
/// page of a file that it sends itself is more than the copy. 1 MB took a quarter more time without the copy, 100 MB
/// half of the time (benches/registry.sh).
const MIN_WIRED: u64 = 4 << 20;

/// How many buffers are kept for the next reads: what 64 fast clients need, 8 MiB.
const MAX_SPARE: usize = 64;

/// The body of an answer.
pub enum Body {
    /// Nothing.
    Empty,
    /// Bytes at hand; taken by the first poll.
    Full(Option<Bytes>),
    /// A file.
    File(FileBody),
    /// Bytes as they arrive from elsewhere.
    Stream(BoxStream<'static, Result<Bytes, StoreError>>, u64),
}

/// A part of a file.
///
/// What the kernel has in memory is sent from there, where the connection can (`wire`), or read right here, without
/// another thread (`RWF_NOWAIT`); what it has to fetch from a disk is read on a thread that may wait. At most one piece
/// is ahead of the client.
pub struct FileBody {
    file: Arc<std::fs::File>,
    offset: u64,
    left: u64,
    waiting: Option<JoinHandle<std::io::Result<Piece>>>,
    spare: Spare,
    wire: Option<Parts>,
}

impl Body {
    /// The body of an answer in JSON or text.
    pub(crate) fn full(bytes: impl Into<Bytes>) -> Self {
        Self::Full(Some(bytes.into()))
    }

    pub(crate) fn content(content: Content, spare: &Spare) -> Self {
        match content {
            Content::File { file, offset, length } => {
                Self::File(FileBody { file: Arc::new(file), offset, left: length, waiting: None, spare: spare.clone(), wire: None })
            }
            Content::Stream(stream, length) => Self::Stream(stream, length),
        }
    }

    /// Lets the connection send from files itself, by what `parts` notes.
    pub(crate) fn over(mut self, parts: &Parts) -> Self {
        if let Self::File(file) = &mut self
            && file.left >= MIN_WIRED
        {
            file.wire = Some(parts.clone());
        }
        self
    }

    /// How many bytes are still to come.
    pub(crate) fn left(&self) -> u64 {
        match self {
            Self::Empty | Self::Full(None) => 0,
            Self::Full(Some(bytes)) => bytes.len() as u64,
            Self::File(file) => file.left,
            Self::Stream(_, left) => *left,
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("left", &self.left()).finish_non_exhaustive()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = StoreError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StoreError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::File(file) => file.poll_piece(context),
            Self::Stream(stream, left) => Poll::Ready(ready!(stream.poll_next_unpin(context)).map(|piece| {
                let piece = piece?;
                *left = left.saturating_sub(piece.len() as u64);
                Ok(Frame::data(piece))
            })),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}

impl std::fmt::Debug for FileBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileBody").field("offset", &self.offset).field("left", &self.left).finish_non_exhaustive()
    }
}

impl FileBody {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StoreError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if self.waiting.is_none() {
            if let Some(stand_in) = self.stand_in() {
                return Poll::Ready(Some(Ok(Frame::data(stand_in))));
            }
            let mut piece = self.spare.take();
            let wanted = piece.bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
            let mut slices = [IoSliceMut::new(&mut piece.bytes[..wanted])];
            match preadv2(&*self.file, &mut slices, self.offset, ReadWriteFlags::NOWAIT) {
                Ok(read) if read > 0 => return Poll::Ready(Some(Ok(self.frame(piece, read)))),
                // Not in memory, the end of a file that became shorter, or a file system that does not know the flag.
                _ => {
                    let (file, offset) = (self.file.clone(), self.offset);
                    self.waiting = Some(spawn_blocking(move || {
                        file.read_exact_at(&mut piece.bytes[..wanted], offset)?;
                        piece.length = wanted;
                        Ok(piece)
                    }));
                }
            }
        }
        let Some(waiting) = &mut self.waiting else { return Poll::Ready(None) };
        let result = ready!(Pin::new(waiting).poll(context));
        self.waiting = None;
        Poll::Ready(Some(match result {
            Ok(Ok(piece)) => {
                let read = piece.length;
                Ok(self.frame(piece, read))
            }
            Ok(Err(error)) => Err(doing("reading a blob")(error)),
            Err(_) => Err(StoreError::Stopped),
        }))
    }

    /// What stands for the next part, if the connection can send it and the kernel has it in memory. That is asked for
    /// its last byte only: what is read in order is dropped in order.
    fn stand_in(&mut self) -> Option<Bytes> {
        let parts = self.wire.as_ref()?;
        let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(MAX_PART);
        let last = self.offset + length as u64 - 1;
        let there = preadv2(&*self.file, &mut [IoSliceMut::new(&mut [0])], last, ReadWriteFlags::NOWAIT);
        if there != Ok(1) {
            return None;
        }
        let stand_in = parts.stand_in(&self.file, self.offset, length);
        self.offset += length as u64;
        self.left -= length as u64;
        Some(stand_in)
    }

    fn frame(&mut self, mut piece: Piece, read: usize) -> Frame<Bytes> {
        piece.length = read;
        self.offset += read as u64;
        self.left -= read as u64;
        Frame::data(Bytes::from_owner(piece))
    }
}

/// Buffers that were used and can be used again: fresh memory costs more than what is read into it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spare(Arc<Mutex<Vec<Box<[u8]>>>>);

impl Spare {
    fn take(&self) -> Piece {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Piece { bytes: kept.unwrap_or_else(|| vec![0; PIECE].into_boxed_slice()), length: 0, spare: self.clone() }
    }
}

/// A buffer in use; it goes back when the socket has taken its bytes.
struct Piece {
    bytes: Box<[u8]>,
    length: usize,
    spare: Spare,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let mut kept = self.spare.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MAX_SPARE {
            kept.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use std::io::Write as _;

    use super::*;

    #[tokio::test]
    async fn a_file_arrives_whole_and_from_any_offset() {
        let bytes: Vec<u8> = (0..3 * PIECE + 17).map(|n| (n % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let spare = Spare::default();
        for (offset, length) in [(0, bytes.len()), (5, PIECE), (PIECE + 1, 2 * PIECE), (7, 1), (3, 0)] {
            let content = Content::File { file: file.try_clone().unwrap(), offset: offset as u64, length: length as u64 };
            let body = Body::content(content, &spare).collect().await.unwrap().to_bytes();
            assert!(body == bytes[offset..offset + length], "{offset} {length}");
        }
        assert!(!spare.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_file_that_became_shorter_is_an_error_and_no_short_body() {
        let file = tempfile::tempfile().unwrap();
        let body = Body::content(Content::File { file, offset: 0, length: 10 }, &Spare::default());
        assert!(body.collect().await.is_err());
    }
}
