//! `GET /lookup?hmac=`, `POST /lookup`: whose is this? A value is posted, so that it stands in no address.

use askama::Template;
use axum::body::Bytes;
use axum::extract::{Query, State};
use query::lookup::{Holder, LookUp, Mention, Token, What};
use serde::Deserialize;

use crate::api::{Problem, VALUE_BYTES_MAX, hashes_of, of_hashes};
use crate::app::App;
use crate::asked::given;
use crate::door::{self, May, Reader};
use crate::error::PageError;
use crate::link::{Link, Question, address};
use crate::page::Rendered;
use crate::pages::overview::shell;
use crate::shell::Shell;
use crate::text::{Text, counted, grouped};

/// Requests, paths and children that are shown of many.
const SHOWN: usize = 20;

/// The look-up.
#[derive(Template)]
#[template(path = "lookup.html")]
pub(crate) struct LookUpPage {
    shell: Shell,
    /// The hash that was typed, for its field; a value is never shown again.
    hmac: String,
    problem: Option<Text>,
    /// Nothing was asked yet.
    is_fresh: bool,
    answers: Vec<Answer>,
}

/// What is known of one hash.
struct Answer {
    hash: Text,
    what: &'static str,
    facts: Vec<Fact>,
    seen: Vec<Seen>,
    more: Option<Link>,
    searched: Text,
    json: String,
}

/// A fact: its name and its values.
struct Fact {
    name: &'static str,
    values: Vec<Link>,
}

/// A request that mentions the hash.
struct Seen {
    href: String,
    time: Text,
    who: Text,
    action: Text,
    path: Text,
    places: Text,
    outcome: &'static str,
}

/// The parameters, as typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    hmac: String,
}

