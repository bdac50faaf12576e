//! Which address is which page.

use std::net::IpAddr;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;

use crate::api;
use crate::app::App;
use crate::assets::asset;
use crate::export::{explore_csv, explore_json};
use crate::guard::guard;
use crate::host::{metrics, ready};
use crate::pages::event::event_page;
use crate::pages::explore::explore;
use crate::pages::lookup::{look_up_page, look_up_value};
use crate::pages::not_found::not_found;
use crate::pages::overview::overview;
use crate::pages::reports::{access_csv, access_json, access_page, heading_csv};
use crate::requests;

/// Returns the pages, guarded, as reached through this address.
pub(crate) fn routes(app: App, bound: IpAddr) -> Router {
    Router::new()
        .route("/", get(overview))
        .route("/explore", get(explore))
        .route("/explore.csv", get(explore_csv))
        .route("/explore.json", get(explore_json))
        .route("/event/{uid}", get(event_page))
        .route("/lookup", get(look_up_page).post(look_up_value))
        .route("/reports/access", get(access_page))
        .route("/reports/access.csv", get(access_csv))
        .route("/reports/access-heading.csv", get(heading_csv))
        .route("/reports/access.json", get(access_json))
        .route("/static/{hash}/{name}", get(asset))
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .merge(api::routes())
        .fallback(not_found)
        .layer(from_fn_with_state(bound, guard))
        .layer(from_fn_with_state(app.clone(), requests::count))
        .with_state(app)
}
