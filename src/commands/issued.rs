//! `keytrail report --issue` and `keytrail issued`: reports that somebody stands up for.

use std::path::Path;

use ingest::own::Fact;
use jiff::Timestamp;
use query::filter::Filter;
use query::period::{Period, time_zone};
use query::report::document::Document;
use query::report::issuing::{Issued, IssuedReports, differences, id_of, made, sha256};
use query::report::{Asking, Parameter, State};
use query::table::{Cell, Column, Form, Kind, Table};
use query::trail::Trail;

use super::controls::{catalogue_of, registers_of};
use super::pack::as_of;
use super::report::{put, told, written};
use crate::args::{IssuedArgs, ReportArgs};
use crate::deed;
use crate::failure::Failure;

/// Makes a report, and writes down who stands up for what it says. `rows` is what a row of the access report is.
pub(super) fn issue(
    data: &Path,
    trail: &Trail,
    asking: &Asking<'_>,
    args: &ReportArgs,
    rows: Option<&str>,
) -> Result<Document, Failure> {
    let because = args.because.as_deref().unwrap_or_default().trim();
    let mut all = IssuedReports::default();
    all.read_on(trail)?;
    let former = args.supersedes.as_deref();
    all.check(former, because).map_err(Failure::Usage)?;
    // It has to say the same when it is made again, so nothing of it is of later.
    let as_of = as_of(data, asking.at)?;
    let at = as_of.at();
    let asking = Asking { at: None, ..*asking };
    let mut document = made(as_of.trail(), &args.name, rows, &asking).map_err(told)?;
    let said = sha256(&document);
    let id = id_of(&said, asking.by, asking.now);
    if let Some(former) = former.and_then(|id| all.named(id)) {
        let (again, _) = again(data, former, &asking)?;
        document.sections.insert(0, differences(&again, &document).map_err(told)?);
    }
    let heading = &mut document.heading;
    heading.state = State::Issued;
    heading.parameters.extend(parameters(&id, former, because, &said));
    let time = |ns: i64| Timestamp::from_nanosecond(ns.into()).ok();
    deed::record(
        data,
        Fact::ReportIssued {
            by: asking.by.to_owned(),
            address: None,
            id: id.clone(),
            report: args.name.clone(),
            rows: rows.map(str::to_owned),
            scope: asking.filter.to_string(),
            period: asking.period.label.clone(),
            from: asking.period.from.and_then(time),
            to: asking.period.to.and_then(time),
            zone: heading.zone.clone(),
            at,
            sha256: said,
            supersedes: former.map(str::to_owned),
            because: because.to_owned(),
        },
    )?;
    eprintln!("issued as {id}: `keytrail issued {id}` makes it again");
    Ok(document)
}

/// Runs `keytrail issued`.
pub(crate) fn run(args: IssuedArgs) -> Result<(), Failure> {
    let data = args.data.existing()?;
    let trail = Trail::open(&data)?;
    let mut all = IssuedReports::default();
    all.read_on(&trail)?;
    let Some(id) = args.id.as_deref() else {
        let form = Form::Text { width: None };
        return Ok(list(&all).write(form, std::io::stdout().lock())?);
    };
    let issued = all.named(id).ok_or_else(|| {
        Failure::Usage(format!("no report {id} was issued; without a name all are listed"))
    })?;
    let catalogue = catalogue_of(args.catalogue.as_deref())?;
    let now = Timestamp::now();
    let registers = registers_of(&data, args.context.as_deref(), &trail, now)?;
    let nothing = Filter::everything();
    let period =
        Period::new(None, None, None, None, now).map_err(|why| Failure::Usage(why.to_string()))?;
    let asking = Asking {
        catalogue: &catalogue,
        registers: &registers,
        filter: &nothing,
        period: &period,
        at: None,
        by: &deed::who(),
        now,
    };
    let (mut document, says_the_same) = again(&data, issued, &asking)?;
    document.heading.state = all.state(issued);
    let former = issued.supersedes.as_deref();
    document.heading.parameters.extend(parameters(id, former, &issued.because, &issued.sha256));
    if let Some(successor) = all.successor(id) {
        let by = format!("superseded by {}: {}", successor.id, successor.because);
        document.heading.notes.insert(0, by);
    }
    if let Some(former) = former.and_then(|id| all.named(id)) {
        let (before, _) = again(&data, former, &asking)?;
        let differences = differences(&before, &document).map_err(told)?;
        document.sections.insert(0, differences);
    }
    put(&written(&document, args.format, None)?, args.output.as_deref(), id)?;
    if says_the_same {
        return Ok(());
    }
    Err(Failure::CheckFailed(format!(
        "{id} does not say what it said when it was issued: its SHA-256 was {}. Other rules, another catalogue (--catalogue), other registers (--context) or retention may be why",
        issued.sha256
    )))
}

/// Makes an issued report as it was asked; tells whether it says what it said.
fn again(data: &Path, issued: &Issued, asking: &Asking<'_>) -> Result<(Document, bool), Failure> {
    let ns = |time: Timestamp| i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX);
    let zone = time_zone(&issued.zone).map_err(|why| Failure::Usage(why.to_string()))?;
    let period = Period {
        from: issued.from.map(ns),
        to: issued.to.map(ns),
        zone,
        label: issued.period.clone(),
    };
    let filter = Filter::parse(&issued.scope, issued.issued)
        .map_err(|wrong| Failure::Usage(format!("the scope of {}: {wrong}", issued.id)))?;
    let asking = Asking { filter: &filter, period: &period, at: None, ..*asking };
    let as_of = as_of(data, Some(issued.at))?;
    let document = issued.again(as_of.trail(), &asking).map_err(told)?;
    let says_the_same = sha256(&document) == issued.sha256;
    Ok((document, says_the_same))
}

fn parameters(id: &str, former: Option<&str>, because: &str, said: &str) -> Vec<Parameter> {
    let parameter = |name: &str, value: &str| Parameter {
        name: name.to_owned(),
        value: value.to_owned(),
        is_default: false,
    };
    let mut all = vec![parameter("issued as", id), parameter("SHA-256 of what it says", said)];
    if let Some(former) = former {
        all.extend([parameter("in the place of", former), parameter("because", because)]);
    }
    all
}

fn list(all: &IssuedReports) -> Table {
    let columns = [
        ("id", Kind::Text),
        ("state", Kind::Text),
        ("issued", Kind::Text),
        ("by", Kind::Text),
        ("report", Kind::Text),
        ("period", Kind::Text),
        ("scope", Kind::Text),
        ("at", Kind::Number),
        ("supersedes", Kind::Text),
        ("because", Kind::Text),
    ];
    let row = |issued: &Issued| {
        let text = |text: &str| Cell::Text(text.to_owned());
        let rows = issued.rows.as_ref().map_or(String::new(), |rows| format!(" by {rows}"));
        vec![
            text(&issued.id),
            text(all.state(issued).as_str()),
            text(&issued.issued.to_string()),
            text(&issued.by),
            Cell::Text(format!("{}{rows}", issued.report)),
            text(&issued.period),
            text(&issued.scope),
            Cell::count(issued.at),
            Cell::text(issued.supersedes.clone()),
            text(&issued.because),
        ]
    };
    Table {
        columns: columns.map(|(name, kind)| Column::new(name, kind)).into(),
        rows: all.all().iter().map(row).collect(),
    }
}
