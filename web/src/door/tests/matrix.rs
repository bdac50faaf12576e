//! Every route as every role. The routes are the router's own list: a new one without an entry here fails.

use super::*;
use crate::routes;

/// What a route asks of its reader; none: it is open to everybody.
type Needs = Option<Right>;

const LOOK: Needs = Some(Right::Look);
const EXPORT: Needs = Some(Right::Export);
const RAW: Needs = Some(Right::RawLine);
const SETTINGS: Needs = Some(Right::Settings);
const SAVE_VIEWS: Needs = Some(Right::SaveViews);
const LOOK_UP: Needs = Some(Right::LookUp);
const CONTROLS: Needs = Some(Right::Controls);
const EXPORT_CONTROLS: Needs = Some(Right::ExportControls);
const REVIEW: Needs = Some(Right::Review);

/// Routes that have one form.
const ROUTES: &[(Method, &str, Needs)] = &[
    (Method::GET, "/", LOOK),
    (Method::GET, "/explore", LOOK),
    (Method::GET, "/explore.csv", EXPORT),
    (Method::GET, "/explore.json", EXPORT),
    (Method::GET, "/explore.arrow", EXPORT),
    (Method::GET, "/explore.xlsx", EXPORT),
    (Method::POST, "/explore/views", SAVE_VIEWS),
    (Method::POST, "/explore/views/forget", SAVE_VIEWS),
    (Method::GET, "/controls", CONTROLS),
    (Method::GET, "/controls.csv", EXPORT_CONTROLS),
    (Method::GET, "/controls.json", EXPORT_CONTROLS),
    (Method::GET, "/controls/{id}", CONTROLS),
    (Method::POST, "/controls/{id}/review", REVIEW),
    (Method::GET, "/live", LOOK),
    (Method::GET, "/live/tail", LOOK),
    (Method::GET, "/compare", LOOK),
    (Method::GET, "/event/{uid}", LOOK),
    (Method::GET, "/identities", LOOK),
    (Method::GET, "/identity/{key}", LOOK),
    (Method::GET, "/paths", LOOK),
    (Method::GET, "/path/{path}", LOOK),
    (Method::GET, "/lookup", LOOK_UP),
    (Method::POST, "/lookup", LOOK_UP),
    (Method::GET, "/leases", LOOK_UP),
    (Method::GET, "/tokens", LOOK_UP),
    (Method::GET, "/integrity", LOOK),
    (Method::GET, "/sources", LOOK),
    (Method::GET, "/sinks", CONTROLS),
    (Method::POST, "/sinks/{name}/replay", SETTINGS),
    (Method::GET, "/reviews", CONTROLS),
    (Method::POST, "/reviews", REVIEW),
    (Method::GET, "/reviews/{name}", CONTROLS),
    (Method::GET, "/reviews/{name}/rows.csv", EXPORT_CONTROLS),
    (Method::POST, "/reviews/{name}/decide", REVIEW),
    (Method::POST, "/reviews/{name}/close", REVIEW),
    (Method::GET, "/reports", LOOK),
    (Method::GET, "/reports/access", LOOK),
    (Method::GET, "/reports/access.csv", EXPORT),
    (Method::GET, "/reports/access-heading.csv", EXPORT),
    (Method::GET, "/reports/access.json", EXPORT),
    (Method::GET, "/reports/access.pdf", EXPORT),
    (Method::GET, "/reports/access.xlsx", EXPORT),
    (Method::GET, "/settings", SETTINGS),
    (Method::POST, "/settings", SETTINGS),
    (Method::GET, "/settings/trail", SETTINGS),
    (Method::GET, "/settings/trail.csv", SETTINGS),
    (Method::GET, "/settings/trail.json", SETTINGS),
    (Method::GET, "/sign-in", None),
    (Method::POST, "/sign-in", None),
    (Method::GET, "/sign-in/oidc", None),
    (Method::GET, "/sign-in/oidc/callback", None),
    (Method::POST, "/sign-out", None),
    (Method::GET, "/static/{hash}/{name}", None),
    (Method::GET, "/livez", None),
    (Method::GET, "/readyz", None),
    (Method::GET, "/metrics", None),
    (Method::GET, "/api/v1/events/{uid}", LOOK),
    (Method::GET, "/api/v1/events/{uid}/context", LOOK),
    (Method::GET, "/api/v1/completion", LOOK),
    (Method::GET, "/api/v1/tail", LOOK),
    (Method::GET, "/api/v1/verify", LOOK),
    (Method::GET, "/api/v1/lines/{leaf}", RAW),
    (Method::GET, "/api/v1/proofs/leaf/{leaf}", RAW),
    (Method::GET, "/api/v1/proofs/extension/{older}", LOOK),
    (Method::GET, "/api/v1/checkpoint", LOOK),
    (Method::GET, "/api/v1/openapi.json", LOOK),
];

