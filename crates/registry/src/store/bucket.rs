//! A store in a bucket of S3-compatible storage.
//!
//! Nothing here asks the server for a condition on a write, since some servers accept conditions and ignore them
//! (Garage and others): what the registry needs is that a write is whole and that later reads see it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::signer::Signer as _;
use object_store::{Error, GetOptions, GetRange, ObjectMeta, ObjectStore as _, ObjectStoreExt as _, PutMode, RetryConfig};

use super::layout::{Key, Place};
use super::{Content, Entry, MAX_POINTER, Meta, StoreError};

/// How long a request is tried again. A client of ours waits meanwhile, and gives up after about a minute.
const RETRY_TIME: Duration = Duration::from_secs(20);

/// How long an address that a client is sent to is good: long enough to begin, and to begin again where it broke off.
const SIGNED_TIME: Duration = Duration::from_secs(20 * 60);

/// How often a request is tried again.
const RETRIES: usize = 5;

/// A bucket, or what is below a prefix of one.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    pub(crate) client: Arc<AmazonS3>,
    prefix: Arc<str>,
}

/// What a server does with a condition on a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conditions {
    /// It keeps to it.
    Kept,
    /// It takes it and does something else, or refuses it.
    Ignored,
}

impl Bucket {
    /// Opens `s3://bucket/prefix`; `settings` are those that AWS's own tools read from the environment.
    pub(crate) fn open(address: &str, settings: &BTreeMap<String, String>) -> Result<Self, StoreError> {
        let wrong = || StoreError::Address(address.to_owned());
        let rest = address.strip_prefix("s3://").ok_or_else(wrong)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_matches('/');
        if bucket.is_empty() || prefix.split('/').any(|part| part == "." || part == "..") {
            return Err(wrong());
        }
        let retry = RetryConfig { max_retries: RETRIES, retry_timeout: RETRY_TIME, ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::new().with_bucket_name(bucket).with_retry(retry);
        for (name, value) in settings {
            if let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
                builder = builder.with_config(key, value);
            }
        }
        let client = builder.build().map_err(|source| StoreError::Bucket { doing: "reaching", key: address.to_owned(), source })?;
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self { client: Arc::new(client), prefix: prefix.into() })
    }

    pub(crate) fn path(&self, key: &str) -> Path {
        Path::from(format!("{}{key}", self.prefix))
    }

    pub(crate) fn failed<'a>(doing: &'static str, key: &'a str) -> impl Fn(Error) -> StoreError + use<'a> {
        move |source| StoreError::Bucket { doing, key: key.to_owned(), source }
    }

    pub(crate) async fn get(&self, key: &Key) -> Result<Option<Bytes>, StoreError> {
        let failed = Self::failed("reading", key.as_str());
        let Some(got) = present(self.client.get_opts(&self.path(key.as_str()), GetOptions::default()).await).map_err(&failed)? else {
            return Ok(None);
        };
        if got.meta.size > MAX_POINTER {
            return Err(StoreError::damaged(key));
        }
        got.bytes().await.map(Some).map_err(failed)
    }

    /// An address at which anyone gets this object for some time.
    pub(crate) async fn signed(&self, key: &Key) -> Result<url::Url, StoreError> {
        let signed = self.client.signed_url(http::Method::GET, &self.path(key.as_str()), SIGNED_TIME).await;
        signed.map_err(Self::failed("signing an address of", key.as_str()))
    }

    pub(crate) async fn stat(&self, key: &Key) -> Result<Option<Meta>, StoreError> {
        let head = present(self.client.head(&self.path(key.as_str())).await).map_err(Self::failed("looking for", key.as_str()))?;
        Ok(head.as_ref().map(meta))
    }

    pub(crate) async fn put(&self, key: &Key, bytes: Bytes) -> Result<(), StoreError> {
        let put = self.client.put_opts(&self.path(key.as_str()), bytes.into(), object_store::PutOptions::default()).await;
        put.map(drop).map_err(Self::failed("writing", key.as_str()))
    }

    /// Deletes an object. The protocol does not say whether it was there, so that is asked before; between two who
    /// delete at once, both may hear that it was.
    pub(crate) async fn delete(&self, key: &Key) -> Result<bool, StoreError> {
        if self.stat(key).await?.is_none() {
            return Ok(false);
        }
        let path = self.path(key.as_str());
        present(self.client.delete(&path).await).map_err(Self::failed("deleting", key.as_str()))?;
        Ok(true)
    }

    /// Lists from `prefix` on, which spares the server what comes before; listings are in the order of the bytes.
    pub(crate) async fn list(&self, place: &Place, prefix: &str) -> Result<Vec<Entry>, StoreError> {
        let folder = self.path(place.as_str());
        let listing = if prefix.is_empty() {
            self.client.list(Some(&folder))
        } else {
            self.client.list_with_offset(Some(&folder), &self.path(place.key(prefix).as_str()))
        };
        let failed = Self::failed("listing", place.as_str());
        let mut listing = listing.map_err(&failed);
        let mut entries = Vec::new();
        while let Some(object) = listing.try_next().await? {
            let Some(leaf) = leaf(&folder, &object) else { continue };
            if !leaf.starts_with(prefix) {
                if leaf.as_str() > prefix {
                    break;
                }
                continue;
            }
            entries.push(Entry { leaf, meta: meta(&object) });
        }
        Ok(entries)
    }

    pub(crate) async fn leaves(&self, place: &Place, after: Option<&str>, most: usize) -> Result<Vec<String>, StoreError> {
        let folder = self.path(place.as_str());
        // What a client gave as `after` may be no name at all; then it is compared here and not by the server.
        let offset = after.filter(|after| after.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)));
        let listing = match offset.filter(|offset| !offset.is_empty()) {
            Some(offset) => self.client.list_with_offset(Some(&folder), &self.path(place.key(offset).as_str())),
            None => self.client.list(Some(&folder)),
        };
        let listing = listing.map_err(Self::failed("listing", place.as_str()));
        let wanted = listing.try_filter_map(|object| {
            let leaf = leaf(&folder, &object).filter(|leaf| after.is_none_or(|after| leaf.as_str() > after));
            std::future::ready(Ok(leaf))
        });
        wanted.take(most).try_collect().await
    }

    pub(crate) async fn places(&self, place: &Place) -> Result<Vec<String>, StoreError> {
        let folder = self.path(place.as_str());
        let listing = self.client.list_with_delimiter(Some(&folder)).await.map_err(Self::failed("listing", place.as_str()))?;
        Ok(listing.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)).collect())
    }

    pub(crate) async fn read(&self, key: &Key, offset: u64, length: u64) -> Result<Option<Content>, StoreError> {
        if length == 0 {
            // There is no range of nothing.
            return Ok(self.stat(key).await?.map(|_| Content::Stream(futures::stream::empty().boxed(), 0)));
        }
        let options = GetOptions { range: Some(GetRange::Bounded(offset..offset + length)), ..GetOptions::default() };
        let got = present(self.client.get_opts(&self.path(key.as_str()), options).await).map_err(Self::failed("reading", key.as_str()))?;
        Ok(got.map(|got| {
            let key = key.as_str().to_owned();
            let stream = got.into_stream().map_err(move |error| Self::failed("reading", &key)(error));
            Content::Stream(stream.boxed(), length)
        }))
    }

    /// Finds out what the server does with conditions: an object that is there is written again on the condition that
    /// it is not.
    pub(crate) async fn probe(&self, name: &str) -> Result<Conditions, StoreError> {
        let key = Key::sweep(&format!("probe-{name}"));
        self.put(&key, Bytes::from_static(b"1")).await?;
        let again = self.client.put_opts(&self.path(key.as_str()), Bytes::from_static(b"2").into(), PutMode::Create.into()).await;
        let kept = match again {
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Conditions::Kept,
            Ok(_) | Err(Error::NotImplemented { .. } | Error::NotSupported { .. }) => Conditions::Ignored,
            Err(error) => return Err(Self::failed("probing with", key.as_str())(error)),
        };
        self.delete(&key).await?;
        Ok(kept)
    }

    /// Reads all of an object that may be large, a piece at a time.
    pub(super) async fn whole(&self, key: &str) -> Result<Bytes, StoreError> {
        let failed = Self::failed("reading", key);
        let got = self.client.get_opts(&self.path(key), GetOptions::default()).await.map_err(&failed)?;
        let mut bytes = BytesMut::with_capacity(usize::try_from(got.meta.size).unwrap_or_default());
        let mut stream = got.into_stream();
        while let Some(piece) = stream.try_next().await.map_err(&failed)? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.freeze())
    }
}

/// The last part of an object's key, where it lies in `folder` itself.
fn leaf(folder: &Path, object: &ObjectMeta) -> Option<String> {
    let rest = object.location.as_ref().strip_prefix(folder.as_ref())?.strip_prefix('/')?;
    if rest.contains('/') { None } else { Some(rest.to_owned()) }
}

fn meta(object: &ObjectMeta) -> Meta {
    Meta { size: object.size, modified: object.last_modified.into() }
}

/// `None` where nothing is.
pub(super) fn present<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