/// The page.
pub(crate) async fn look_up_page(
    reader: May<door::LookUp>,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Rendered<LookUpPage>, PageError> {
    let answers = match given(&asked.hmac) {
        None => Ok(None),
        Some(hash) => of_hashes(&app, &reader, vec![hash.to_owned()]).await.map(Some),
    };
    page(&reader, app, asked.hmac.trim().to_owned(), answers).await
}

/// The same, for a value that was posted.
pub(crate) async fn look_up_value(
    reader: May<door::LookUp>,
    State(app): State<App>,
    body: Bytes,
) -> Result<Rendered<LookUpPage>, PageError> {
    let mut fields = form_urlencoded::parse(&body);
    let value = fields.find(|(name, _)| name == "value").map(|(_, value)| value.into_owned());
    let token = form_urlencoded::parse(&body).find(|(name, _)| name == "token");
    reader.check_form(token.map(|(_, token)| token).as_deref())?;
    let answers = answers(&app, &reader, value.unwrap_or_default()).await.map(Some);
    page(&reader, app, String::new(), answers).await
}

async fn answers(app: &App, reader: &Reader, value: String) -> Result<Vec<LookUp>, Problem> {
    // A value that is copied brings its line's end along.
    let value = value.trim_end_matches(['\r', '\n']).to_owned();
    if value.len() > VALUE_BYTES_MAX {
        return Err(Problem::bad_request("a value has at most 1 MiB"));
    }
    let hashes = hashes_of(app, value).await?;
    of_hashes(app, reader, hashes).await
}

async fn page(
    reader: &Reader,
    app: App,
    hmac: String,
    answers: Result<Option<Vec<LookUp>>, Problem>,
) -> Result<Rendered<LookUpPage>, PageError> {
    let shell = app.ask(reader, |trail| Ok(shell(trail, "Look-up"))).await?;
    Ok(match answers {
        Ok(found) => Rendered::ok(LookUpPage {
            shell,
            hmac,
            problem: None,
            is_fresh: found.is_none(),
            answers: found.unwrap_or_default().iter().map(answer).collect(),
        }),
        Err(problem) => Rendered::bad_request(LookUpPage {
            shell,
            hmac,
            problem: Some(Text::whole(problem.detail())),
            is_fresh: true,
            answers: Vec::new(),
        }),
    })
}

fn answer(found: &LookUp) -> Answer {
    let mut facts = Vec::new();
    let mut fact = |name, values: Vec<Link>| {
        if !values.is_empty() {
            facts.push(Fact { name, values });
        }
    };
    fact("In clear", found.texts.iter().map(|text| Link::none(text)).collect());
    fact("Given out", found.given.iter().map(event).collect());
    if let Some(holder) = &found.holder {
        fact("Holder", of_holder(holder));
        fact("Policies", holder.policies.iter().map(|policy| Link::of("held", policy)).collect());
    }
    if let Some(lease) = &found.lease {
        let id = lease.id.as_deref().map(|id| Link::of("lease", id));
        fact("Lease", vec![id.unwrap_or_else(|| Link::none("its id stands nowhere in clear"))]);
        let last = lease.renewed.as_ref().map(|last| format!(", last at {last}"));
        let renewed = format!(
            "{}{}",
            counted(lease.renewals, "renewal", "renewals"),
            last.unwrap_or_default()
        );
        fact("Lease's life", vec![Link::none(&renewed), Link::none(&lease.end.to_string())]);
        fact("Lease revoked by", lease.revoked.iter().map(event).collect());
    }
    if let Some(token) = &found.token {
        of_token(token, &mut fact);
    }
    let everything =
        Question { q: format!("hash:{}", found.hash), all: true, ..Question::default() };
    let more = (found.mentions > SHOWN as u64 || found.is_cut).then(|| Link {
        text: Text::new(&format!("all {} requests that mention it", grouped(found.mentions))),
        href: Some(everything.href("/explore")),
    });
    Answer {
        hash: Text::new(&found.hash),
        what: match found.what {
            What::Token => "A token",
            What::Accessor => "A token's accessor",
            What::Credential => "A credential, or a part of one",
            What::Lease => "The id of a lease",
            What::Value => "A value",
            What::NotFound => "No line has it",
        },
        facts,
        seen: found.seen.iter().take(SHOWN).map(seen).collect(),
        more,
        searched: Text::whole(&found.devices.join(", ")),
        json: address("/api/v1/lookup", [("hmac", &*found.hash)]),
    }
}

fn of_holder(holder: &Holder) -> Vec<Link> {
    let name = holder.name.as_deref();
    let link = match (&holder.key, name) {
        (Some(key), Some(name)) => Link { text: Text::new(name), ..Link::of("identity", key) },
        (_, name) => Link::none(name.unwrap_or("nobody known")),
    };
    let kind =
        [Some(holder.kind.as_str()), holder.method.as_deref(), holder.remote_address.as_deref()];
    let kind: Vec<&str> = kind.into_iter().flatten().collect();
    let metadata =
        holder.metadata.iter().map(|(name, value)| Link::none(&format!("{name} = {value}")));
    [link, Link::none(&kind.join(", "))].into_iter().chain(metadata).collect()
}

fn of_token(token: &Token, fact: &mut impl FnMut(&'static str, Vec<Link>)) {
    fact("Token", vec![Link::of("token", &token.hash), Link::none(&token.end.to_string())]);
    fact("Token issued by", token.issued.iter().map(event).collect());
    fact("Token revoked by", token.revoked.iter().map(event).collect());
    let refused = token.refused.iter();
    fact("Refused from", refused.map(|from| Link::none(from)).collect());
    let used = &token.used;
    let all = Question { q: used.filter.clone(), all: true, ..Question::default() };
    let mut did = vec![Link {
        text: Text::new(&counted(used.requests, "request", "requests")),
        href: Some(all.href("/explore")),
    }];
    did.extend(used.by_path.iter().take(SHOWN).map(|(action, path, count)| Link {
        text: Text::new(&format!("{} {action} {path}", grouped(*count))),
        href: all.with("path", path).map(|with| with.href("/explore")),
    }));
    if used.by_path.len() > SHOWN {
        did.push(Link::none(&format!("and {} more paths", used.by_path.len() - SHOWN)));
    }
    fact("Did", did);
    let children = token.children.iter().take(SHOWN).map(|child| Link {
        text: Text::new(child.token.as_deref().or(child.accessor.as_deref()).unwrap_or("a token")),
        href: Some(format!("/event/{}", child.uid)),
    });
    let more = token.children.len().saturating_sub(SHOWN);
    let more = (more > 0).then(|| Link::none(&format!("and {more} more")));
    fact("Children", children.chain(more).collect());
}

/// One request, in a line that leads to it.
fn event(mention: &Mention) -> Link {
    let text = format!(
        "{} {} {} by {}",
        mention.time.as_deref().unwrap_or("without a time"),
        mention.action,
        mention.path.as_deref().unwrap_or("–"),
        mention.identity.as_deref().unwrap_or("nobody known")
    );
    Link { text: Text::new(&text), href: Some(format!("/event/{}", mention.uid)) }
}

fn seen(mention: &Mention) -> Seen {
    Seen {
        href: format!("/event/{}", mention.uid),
        time: Text::new(mention.time.as_deref().unwrap_or("no time")),
        who: Text::new(mention.identity.as_deref().unwrap_or("nobody known")),
        action: Text::new(&mention.action),
        path: Text::new(mention.path.as_deref().unwrap_or("–")),
        places: Text::new(&mention.places.join(", ")),
        outcome: mention.outcome.as_str(),
    }
}
