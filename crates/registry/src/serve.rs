//! Listening, and ending without breaking off what is on its way.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::pace::{Busy, Watched};
use crate::wire::{Parts, Wire};
use crate::{Body, Limits, Registry};

/// How long answers that are on their way may take when the server ends.
const DRAIN_TIME: Duration = Duration::from_secs(30);

/// How long the greetings of TLS may take.
const GREETING_TIME: Duration = Duration::from_secs(10);

/// What every connection needs.
#[derive(Clone)]
struct Server {
    registry: Arc<Registry>,
    tls: Option<TlsAcceptor>,
    /// Which version is spoken is never found out from the first bytes: who sends none would be waited for. In TLS it
    /// is agreed on, and otherwise it is HTTP/1.
    one: Builder<TokioExecutor>,
    two: Builder<TokioExecutor>,
    idle: Duration,
}

/// Answers connections of `listener`, in TLS where there is `tls`, until `stop` is there; then takes no new ones, and ends when those on their way
/// have ended, or after a while.
pub async fn serve(
    registry: Arc<Registry>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let graceful = GracefulShutdown::new();
    let limits = registry.settings().limits.clone();
    let server = Server::new(registry.clone(), tls, &limits);
    let mut stop = std::pin::pin!(stop);
    let room = Arc::new(Semaphore::new(limits.connections));
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
        let (server, watcher) = (server.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _place = place;
            server.registry.metrics.connections.fetch_add(1, Ordering::Relaxed);
            if let Err(error) = server.connection(stream, address.ip(), watcher).await {
                tracing::debug!(%error, %address, "a connection broke off");
            }
            server.registry.metrics.connections.fetch_sub(1, Ordering::Relaxed);
        });
    }
    drop(listener);
    registry.stop();
    if tokio::time::timeout(DRAIN_TIME, graceful.shutdown()).await.is_err() {
        tracing::warn!("answers on their way were broken off");
    }
    Ok(())
}

impl Server {
    fn new(registry: Arc<Registry>, tls: Option<TlsAcceptor>, limits: &Limits) -> Self {
        let mut one = Builder::new(TokioExecutor::new()).http1_only();
        // No `pipeline_flush`: with it a client that sends its next request early has all of an answer read into memory.
        one.http1().timer(TokioTimer::new()).header_read_timeout(limits.head_time).max_buf_size(limits.head);
        let mut two = Builder::new(TokioExecutor::new()).http2_only();
        two.http2().timer(TokioTimer::new()).max_header_list_size(u32::try_from(limits.head).unwrap_or(u32::MAX));
        Self { registry, tls, one, two, idle: limits.idle_time }
    }

    /// Answers the requests of one connection.
    async fn connection(
        &self,
        stream: TcpStream,
        address: IpAddr,
        watcher: Watcher,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let _ = stream.set_nodelay(true);
        let busy = Busy::default();
        let Some(tls) = &self.tls else {
            let parts = Parts::default();
            let io = Watched::new(Wire::new(stream, parts.clone()), self.idle, busy.clone());
            let service = self.service(address, busy, Some(parts));
            return watcher.watch(self.one.serve_connection(TokioIo::new(io), service)).await;
        };
        let stream = tokio::time::timeout(GREETING_TIME, tls.accept(stream)).await??;
        let builder = if stream.get_ref().1.alpn_protocol() == Some(b"h2") { &self.two } else { &self.one };
        let io = Watched::new(stream, self.idle, busy.clone());
        watcher.watch(builder.serve_connection(TokioIo::new(io), self.service(address, busy, None))).await
    }

    fn service(
        &self,
        address: IpAddr,
        busy: Busy,
        parts: Option<Parts>,
    ) -> impl Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send + 'static> + use<> {
        let registry = self.registry.clone();
        service_fn(move |request: Request<Incoming>| {
            let (registry, working, parts) = (registry.clone(), busy.work(), parts.clone());
            async move {
                let response: Response<Body> = registry.respond(request, Some(address)).await;
                drop(working);
                Ok::<_, Infallible>(match parts {
                    Some(parts) => response.map(|body| body.over(&parts)),
                    None => response,
                })
            }
        })
    }
}
