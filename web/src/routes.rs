//! Which address is which page.

use std::net::IpAddr;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;

use crate::app::App;
use crate::assets::asset;
use crate::guard::guard;
use crate::pages::not_found::not_found;

/// Returns the pages, guarded, as reached through this address.
pub(crate) fn routes(app: App, bound: IpAddr) -> Router {
    Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/static/{hash}/{name}", get(asset))
        .fallback(not_found)
        .layer(from_fn_with_state(bound, guard))
        .with_state(app)
}
