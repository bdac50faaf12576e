//! What surrounds every page: name, pages, and up to which leaf the ledger is signed.

use crate::assets;
use crate::door::{Reader, Right};
use crate::text::Text;
use crate::zone::Zone;

/// The frame of a page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shell {
    current: Option<&'static str>,
    /// Up to which leaf everything is recorded and signed; absent on pages that do not ask.
    pub(crate) signed: Option<String>,
    /// In which zone the page shows times.
    pub(crate) zone: Zone,
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
    sees_controls: bool,
    form_token: Option<String>,
}

/// One page that the frame names.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) href: &'static str,
    pub(crate) current: bool,
    /// The letter that leads there after `g`.
    pub(crate) key: Option<char>,
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
        let form_token = reader.form_token();
        let looks_up = reader.may(Right::LookUp);
        let keeps = reader.may(Right::Settings);
        let sees_controls = reader.may(Right::Controls);
        let zone = reader.zone().clone();
        let reader = ReaderLine { signed_in, bounds, looks_up, keeps, sees_controls, form_token };
        Shell { reader: Some(reader), zone, ..self }
    }

    /// Returns the pages that the reader may ask for.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let looks_up = self.reader.as_ref().is_none_or(|reader| reader.looks_up);
        let keeps = self.reader.as_ref().is_none_or(|reader| reader.keeps);
        let sees_controls = self.reader.as_ref().is_none_or(|reader| reader.sees_controls);
        [
            ("Overview", "/", Some('o')),
            ("Explore", "/explore", Some('e')),
            ("Identities", "/identities", Some('i')),
            ("Paths", "/paths", Some('p')),
            ("Leases", "/leases", None),
            ("Look-up", "/lookup", None),
            ("Integrity", "/integrity", None),
            ("Sources", "/sources", None),
            ("Controls", "/controls", Some('c')),
            ("Reviews", "/reviews", None),
            ("Reports", "/reports", Some('r')),
            ("Sinks", "/sinks", None),
            ("Settings", "/settings", None),
        ]
        .into_iter()
        .filter(|(name, ..)| !["Look-up", "Leases"].contains(name) || looks_up)
        .filter(|(name, ..)| *name != "Settings" || keeps)
        .filter(|(name, ..)| !["Controls", "Reviews", "Sinks"].contains(name) || sees_controls)
        .map(|(name, href, key)| Entry { name, href, current: self.current == Some(name), key })
        .collect()
    }

    /// Returns what a form has to carry; none where nobody has signed in.
    pub(crate) fn form_token(&self) -> Option<&str> {
        self.reader.as_ref()?.form_token.as_deref()
    }

    /// Returns the address of a file that pages load.
    pub(crate) fn asset(&self, name: &str) -> &'static str {
        assets::href(name)
    }
}
