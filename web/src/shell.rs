//! What surrounds every page: name, pages, and up to which leaf the ledger is signed.

use crate::assets;
use crate::door::{Reader, Right};
use crate::text::Text;

/// The frame of a page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shell {
    current: Option<&'static str>,
    /// Up to which leaf everything is recorded and signed; absent on pages that do not ask.
    pub(crate) signed: Option<String>,
    /// Who asks; absent on pages that do not ask.
    pub(crate) reader: Option<ReaderLine>,
}

/// Who asks, as the frame says it.
#[derive(Clone, Debug)]
pub(crate) struct ReaderLine {
    /// Name and role; absent before there are users.
    pub(crate) signed_in: Option<Text>,
    /// What he is bound to.
    pub(crate) bounds: Option<Text>,
    looks_up: bool,
    keeps: bool,
    form_token: Option<String>,
}

/// One page that the frame names.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) href: &'static str,
    pub(crate) current: bool,
}

impl Shell {
    /// Returns the frame of the page of this name.
    pub(crate) fn of(current: &'static str) -> Shell {
        Shell { current: Some(current), ..Shell::default() }
    }

    /// Says who asks.
    pub(crate) fn read_by(self, reader: &Reader) -> Shell {
        let signed_in = reader.role().map(|role| Text::new(&format!("{}, {role}", reader.name())));
        let bounds = reader.bounds().map(|bounds| Text::whole(&bounds.sentence()));
        let form_token = reader.form_token().map(str::to_owned);
        let looks_up = reader.may(Right::LookUp);
        let keeps = reader.may(Right::Settings);
        Shell {
            reader: Some(ReaderLine { signed_in, bounds, looks_up, keeps, form_token }),
            ..self
        }
    }

    /// Returns the pages that the reader may ask for.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let looks_up = self.reader.as_ref().is_none_or(|reader| reader.looks_up);
        let keeps = self.reader.as_ref().is_none_or(|reader| reader.keeps);
        [
            ("Overview", "/"),
            ("Explore", "/explore"),
            ("Identities", "/identities"),
            ("Paths", "/paths"),
            ("Leases", "/leases"),
            ("Look-up", "/lookup"),
            ("Integrity", "/integrity"),
            ("Sources", "/sources"),
            ("Access report", "/reports/access"),
            ("Settings", "/settings"),
        ]
        .into_iter()
        .filter(|(name, _)| !["Look-up", "Leases"].contains(name) || looks_up)
        .filter(|(name, _)| *name != "Settings" || keeps)
        .map(|(name, href)| Entry { name, href, current: self.current == Some(name) })
        .collect()
    }

    /// Returns what a form has to carry; none where nobody has signed in.
    pub(crate) fn form_token(&self) -> Option<&str> {
        self.reader.as_ref()?.form_token.as_deref()
    }

    /// Returns the address of the style sheet.
    pub(crate) fn stylesheet(&self) -> &'static str {
        assets::stylesheet()
    }

    /// Returns the address of the icon.
    pub(crate) fn icon(&self) -> &'static str {
        assets::icon()
    }
}
