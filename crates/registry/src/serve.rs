//! Listening, and ending without breaking off what is on its way.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use std::sync::atomic::Ordering;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::Registry;

/// How long a connection may take to send the head of a request; slower ones hold connections for nothing.
const HEAD_TIME: Duration = Duration::from_secs(30);

/// How large the head of a request may be. Tokens in `Authorization` are the largest part; 64 KiB holds any.
const HEAD_BYTES: usize = 64 << 10;

/// How long answers that are on their way may take when the server ends.
const DRAIN_TIME: Duration = Duration::from_secs(30);

/// How long the greetings of TLS may take.
const GREETING_TIME: Duration = Duration::from_secs(10);

/// Answers connections of `listener`, in TLS where there is `tls`, until `stop` is there; then takes no new ones, and ends when those on their way
/// have ended, or after a while.
pub async fn serve(
    registry: Arc<Registry>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let graceful = GracefulShutdown::new();
    let mut server = Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD_BYTES).pipeline_flush(true);
    server.http2().timer(TokioTimer::new()).max_header_list_size(HEAD_BYTES as u32);
    let mut stop = std::pin::pin!(stop);
    let room = Arc::new(Semaphore::new(registry.settings().limits.connections));
    loop {
        // Where there is no more room, callers wait in the kernel's queue until another connection ends.
        let place = tokio::select! {
            place = room.clone().acquire_owned() => place,
            () = &mut stop => break,
        };
        let (stream, address) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, or a connection that was reset: the next may be fine, a little later.
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        let _ = stream.set_nodelay(true);
        let (counted, registry) = (registry.clone(), registry.clone());
        let address = address.ip();
        let service = service_fn(move |request| {
            let registry = registry.clone();
            async move { Ok::<_, std::convert::Infallible>(registry.respond(request, Some(address)).await) }
        });
        counted.metrics.connections.fetch_add(1, Ordering::Relaxed);
        let (server, watcher, tls) = (server.clone(), graceful.watcher(), tls.clone());
        tokio::spawn(async move {
            let ended = match tls {
                None => watcher.watch(server.serve_connection(TokioIo::new(stream), service)).await,
                Some(tls) => match tokio::time::timeout(GREETING_TIME, tls.accept(stream)).await {
                    Ok(Ok(stream)) => watcher.watch(server.serve_connection(TokioIo::new(stream), service)).await,
                    Ok(Err(error)) => Err(error.into()),
                    Err(slow) => Err(slow.into()),
                },
            };
            if let Err(error) = ended {
                tracing::debug!(%error, %address, "a connection broke off");
            }
            counted.metrics.connections.fetch_sub(1, Ordering::Relaxed);
            drop(place);
        });
    }
    drop(listener);
    registry.stop();
    if tokio::time::timeout(DRAIN_TIME, graceful.shutdown()).await.is_err() {
        tracing::warn!("answers on their way were broken off");
    }
    Ok(())
}
