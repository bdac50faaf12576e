//! What the pages load: one style sheet and one icon, within the binary.
//!
//! A file's address holds the hash of its bytes, so that a browser may keep it for ever and yet
//! never shows a new page with an old sheet.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::error::PageError;

/// One embedded file.
struct Asset {
    content_type: &'static str,
    bytes: &'static [u8],
    href: String,
}

static ASSETS: LazyLock<[Asset; 2]> = LazyLock::new(|| {
    let asset = |name: &str, content_type, bytes: &'static [u8]| {
        let digest = Sha256::digest(bytes);
        let hash: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Asset { content_type, bytes, href: format!("/static/{hash}/{name}") }
    };
    [
        asset(
            "keytrail.css",
            "text/css; charset=utf-8",
            include_bytes!("../../assets/static/keytrail.css"),
        ),
        asset("icon.svg", "image/svg+xml", include_bytes!("../../assets/static/icon.svg")),
    ]
});

/// Returns the address of the style sheet.
pub(crate) fn stylesheet() -> &'static str {
    &ASSETS[0].href
}

/// Returns the address of the icon.
pub(crate) fn icon() -> &'static str {
    &ASSETS[1].href
}

/// `GET /static/{hash}/{name}`.
pub(crate) async fn asset(Path((hash, name)): Path<(String, String)>) -> Response {
    let asked = format!("/static/{hash}/{name}");
    match ASSETS.iter().find(|asset| asset.href == asked) {
        Some(asset) => (
            [
                (CONTENT_TYPE, asset.content_type),
                (CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ],
            asset.bytes,
        )
            .into_response(),
        None => PageError::NotFound { what: "page" }.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sheet_stays_small() {
        let sheet = &ASSETS[0];
        // 12 KiB over the wire were the bound; uncompressed it is three times that.
        assert!(sheet.bytes.len() < 36 << 10, "{} bytes", sheet.bytes.len());
        // What the strict policy would refuse, and what could reach outside.
        let text = std::str::from_utf8(sheet.bytes).expect("text");
        for refused in ["url(", "@import", "javascript:", "{{", "{%", "{#"] {
            assert!(!text.contains(refused), "{refused}");
        }
    }
}