/// Routes with a suffix for each form. Of rows, what is not one bounded object is an export.
const IN_EVERY_FORM: &[(Method, &str, Needs, Needs)] = &[
    (Method::GET, "/api/v1/lookup", LOOK_UP, LOOK_UP),
    (Method::POST, "/api/v1/lookup", LOOK_UP, LOOK_UP),
    (Method::GET, "/api/v1/leases", LOOK_UP, LOOK_UP),
    (Method::GET, "/api/v1/tokens", LOOK_UP, LOOK_UP),
    (Method::GET, "/api/v1/events", LOOK, EXPORT),
    (Method::GET, "/api/v1/status", LOOK, LOOK),
    (Method::GET, "/api/v1/count", LOOK, LOOK),
    (Method::GET, "/api/v1/histogram", LOOK, LOOK),
    (Method::GET, "/api/v1/matrix", LOOK, LOOK),
    (Method::GET, "/api/v1/identities", LOOK, LOOK),
    (Method::GET, "/api/v1/paths", LOOK, LOOK),
    (Method::GET, "/api/v1/facets", LOOK, LOOK),
];

fn needs() -> Vec<(Method, String, Needs)> {
    let mut all: Vec<_> = ROUTES
        .iter()
        .map(|(method, path, needs)| (method.clone(), (*path).to_owned(), *needs))
        .collect();
    for name in query::report::NAMES.into_iter().filter(|name| *name != "access") {
        let (sees, takes) = match name {
            "auditor-access" => (SETTINGS, SETTINGS),
            _ => (CONTROLS, EXPORT_CONTROLS),
        };
        all.push((Method::GET, format!("/reports/{name}"), sees));
        for ending in ["-heading.csv", ".csv", ".json", ".xlsx", ".pdf"] {
            all.push((Method::GET, format!("/reports/{name}{ending}"), takes));
        }
    }
    for (method, path, object, rows) in IN_EVERY_FORM {
        for suffix in ["", ".json", ".ndjson", ".csv", ".arrow", ".txt"] {
            let needs = if matches!(suffix, "" | ".json") { object } else { rows };
            all.push((method.clone(), format!("{path}{suffix}"), *needs));
        }
    }
    all
}

/// What may be asked of a route; what it answers is no matter here.
fn target(path: &str) -> String {
    let path = path.replace("{uid}", &"0".repeat(32)).replace("{hash}", "0").replace("{name}", "x");
    // A place that is none: a live tail would not end.
    let query = if path.ends_with("/tail") { "?after=x" } else { "" };
    let path = path.replace("{key}", "x").replace("{path}", "x");
    path.replace("{leaf}", "1").replace("{older}", "1") + query
}

#[test]
fn every_route_says_what_it_needs() {
    let mut listed = routes::all().list;
    let mut known: Vec<_> = needs().into_iter().map(|(method, path, _)| (method, path)).collect();
    for list in [&mut listed, &mut known] {
        list.sort_by_key(|(method, path)| (path.clone(), method.to_string()));
    }
    assert_eq!(listed, known);
}

