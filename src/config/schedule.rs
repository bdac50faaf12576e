//! `[[schedule]]`: reports that are made without anybody asking.

use std::path::PathBuf;

use cronexpr::Crontab;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use query::filter::Filter;
use query::period::{Period, time_zone};
use query::report::NAMES;
use query::report::access::By;
use serde::Deserialize;

use crate::args::ReportFormat;

/// `[[schedule]]` as typed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileSchedule {
    name: String,
    report: String,
    by: Option<String>,
    cron: String,
    #[serde(default = "utc")]
    tz: String,
    period: String,
    #[serde(default)]
    scope: String,
    formats: Vec<String>,
    folder: PathBuf,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// A report that is made at its times.
#[derive(Clone, Debug)]
pub(crate) struct ScheduleConfig {
    /// Its name, unique: it stands in names of files.
    pub(crate) name: String,
    /// Which report.
    pub(crate) report: String,
    /// Of the access report: what a row is.
    pub(crate) rows: Option<String>,
    /// When.
    pub(crate) cron: Crontab,
    /// The zone of its times and its period.
    pub(crate) tz: String,
    /// The period, as it is meant when the report is due.
    pub(crate) period: String,
    /// Which events.
    pub(crate) scope: String,
    /// In which forms.
    pub(crate) formats: Vec<ReportFormat>,
    /// Where the files go.
    pub(crate) folder: PathBuf,
}

/// Reads the sections.
pub(super) fn schedules(typed: Vec<FileSchedule>) -> Result<Vec<ScheduleConfig>, String> {
    let mut schedules: Vec<ScheduleConfig> = Vec::new();
    for one in typed {
        let name = one.name.clone();
        let schedule = schedule(one).map_err(|why| format!("[[schedule]] {name:?}: {why}"))?;
        if schedules.iter().any(|known| known.name == name) {
            return Err(format!("[[schedule]] {name:?}: there are two of this name"));
        }
        schedules.push(schedule);
    }
    Ok(schedules)
}

fn schedule(typed: FileSchedule) -> Result<ScheduleConfig, String> {
    let FileSchedule { name, report, by, cron, tz, period, scope, formats, folder } = typed;
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if name.is_empty() || name.len() > 60 || !name.chars().all(is_plain) {
        return Err(
            "a name has 1 to 60 letters, digits, - and _: it stands in names of files".to_owned()
        );
    }
    if !NAMES.contains(&&*report) {
        return Err(format!("there is no report {report:?}: there are {}", NAMES.join(", ")));
    }
    if let Some(by) = &by {
        if report != "access" {
            return Err("by goes with the report access".to_owned());
        }
        by.parse::<By>()?;
    }
    let now = Timestamp::now();
    let _zone: TimeZone = time_zone(&tz).map_err(|why| format!("tz: {why}"))?;
    let crontab = cronexpr::parse_crontab(&format!("{cron} {tz}"))
        .map_err(|why| format!("cron = {cron:?}: {why}"))?;
    Period::new(Some(&period), None, None, Some(&tz), now)
        .map_err(|why| format!("period: {why}"))?;
    Filter::parse(&scope, now).map_err(|wrong| format!("scope: {wrong}"))?;
    if formats.is_empty() {
        return Err("formats = [] writes nothing: give html, pdf, xlsx, csv or json".to_owned());
    }
    let format = |word: &String| {
        let known = <ReportFormat as clap::ValueEnum>::from_str(word, false);
        known.map_err(|_| format!("{word:?} is no format: there are html, pdf, xlsx, csv and json"))
    };
    let formats = formats.iter().map(format).collect::<Result<_, _>>()?;
    Ok(ScheduleConfig { name, report, rows: by, cron: crontab, tz, period, scope, formats, folder })
}
