//! Whatever is not there.

use crate::error::PageError;

/// Any other address.
pub(crate) async fn not_found() -> PageError {
    PageError::NotFound { what: "page" }
}
