//! Which address is which page: the one list of routes, which the router is made of and tests read.

use axum::Router;
use axum::extract::{Query, State};
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodFilter, on};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};

use crate::api;
use crate::app::App;
use crate::assets::asset;
use crate::door::{Controls, ExportControls, Grant, May, Right, Settings};
use crate::door::{from_provider, identify, sign_in, sign_in_page, sign_out, to_provider};
use crate::export::{explore_arrow, explore_csv, explore_json};
use crate::guard::guard;
use crate::host::{metrics, ready};
use crate::pages::compare::compare;
use crate::pages::controls::control::control;
use crate::pages::controls::review::review;
use crate::pages::controls::{controls, controls_csv, controls_json};
use crate::pages::event::event_page;
use crate::pages::explore::{explore, forget_view, save_view};
use crate::pages::given_out::{leases, tokens};
use crate::pages::integrity::integrity;
use crate::pages::live::{live, live_tail};
use crate::pages::lookup::{look_up_page, look_up_value};
use crate::pages::not_found::not_found;
use crate::pages::overview::overview;
use crate::pages::reports::list::report_list;
use crate::pages::reports::others::{Form, Which, report_file, report_page, right_of};
use crate::pages::reports::{
    Asked, access_csv, access_json, access_page, access_pdf, access_xlsx, heading_csv,
};
use crate::pages::reviews::campaign::{campaign, campaign_csv};
use crate::pages::reviews::decide::{close, decide};
use crate::pages::reviews::{self, reviews};
use crate::pages::settings::change::change_settings;
use crate::pages::settings::settings;
use crate::pages::settings::trail::{trail_csv, trail_json, trail_page};
use crate::pages::sinks::{replay, sinks};
use crate::pages::sources::sources;
use crate::pages::subject::{identity, path};
use crate::pages::subjects::{identities, paths};
use crate::requests;
use crate::xlsx::explore_xlsx;
use crate::zone::zoned;

/// Routes, and the router that they are.
#[derive(Default)]
pub(crate) struct Routes {
    pub(crate) router: Router<App>,
    /// Each route: its method and its path.
    pub(crate) list: Vec<(Method, String)>,
}

impl Routes {
    /// Adds a page.
    pub(crate) fn get<T: 'static>(self, path: &str, handler: impl Handler<T, App>) -> Routes {
        self.on(Method::GET, MethodFilter::GET, path, handler)
    }

    /// Adds a form's address.
    pub(crate) fn post<T: 'static>(self, path: &str, handler: impl Handler<T, App>) -> Routes {
        self.on(Method::POST, MethodFilter::POST, path, handler)
    }

    fn on<T: 'static>(
        mut self,
        method: Method,
        filter: MethodFilter,
        path: &str,
        handler: impl Handler<T, App>,
    ) -> Routes {
        self.list.push((method, path.to_owned()));
        Routes { router: self.router.route(path, on(filter, handler)), list: self.list }
    }

    /// Adds the pages and files of all reports but the access report, which has its own.
    fn reports(self) -> Routes {
        let others = query::report::NAMES.into_iter().filter(|name| *name != "access");
        others.fold(self, |routes, name| match right_of(name).0 {
            Right::Settings => routes.report::<Settings, Settings>(name),
            _ => routes.report::<Controls, ExportControls>(name),
        })
    }

    fn report<Sees: Grant, Takes: Grant>(self, name: &'static str) -> Routes {
        let files = [
            ("-heading.csv", Form::Heading),
            (".csv", Form::Csv),
            (".json", Form::Json),
            (".xlsx", Form::Xlsx),
            (".pdf", Form::Pdf),
        ];
        let page = move |reader: May<Sees>, State(app): State<App>, Query(asked): Query<Asked>| {
            report_page(name, reader.clone(), app, asked)
        };
        files.into_iter().fold(
            self.get(&format!("/reports/{name}"), page),
            |routes, (ending, form)| {
                let file = move |reader: May<Takes>,
                                 State(app): State<App>,
                                 Query(asked): Query<Asked>,
                                 Query(which): Query<Which>| {
                    report_file(name, form, reader.clone(), app, asked, which)
                };
                routes.get(&format!("/reports/{name}{ending}"), file)
            },
        )
    }

    /// Adds other routes.
    fn merge(mut self, other: Routes) -> Routes {
        self.list.extend(other.list);
        Routes { router: self.router.merge(other.router), list: self.list }
    }
}

/// Returns every route.
pub(crate) fn all() -> Routes {
    Routes::default()
        .get("/", overview)
        .get("/explore", explore)
        .get("/controls", controls)
        .get("/controls.csv", controls_csv)
        .get("/controls.json", controls_json)
        .get("/controls/{id}", control)
        .post("/controls/{id}/review", review)
        .get("/explore.csv", explore_csv)
        .get("/explore.json", explore_json)
        .get("/explore.arrow", explore_arrow)
        .get("/explore.xlsx", explore_xlsx)
        .post("/explore/views", save_view)
        .post("/explore/views/forget", forget_view)
        .get("/live", live)
        .get("/live/tail", live_tail)
        .get("/compare", compare)
        .get("/event/{uid}", event_page)
        .get("/identities", identities)
        .get("/identity/{key}", identity)
        .get("/paths", paths)
        .get("/path/{path}", path)
        .get("/lookup", look_up_page)
        .post("/lookup", look_up_value)
        .get("/leases", leases)
        .get("/tokens", tokens)
        .get("/integrity", integrity)
        .get("/sources", sources)
        .get("/sinks", sinks)
        .post("/sinks/{name}/replay", replay)
        .get("/reviews", reviews)
        .post("/reviews", reviews::open)
        .get("/reviews/{name}", campaign)
        .get("/reviews/{name}/rows.csv", campaign_csv)
        .post("/reviews/{name}/decide", decide)
        .post("/reviews/{name}/close", close)
        .get("/reports/access", access_page)
        .get("/reports/access.csv", access_csv)
        .get("/reports/access-heading.csv", heading_csv)
        .get("/reports/access.xlsx", access_xlsx)
        .get("/reports/access.pdf", access_pdf)
        .get("/reports/access.json", access_json)
        .get("/reports", report_list)
        .reports()
        .get("/settings", settings)
        .post("/settings", change_settings)
        .get("/settings/trail", trail_page)
        .get("/settings/trail.csv", trail_csv)
        .get("/settings/trail.json", trail_json)
        .get("/sign-in", sign_in_page)
        .post("/sign-in", sign_in)
        .get("/sign-in/oidc", to_provider)
        .get("/sign-in/oidc/callback", from_provider)
        .post("/sign-out", sign_out)
        .get("/static/{hash}/{name}", asset)
        .get("/livez", async || "alive\n")
        .get("/readyz", ready)
        .get("/metrics", metrics)
        .merge(api::routes())
}

/// Returns the pages, guarded.
pub(crate) fn routes(app: App) -> Router {
    // An event must not wait in a compressor for the next.
    let compression = DefaultPredicate::new().and(NotForContentType::new("text/event-stream"));
    all()
        .router
        .fallback(not_found)
        .layer(from_fn(zoned))
        .layer(CompressionLayer::new().compress_when(compression))
        .layer(from_fn_with_state(app.clone(), identify))
        .layer(from_fn_with_state(app.door().reach(), guard))
        .layer(from_fn_with_state(app.clone(), requests::count))
        .with_state(app)
}
