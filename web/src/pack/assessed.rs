//! What controls found, and with what they were run: catalogue and registers.

use std::collections::{BTreeMap, BTreeSet};

use ingest::event::Uid;
use ingest::ledger::LedgerReader;
use query::evidence::{Assessment, exception_event_columns, exception_events, rows_of};
use query::history::View;
use query::registers::{Recorded, Registers};
use query::report::catalogue::Catalogue;
use query::row::EventRow;
use query::trail::Trail;

use super::books::Books;
use super::zipped::{Rows, Writing};
use super::{PackError, RegistersFile};
use crate::xlsx;

/// Writes `controls/`, and returns the events that exceptions name.
pub(super) fn controls(
    pack: &mut Writing<'_>,
    assessment: &Assessment,
    view: &View,
    ledger: &LedgerReader,
    of: &[(&'static str, String)],
) -> Result<Vec<EventRow>, PackError> {
    let tables = [
        ("requirements", "Requirements", assessment.requirements()),
        ("findings", "Findings", assessment.findings()),
        ("exceptions", "Exceptions", assessment.exceptions()),
        ("dispositions", "Dispositions", assessment.dispositions()),
    ];
    for (stem, _, table) in &tables {
        pack.table(&format!("controls/{stem}"), table)?;
    }
    let sheets: Vec<_> = tables.iter().map(|(_, name, table)| (*name, table)).collect();
    let book = xlsx::tables_of(of.iter().cloned(), &sheets, xlsx::Made::Always)?;
    pack.begin("controls/controls.xlsx")?;
    std::io::Write::write_all(pack, &book)?;
    pack.end(None);
    pack.text("controls/findings.json", &super::write::pretty(assessment)?)?;

    let columns = exception_event_columns();
    let mut rows = Rows::begin(pack, "controls/exception-events", &columns)?;
    let mut books = Books::new("Events of exceptions", &columns, of)?;
    let exceptions = assessment.evaluation.findings.iter().flat_map(|of| &of.exceptions);
    let named: BTreeSet<Uid> = exceptions.flat_map(|of| of.uids.iter().copied()).collect();
    let events: BTreeMap<Uid, EventRow> =
        rows_of(view, named)?.into_iter().map(|row| (row.uid, row)).collect();
    exception_events(assessment, &events, ledger, &mut |cells| {
        rows.row(pack, cells)?;
        books.row(cells)
    })?;
    rows.finish(pack);
    books.into_pack(pack, "controls/exception-events")?;
    Ok(events.into_values().collect())
}

/// Writes the catalogue, and returns its SHA-256.
pub(super) fn catalogue(
    pack: &mut Writing<'_>,
    catalogue: &Catalogue,
) -> Result<String, PackError> {
    pack.text("catalogue/catalogue.json", &catalogue.canonical())
}

/// Writes each register as the text that its hash is of, and returns which own line tells of them.
pub(super) fn registers(
    pack: &mut Writing<'_>,
    registers: &Registers,
    trail: &Trail,
) -> Result<RegistersFile, PackError> {
    if registers.not_recorded(trail)?.is_some() {
        return Err(PackError::Wrong(
            "the registers given are not those that the ledger tells of as of this leaf".to_owned(),
        ));
    }
    for (name, text) in registers.texts() {
        pack.text(&format!("registers/{name}.txt"), text)?;
    }
    let leaf = Recorded::last(trail)?.map(|recorded| recorded.leaf);
    Ok(RegistersFile { leaf, registers: registers.seen() })
}
