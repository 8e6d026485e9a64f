//! Uploads: blobs come in whole, in chunks, as a stream, or are mounted (distribution-spec, "Pushing blobs").

use std::time::SystemTime;

use http::header::{CONTENT_LENGTH, CONTENT_RANGE, LOCATION, RANGE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::Body as _;

use crate::access::Action;
use crate::error::Refusal;
use crate::holdings::Kind;
use crate::registry::{Answer, Asked, Registry, empty, header};
use crate::route::UploadId;
use crate::store::layout::{Shard, held};
use crate::store::{self, Place, UploadError};
use crate::{Digest, Name};

/// How many repositories are tried when a blob is to be mounted from anywhere.
const MAX_SOURCES: usize = 32;

impl Registry {
    /// `POST`: begins an upload, takes a whole blob, or mounts one.
    pub(crate) async fn begin_upload(&self, asked: &Asked<'_>, name: &Name, body: store::Body) -> Answer {
        if let Some(digest) = asked.query.digest("mount")? {
            let from = asked.query.first("from").filter(|from| !from.is_empty());
            let source = from.map(|from| from.parse::<Name>()).transpose().map_err(crate::RouteError::from)?;
            if self.mount(asked, name, source.as_ref(), &digest).await? {
                return Ok(created(name, &digest));
            }
        }
        let mut random = [0; 16];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| Refusal::Stopping)?;
        let id = UploadId::new(random);
        if let Some(digest) = asked.query.digest("digest")? {
            let _room = self.uploading(asked)?;
            self.store.begin_upload(&id, name, digest.algorithm()).await?;
            return self.receive_last(asked, name, &id, &digest, body).await;
        }
        self.store.begin_upload(&id, name, asked.query.algorithm()?).await?;
        Ok(going_on(StatusCode::ACCEPTED, name, &id, 0))
    }

    /// Makes `name` hold a blob that another repository holds, and that the caller may pull there.
    async fn mount(&self, asked: &Asked<'_>, name: &Name, source: Option<&Name>, digest: &Digest) -> Result<bool, Refusal> {
        let sources = match source {
            Some(source) => vec![source.clone()],
            None => {
                let entries = self.store.list(&Place::links(Shard::of(digest)), &format!("{}@", digest.hex())).await?;
                let names = entries.iter().filter_map(|entry| Some(held(digest.algorithm(), &entry.leaf)?.1));
                names.take(MAX_SOURCES).collect()
            }
        };
        for source in sources {
            // Whether a repository that one may not pull from holds a blob is not told.
            if self.admit(asked, Action::Pull, Some(&source)).await.is_ok()
                && self.store.holds_on(Kind::Blob, &source, digest, SystemTime::now()).await?
                && self.store.hold(Kind::Blob, name, digest).await?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// `GET`: how much was received.
    pub(crate) async fn upload_status(&self, name: &Name, id: &UploadId) -> Answer {
        let received = self.store.received(id, name).await.map_err(refusal)?;
        Ok(going_on(StatusCode::NO_CONTENT, name, id, received))
    }

    /// `PATCH`: takes a chunk or a stream.
    pub(crate) async fn patch_upload(&self, asked: &Asked<'_>, name: &Name, id: &UploadId, body: store::Body) -> Answer {
        let _room = self.uploading(asked)?;
        let received = self.receive(asked, name, id, body).await?;
        Ok(going_on(StatusCode::ACCEPTED, name, id, received))
    }

    /// `PUT`: takes what is left, and ends the upload.
    pub(crate) async fn finish_upload(&self, asked: &Asked<'_>, name: &Name, id: &UploadId, body: store::Body) -> Answer {
        let missing = || Refusal::Parameter { what: "digest", why: "an upload ends with the digest of its content".into() };
        let digest = asked.query.digest("digest")?.ok_or_else(missing)?;
        let _room = self.uploading(asked)?;
        self.receive_last(asked, name, id, &digest, body).await
    }

    async fn receive_last(&self, asked: &Asked<'_>, name: &Name, id: &UploadId, digest: &Digest, body: store::Body) -> Answer {
        if !body.is_end_stream() {
            self.receive(asked, name, id, body).await?;
        }
        self.store.settled(&Kind::Blob.link(digest, name), digest).await?;
        self.store.finish_upload(id, name, digest).await.map_err(refusal)?;
        if self.store.hold(Kind::Blob, name, digest).await? { Ok(created(name, digest)) } else { Err(Refusal::Sweeping) }
    }

    async fn receive(&self, asked: &Asked<'_>, name: &Name, id: &UploadId, mut body: store::Body) -> Result<u64, Refusal> {
        let start = chunk_start(asked.headers)?;
        let received = self.store.append(id, name, start, &mut body, asked.settings.limits.blob).await;
        if matches!(received, Err(UploadError::Large(_))) {
            self.store.cancel_upload(id, name).await.map_err(refusal)?;
        }
        received.map_err(refusal)
    }

    /// `DELETE`: gives an upload up.
    pub(crate) async fn cancel_upload(&self, name: &Name, id: &UploadId) -> Answer {
        self.store.cancel_upload(id, name).await.map_err(refusal)?;
        Ok(empty(StatusCode::NO_CONTENT))
    }
}

/// Where a chunk begins, by `Content-Range: first-last`; a stream does not say.
fn chunk_start(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let Some(value) = headers.get(CONTENT_RANGE) else { return Ok(None) };
    let wrong = || Refusal::Parameter { what: "Content-Range", why: "not of the form `first-last`".into() };
    let text = value.to_str().map_err(|_| wrong())?;
    let (first, last) = text.split_once('-').ok_or_else(wrong)?;
    let (first, last): (u64, u64) = (first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
    let said = last.checked_sub(first).and_then(|length| length.checked_add(1)).ok_or_else(wrong)?;
    let sent: Option<u64> = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    match sent {
        Some(sent) if sent != said => Err(Refusal::Length { said, sent }),
        _ => Ok(Some(first)),
    }
}

fn refusal(error: UploadError) -> Refusal {
    match error {
        UploadError::Unknown => Refusal::UploadUnknown,
        UploadError::Busy => Refusal::UploadBusy,
        UploadError::Order { start, received } => Refusal::ChunkOrder { start, received },
        UploadError::Large(most) => Refusal::Large { what: "a blob", most },
        UploadError::Body(error) => Refusal::body(&*error),
        UploadError::Mismatch(mismatch) => Refusal::Mismatch(mismatch),
        UploadError::Store(error) => Refusal::Store(error),
    }
}

fn created(name: &Name, digest: &Digest) -> http::Response<crate::Body> {
    let mut response = empty(StatusCode::CREATED);
    response.headers_mut().insert(LOCATION, header(format!("/v2/{name}/blobs/{digest}")));
    response.headers_mut().insert("docker-content-digest", header(digest.to_string()));
    response
}

fn going_on(status: StatusCode, name: &Name, id: &UploadId, received: u64) -> http::Response<crate::Body> {
    let mut response = empty(status);
    let headers = response.headers_mut();
    headers.insert(LOCATION, header(format!("/v2/{name}/blobs/uploads/{}", id.as_str())));
    // The form has no way to say "nothing"; every registry and client has `0-0` for it.
    headers.insert(RANGE, header(format!("0-{}", received.saturating_sub(1))));
    headers.insert("docker-upload-uuid", header(id.as_str()));
    if status != StatusCode::NO_CONTENT {
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    response
}
