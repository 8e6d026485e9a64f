//! The plain socket below HTTP/1: parts of files go from the kernel's memory to it without a copy (`sendfile(2)`).
//!
//! hyper writes slices of memory and knows nothing else. So the body of a file hands it *stand-ins*: slices of one
//! block that nobody reads. Beside them it notes which part of which file each stands for, in the order of the
//! answers. The socket knows a stand-in by its address and sends the part. HTTP/1 alone keeps that order; answers in
//! TLS and HTTP/2 are read into memory.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use rustix::fs::sendfile;
use rustix::net::{SendFlags, send};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// How much one stand-in stands for at most. More than a socket takes at once, so that a larger one saves nothing.
pub(crate) const MAX_PART: usize = 1 << 20;

/// The block that stand-ins are slices of. It is never touched, so the kernel never gives it memory.
static BLOCK: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(vec![0; MAX_PART]));

/// Parts of files that a connection is to send, in order; copies are the same queue.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parts(Arc<Mutex<VecDeque<Part>>>);

#[derive(Debug)]
struct Part {
    file: Arc<File>,
    offset: u64,
    left: usize,
}

impl Parts {
    /// Notes a part, and returns what stands for it.
    pub(crate) fn stand_in(&self, file: &Arc<File>, offset: u64, length: usize) -> Bytes {
        let length = length.min(MAX_PART);
        let part = Part { file: file.clone(), offset, left: length };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(part);
        BLOCK.slice(..length)
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    parts: Parts,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, parts: Parts) -> Self {
        Self { stream, parts }
    }

    /// Sends some of the first part, `most` bytes at most.
    fn poll_part(&self, context: &mut Context<'_>, most: usize) -> Poll<io::Result<usize>> {
        let mut parts = self.parts.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The bytes of a stand-in are never sent, whatever happens.
        let Some(part) = parts.front_mut() else { return Poll::Ready(Err(io::ErrorKind::InvalidData.into())) };
        let most = most.min(part.left);
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            let mut offset = part.offset;
            let sent = self.stream.try_io(Interest::WRITABLE, || Ok(sendfile(&self.stream, &part.file, Some(&mut offset), most)?));
            match sent {
                // The file became shorter: what was promised can not be sent.
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(sent) => {
                    part.offset += sent as u64;
                    part.left -= sent;
                    if part.left == 0 {
                        parts.pop_front();
                    }
                    return Poll::Ready(Ok(sent));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Sends some of the head of an answer, to which a part of a file follows at once.
    fn poll_head(&self, context: &mut Context<'_>, head: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            // `MORE`: no packet of its own.
            let sent = self.stream.try_io(Interest::WRITABLE, || Ok(send(&self.stream, head, SendFlags::MORE | SendFlags::NOSIGNAL)?));
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }
}

fn is_stand_in(slice: &[u8]) -> bool {
    BLOCK.as_ptr_range().contains(&slice.as_ptr())
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let slices = &slices[slices.iter().take_while(|slice| slice.is_empty()).count()..];
        let plain = slices.iter().take_while(|slice| !is_stand_in(slice)).count();
        match slices {
            [first, ..] if plain == 0 => self.poll_part(context, first.len()),
            [head, _, ..] if plain == 1 => self.poll_head(context, head),
            _ => Pin::new(&mut self.stream).poll_write_vectored(context, &slices[..plain]),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (Wire, Parts, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let parts = Parts::default();
        (Wire::new(listener.accept().await.unwrap().0, parts.clone()), parts, client)
    }

    fn file(bytes: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Arc::new(file)
    }

    #[tokio::test]
    async fn text_and_parts_of_files_arrive_in_their_order() {
        let bytes: Vec<u8> = (0..3 * MAX_PART).map(|n| (n % 251) as u8).collect();
        let (mut wire, parts, mut client) = pair().await;
        let file = file(&bytes);
        let sent = tokio::spawn(async move {
            for offset in [5, MAX_PART + 7] {
                let stand_in = parts.stand_in(&file, offset as u64, MAX_PART);
                let mut both = bytes::Buf::chain(&b"head"[..], stand_in);
                wire.write_all_buf(&mut both).await.unwrap();
            }
            wire.write_all(b"end").await.unwrap();
        });
        let mut received = Vec::new();
        client.read_to_end(&mut received).await.unwrap();
        sent.await.unwrap();
        let expected = [b"head", &bytes[5..MAX_PART + 5], b"head", &bytes[MAX_PART + 7..2 * MAX_PART + 7], b"end"].concat();
        assert!(received == expected);
    }

    #[tokio::test]
    async fn what_stands_for_nothing_is_never_sent() {
        let (mut wire, parts, _client) = pair().await;
        let error = wire.write_all(&BLOCK.slice(..10)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let short = parts.stand_in(&file(b"abc"), 3, 10);
        assert_eq!(wire.write_all(&short).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
