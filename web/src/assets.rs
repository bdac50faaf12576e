//! What the pages load: a style sheet, an icon and a few scripts, within the binary.
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
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
    href: String,
}

/// Embeds the files of a folder by name, each with its content type.
macro_rules! embedded {
    ($($name:literal: $content_type:literal,)*) => {
        [$(Asset::new($name, $content_type, include_bytes!(concat!("../../assets/static/", $name)))),*]
    };
}

static ASSETS: LazyLock<[Asset; 7]> = LazyLock::new(|| {
    embedded! {
        "keytrail.css": "text/css; charset=utf-8",
        "icon.svg": "image/svg+xml",
        "keys.js": "text/javascript; charset=utf-8",
        "drawer.js": "text/javascript; charset=utf-8",
        "brush.js": "text/javascript; charset=utf-8",
        "complete.js": "text/javascript; charset=utf-8",
        "live.js": "text/javascript; charset=utf-8",
    }
});

impl Asset {
    fn new(name: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Asset {
        let digest = Sha256::digest(bytes);
        let hash: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Asset { name, content_type, bytes, href: format!("/static/{hash}/{name}") }
    }
}

/// Returns the address of a file.
///
/// # Panics
/// If there is no such file: names stand in templates, and each is rendered by a test.
pub(crate) fn href(name: &str) -> &'static str {
    &ASSETS.iter().find(|asset| asset.name == name).expect("an embedded file").href
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
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    /// How long it is on its way to a browser.
    fn gzipped(bytes: &[u8]) -> usize {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(bytes).expect("memory");
        gzip.finish().expect("memory").len()
    }

    #[test]
    fn the_sheet_stays_small() {
        let sheet = ASSETS[0].bytes;
        assert!(gzipped(sheet) <= 12 << 10, "{} bytes", gzipped(sheet));
        // What the strict policy would refuse, and what could reach outside.
        let text = std::str::from_utf8(sheet).expect("text");
        for refused in ["url(", "@import", "javascript:", "{{", "{%", "{#"] {
            assert!(!text.contains(refused), "{refused}");
        }
    }

    #[test]
    fn scripts_are_few_small_and_use_nothing_that_the_policy_refuses() {
        let scripts: Vec<&Asset> =
            ASSETS.iter().filter(|asset| asset.name.ends_with(".js")).collect();
        assert!(scripts.len() <= 5);
        let bytes: usize = scripts.iter().map(|script| gzipped(script.bytes)).sum();
        assert!(bytes <= 15 << 10, "{bytes} bytes");
        for script in scripts {
            let text = std::str::from_utf8(script.bytes).expect("text");
            for refused in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "parseFromString",
                "document.write",
                "eval(",
                "new Function",
                ".style",
                "import ",
                "https:",
                "http:",
            ] {
                let foreign = text.replace("http://www.w3.org/2000/svg", "");
                assert!(!foreign.contains(refused), "{}: {refused}", script.name);
            }
        }
    }
}
