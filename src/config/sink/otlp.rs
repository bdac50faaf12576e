//! `type = "otlp"`.

use forward::transport::TransportConfig;
use forward::transport::otlp::OtlpConfig;

use super::{FileSink, url};

pub(super) fn otlp(typed: &mut FileSink) -> Result<TransportConfig, String> {
    let config = OtlpConfig {
        url: OtlpConfig::logs_url(&url(typed)?),
        headers: typed.headers.take().unwrap_or_default(),
        header_files: typed.header_files.take().unwrap_or_default(),
        ca_file: typed.ca_file.take(),
    };
    config.check()?;
    Ok(TransportConfig::Otlp(config))
}
