//! What surrounds every page: name, pages, and up to which leaf the ledger is signed.

use crate::assets;

/// The frame of a page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shell {
    current: Option<&'static str>,
    /// Up to which leaf everything is recorded and signed; absent on pages that do not ask.
    pub(crate) signed: Option<String>,
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
        Shell { current: Some(current), signed: None }
    }

    /// Returns the pages.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        [
            ("Overview", "/"),
            ("Explore", "/explore"),
            ("Look-up", "/lookup"),
            ("Access report", "/reports/access"),
        ]
        .map(|(name, href)| Entry { name, href, current: self.current == Some(name) })
        .into()
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
