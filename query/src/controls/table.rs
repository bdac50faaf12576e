//! The answers of controls as a table.

use super::finding::{Evaluation, Finding};
use crate::table::{Cell, Column, Kind, Table};

impl Evaluation {
    /// Returns a row for each exception, and for each control without one.
    pub fn table(&self) -> Table {
        let columns = [
            ("control", Kind::Text),
            ("version", Kind::Number),
            ("title", Kind::Text),
            ("verdict", Kind::Text),
            ("rule", Kind::Text),
            ("severity", Kind::Text),
            ("subject", Kind::List),
            ("events", Kind::Number),
            ("first", Kind::Time),
            ("last", Kind::Time),
            ("words", Kind::Text),
            ("filter", Kind::Text),
            ("exception", Kind::Text),
            ("missing", Kind::List),
        ];
        let columns = columns.map(|(name, kind)| Column::new(name, kind)).into();
        let of = |finding: &Finding| {
            vec![
                Cell::Text(finding.control.clone()),
                Cell::count(finding.version.into()),
                Cell::Text(finding.title.clone()),
                Cell::Text(finding.verdict.to_string()),
            ]
        };
        let mut rows = Vec::new();
        for finding in &self.findings {
            let missing = || Cell::List(finding.missing.clone());
            for exception in &finding.exceptions {
                let subject = exception
                    .subject
                    .iter()
                    .filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)));
                let mut row = of(finding);
                row.extend([
                    Cell::Text(exception.rule.clone()),
                    Cell::text(Some(exception.severity.as_str())),
                    Cell::List(subject.collect()),
                    Cell::count(exception.count),
                    Cell::time(exception.first),
                    Cell::time(exception.last),
                    Cell::Text(exception.words.clone()),
                    Cell::text(exception.filter.clone()),
                    Cell::Text(exception.hash.clone()),
                    missing(),
                ]);
                rows.push(row);
            }
            if finding.exceptions.is_empty() {
                let mut row = of(finding);
                row.push(Cell::text(None::<String>));
                row.push(Cell::text(Some(finding.severity.as_str())));
                row.push(Cell::List(Vec::new()));
                row.push(Cell::count(0));
                row.extend([Cell::time(None), Cell::time(None)]);
                row.extend([(); 3].map(|()| Cell::text(None::<String>)));
                row.push(missing());
                rows.push(row);
            }
        }
        Table { columns, rows }
    }
}
