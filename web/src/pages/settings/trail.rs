//! `GET /settings/trail`: keytrail's own lines, the newest first, as a page, as CSV and as JSON.

use askama::Template;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::Response;
use ingest::own::Fact;
use query::own_trail::{OwnPage, OwnQuestion, OwnRow, ROWS_MAX, own_lines};
use query::table::{Cell, Column, Form, Kind, Table};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::{App, Seen};
use crate::asked::given;
use crate::door::{May, Reader, Settings};
use crate::error::PageError;
use crate::export::file;
use crate::link::address;
use crate::page::Rendered;
use crate::pages::overview::shell;
use crate::pages::settings::second;
use crate::shell::Shell;
use crate::text::{Text, grouped};
use crate::zone::Zone;

/// Lines of a page, and of a file.
const ROWS: usize = 100;

/// Our own trail.
#[derive(Template)]
#[template(path = "settings_trail.html")]
pub(crate) struct TrailPage {
    shell: Shell,
    kinds: &'static [&'static str],
    kind: String,
    who: String,
    rows: Vec<Row>,
    at: String,
    csv: String,
    json: String,
    first: Option<String>,
    next: Option<String>,
}

struct Row {
    time: String,
    leaf: String,
    kind: Text,
    who: Text,
    address: Text,
    rest: Text,
}

/// The parameters, as typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    kind: String,
    who: String,
    before: String,
}

/// The page.
pub(crate) async fn trail_page(
    reader: May<Settings>,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Rendered<TrailPage>, PageError> {
    let question = asked.question(ROWS)?;
    app.ask(&reader, move |seen| {
        let found = own_lines(seen, &question)?;
        Ok(Rendered::ok(page(seen, &asked, found)))
    })
    .await
}

fn page(seen: &Seen, asked: &Asked, found: OwnPage) -> TrailPage {
    let next = found.next.map(|leaf| Asked { before: leaf.to_string(), ..asked.clone() });
    TrailPage {
        shell: shell(seen, "Settings"),
        kinds: Fact::KINDS,
        kind: asked.kind.clone(),
        who: asked.who.clone(),
        at: format!("answered at leaf {}", grouped(found.leaves)),
        csv: asked.href("/settings/trail.csv"),
        json: asked.href("/settings/trail.json"),
        first: given(&asked.before)
            .map(|_| Asked { before: String::new(), ..asked.clone() }.href("/settings/trail")),
        next: next.map(|next| next.href("/settings/trail")),
        rows: found.rows.iter().map(|one| row(seen.zone(), one)).collect(),
    }
}

fn row(zone: &Zone, row: &OwnRow) -> Row {
    let text = |text: &Option<String>| Text::new(text.as_deref().unwrap_or_default());
    Row {
        time: second(zone, row.time),
        leaf: grouped(row.leaf),
        kind: Text::new(&row.kind),
        who: text(&row.who),
        address: text(&row.address),
        rest: Text::new(&rest(row)),
    }
}

/// Returns what else a line says, in one text.
fn rest(row: &OwnRow) -> String {
    let said =
        row.rest.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| match value {
            Value::String(text) => format!("{name}: {text}"),
            value => format!("{name}: {value}"),
        });
    said.collect::<Vec<_>>().join(" · ")
}

/// The same lines as CSV, up to a thousand.
pub(crate) async fn trail_csv(
    reader: May<Settings>,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    let found = taken(&reader, &app, &asked).await?;
    let columns = ["leaf", "time", "type", "who", "address", "more"];
    let rows = found.rows.iter().map(|row| {
        vec![
            Cell::Text(row.leaf.to_string()),
            Cell::Text(row.time.to_string()),
            Cell::Text(row.kind.clone()),
            Cell::text(row.who.clone()),
            Cell::text(row.address.clone()),
            Cell::Text(rest(row)),
        ]
    });
    let columns = columns.map(|name| Column::new(name, Kind::Text)).into();
    let mut bytes = Vec::new();
    Table { columns, rows: rows.collect() }.write(Form::Csv, &mut bytes)?;
    Ok(file("keytrail-own.csv", "text/csv; charset=utf-8; header=present", Body::from(bytes)))
}

/// The same lines as JSON, up to a thousand, and where the next begin.
pub(crate) async fn trail_json(
    reader: May<Settings>,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    let found = taken(&reader, &app, &asked).await?;
    let items = found.rows.iter().map(|row| {
        let mut item = row.rest.clone();
        item.insert("leaf".to_owned(), json!(row.leaf));
        item.insert("time".to_owned(), json!(row.time.to_string()));
        item.insert("type".to_owned(), json!(row.kind));
        for (name, value) in [("who", &row.who), ("address", &row.address)] {
            if let Some(value) = value {
                item.insert(name.to_owned(), json!(value));
            }
        }
        Value::Object(item)
    });
    let items: Vec<Value> = items.collect();
    let says = json!({"items": items, "next_before": found.next, "leaves": found.leaves});
    Ok(file("keytrail-own.json", "application/json", Body::from(says.to_string())))
}

/// What leaves as a file is recorded.
async fn taken(reader: &Reader, app: &App, asked: &Asked) -> Result<OwnPage, PageError> {
    let question = asked.question(ROWS_MAX)?;
    let fact = Fact::Exported {
        by: reader.by(),
        address: reader.address().to_owned(),
        what: "own trail".to_owned(),
        filter: asked.href(""),
        from: None,
        to: None,
    };
    app.record(reader, fact).await?;
    app.ask(reader, move |seen| Ok(own_lines(seen, &question)?)).await
}

impl Asked {
    fn question(&self, rows: usize) -> Result<OwnQuestion, PageError> {
        let kind = given(&self.kind).map(str::to_owned);
        if let Some(kind) = kind.as_deref().filter(|kind| !Fact::KINDS.contains(kind)) {
            let says = format!("{kind:?} is no type of line; there are {}", Fact::KINDS.join(", "));
            return Err(PageError::Question(says));
        }
        let before = given(&self.before).map(str::parse).transpose();
        let before = before
            .map_err(|_| PageError::Question(format!("before={:?} is no leaf", self.before)))?;
        Ok(OwnQuestion { kind, who: given(&self.who).map(str::to_owned), before, rows })
    }

    fn href(&self, page: &str) -> String {
        let Asked { kind, who, before } = self;
        let typed = [("kind", kind), ("who", who), ("before", before)];
        address(page, typed.map(|(name, value)| (name, value.trim())))
    }
}
