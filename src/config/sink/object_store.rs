//! `type = "object_store"`.

use forward::format::Format;
use forward::store::StoreConfig;
use forward::transport::TransportConfig;
use forward::transport::object_store::{Form, ObjectStoreConfig};

use super::FileSink;
use crate::outside::aws_environment;

pub(super) fn object_store(
    typed: &mut FileSink,
    format: Format,
) -> Result<TransportConfig, String> {
    let url = typed.url.take().ok_or("give it a url, as \"s3://bucket/prefix\"")?;
    let mut store =
        StoreConfig::parse(&url, aws_environment()).map_err(|problem| format!("url: {problem}"))?;
    if let StoreConfig::S3(bucket) = &mut store {
        bucket.endpoint = typed.endpoint.take();
        bucket.region = typed.region.take();
        bucket.key = match (typed.access_key_id.take(), typed.secret_key_file.take()) {
            (None, None) => None,
            (Some(id), Some(secret)) => Some((id, secret)),
            _ => return Err("access_key_id and secret_key_file go together".to_owned()),
        };
        if let Some(endpoint) = &bucket.endpoint
            && !endpoint.starts_with("https://")
            && !endpoint.starts_with("http://")
        {
            return Err(format!("endpoint {endpoint:?} must begin with https:// or http://"));
        }
    }
    let object_format = typed.object_format.take();
    let form = match (object_format.as_deref(), typed.compression.take().as_deref()) {
        (None | Some("ndjson"), None | Some("gzip")) => Form::NdjsonGzip,
        (None | Some("ndjson"), Some("zstd")) => Form::NdjsonZstd,
        (Some("parquet"), None | Some("zstd")) => Form::Parquet,
        (Some("parquet"), Some(_)) => {
            return Err("compression: Parquet is compressed by zstd".to_owned());
        }
        (None | Some("ndjson"), Some(other)) => {
            return Err(format!("compression = {other:?}: there are gzip and zstd"));
        }
        (Some(other), _) => {
            return Err(format!("object_format = {other:?}: there are ndjson and parquet"));
        }
    };
    if !format.is_json() {
        return Err(format!("objects hold JSON, and format = {:?} is none", format.as_str()));
    }
    // The volume is known where files are followed.
    Ok(TransportConfig::ObjectStore(ObjectStoreConfig { store, form, format, room: None }))
}