#[tokio::test]
async fn what_is_not_granted_is_refused_and_nothing_else() {
    let site = Site::of_recording();
    for role in Role::ALL {
        let asker = with_token(&site, standing(role));
        for (method, path, needs) in needs() {
            let answer = ask_as(&site, &asker, &method, &target(&path), "{}").await;
            let refused = answer.status == StatusCode::FORBIDDEN;
            let may = needs.is_none_or(|right| role.may(right));
            assert_eq!(refused, !may, "{role} {method} {path}: {}", answer.status);
            // Signing in is refused without a name.
            let is_door = path == "/sign-in" && method == Method::POST;
            assert_eq!(
                answer.status == StatusCode::UNAUTHORIZED,
                is_door,
                "{role} {method} {path}"
            );
            if refused {
                assert!(answer.text.contains(role.as_str()), "{path}: {}", answer.text);
                let is_problem = answer.headers["content-type"] == "application/problem+json";
                assert_eq!(is_problem, path.starts_with("/api/"), "{path}");
            }
        }
    }
}

#[tokio::test]
async fn a_stranger_is_asked_to_sign_in_whatever_he_asks() {
    let site = Site::of_recording();
    for (method, path, needs) in needs() {
        let answer = ask_as(&site, &STRANGER, &method, &target(&path), "{}").await;
        let is_door = path == "/sign-in" && method == Method::POST;
        assert_eq!(
            answer.status == StatusCode::UNAUTHORIZED,
            is_door,
            "before there are users {path}"
        );
        assert_ne!(answer.status, StatusCode::FORBIDDEN, "{path}");
        if needs.is_some() {
            let wrong = Somebody(Some("keytrail_nonsense".to_owned()));
            let answer = ask_as(&site, &wrong, &method, &target(&path), "{}").await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
        }
    }
    let with_token = with_token(&site, standing(Role::Analyst));
    shut(&site);
    for (method, path, needs) in needs() {
        let answer = ask_as(&site, &STRANGER, &method, &target(&path), "{}").await;
        let is_door = path == "/sign-in" && method == Method::POST;
        let is_asked = answer.status == StatusCode::UNAUTHORIZED;
        assert_eq!(is_asked, needs.is_some() || is_door, "{method} {path}: {}", answer.status);
        if needs.is_some() {
            assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"keytrail\"");
            let is_form = answer.text.contains("action=\"/sign-in\"");
            assert_eq!(is_form, !path.starts_with("/api/"), "{path}: {}", answer.text);
        }
    }
    assert_eq!(get(&site, &with_token, "/api/v1/count").await.status, StatusCode::OK);
    site.later.store(3_601, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(get(&site, &with_token, "/api/v1/count").await.status, StatusCode::UNAUTHORIZED);
}

#[test]
fn each_right_is_of_whom_it_is_meant_for() {
    let rights = [
        Right::Look,
        Right::Export,
        Right::RawLine,
        Right::LookUp,
        Right::SaveViews,
        Right::Figures,
        Right::Settings,
    ];
    let table = rights.map(|right| {
        let roles = Role::ALL.into_iter().filter(|role| role.may(right));
        format!("{right}: {}", roles.map(Role::as_str).collect::<Vec<_>>().join(" "))
    });
    assert_eq!(
        table,
        [
            "look at the trail: viewer analyst reviewer auditor admin",
            "export: analyst reviewer auditor",
            "see raw lines and proofs: analyst reviewer auditor",
            "look up values, tokens and leases: analyst reviewer",
            "see and save views: viewer analyst reviewer admin",
            "see the figures of the process: viewer analyst reviewer admin",
            "see and change settings: admin",
        ]
    );
    for role in Role::ALL {
        assert_eq!(role.as_str().parse(), Ok(role));
    }
    assert!("boss".parse::<Role>().is_err());
}
