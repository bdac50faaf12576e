//! Saved views: questions with a name, for everybody who is not bound. `views.json` in the data folder, written whole and
//! renamed; each change is an own line of the ledger, so that the file says nothing that the ledger does not.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ingest::kept_file;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The most views, and the longest name in characters.
const VIEWS_MAX: usize = 200;
const NAME_CHARS_MAX: usize = 60;

/// A question with a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedView {
    pub(crate) name: String,
    /// The filter, and the stretch of time as typed.
    #[serde(default)]
    pub(crate) q: String,
    #[serde(default)]
    pub(crate) from: String,
    #[serde(default)]
    pub(crate) to: String,
    /// Who saved it.
    pub(crate) by: String,
}

/// Why views are not read or changed.
#[derive(Debug, Error)]
pub(crate) enum ViewsError {
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path}: {why}; put back a copy, or remove the file and save the views anew")]
    Form { path: PathBuf, why: String },
    #[error("{0}")]
    Refused(String),
}

fn path(data: &Path) -> PathBuf {
    data.join("views.json")
}

/// Reads the views of a data folder, by name; without a file there are none.
///
/// # Errors
/// There is a file, and it cannot be read.
pub(crate) fn read(data: &Path) -> Result<Vec<SavedView>, ViewsError> {
    let path = path(data);
    match fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text)
            .map_err(|error| ViewsError::Form { path, why: error.to_string() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(ViewsError::File { path, source }),
    }
}

/// Adds a view, in place of the one of the same name.
///
/// # Errors
/// The name is none, there are too many, or the file cannot be read or written.
pub(crate) fn save(views: &mut Vec<SavedView>, view: SavedView) -> Result<(), ViewsError> {
    let name = view.name.trim();
    if name.is_empty()
        || name.chars().count() > NAME_CHARS_MAX
        || name.chars().any(char::is_control)
    {
        return Err(ViewsError::Refused(format!(
            "a view's name has 1 to {NAME_CHARS_MAX} characters, none of them a control character"
        )));
    }
    let view = SavedView { name: name.to_owned(), ..view };
    views.retain(|other| other.name != view.name);
    if views.len() >= VIEWS_MAX {
        return Err(ViewsError::Refused(format!(
            "there are {VIEWS_MAX} views already: remove one first"
        )));
    }
    views.push(view);
    views.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(())
}

/// Changes the views of a data folder: one at a time, the whole file or nothing. `record` is told before anything is written.
///
/// # Errors
/// What `change` and `record` refuse; a file that cannot be read or written.
pub(crate) fn change<E: From<ViewsError>>(
    data: &Path,
    change: impl FnOnce(&mut Vec<SavedView>) -> Result<(), ViewsError>,
    record: impl FnOnce() -> Result<(), E>,
) -> Result<(), E> {
    let path = path(data);
    let file = |source| ViewsError::File { path: path.clone(), source };
    let _lock = kept_file::lock(&data.join("views.lock")).map_err(file)?;
    let mut views = read(data)?;
    change(&mut views)?;
    record()?;
    Ok(kept_file::replace(&path, &views).map_err(file)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(name: &str, q: &str) -> SavedView {
        let (from, to) = ("-7d".to_owned(), String::new());
        SavedView { name: name.to_owned(), q: q.to_owned(), from, to, by: "ann".to_owned() }
    }

    fn saved(data: &Path, view: SavedView) -> Result<(), ViewsError> {
        change(data, |views| save(views, view), || Ok::<_, ViewsError>(()))
    }

    #[test]
    fn a_view_is_saved_replaced_and_forgotten() {
        let data = tempfile::tempdir().expect("a folder");
        assert!(read(data.path()).expect("none yet").is_empty());
        saved(data.path(), view("b", "is:root")).expect("saved");
        saved(data.path(), view(" a ", "x")).expect("saved");
        saved(data.path(), view("b", "is:late")).expect("saved");
        assert_eq!(read(data.path()).expect("read"), [view("a", "x"), view("b", "is:late")]);
        let forget = |views: &mut Vec<SavedView>| {
            views.retain(|view| view.name != "a");
            Ok(())
        };
        change(data.path(), forget, || Ok::<_, ViewsError>(())).expect("forgotten");
        assert_eq!(read(data.path()).expect("read"), [view("b", "is:late")]);
        for wrong in ["", "  ", "a\u{7}", &"x".repeat(61)] {
            assert!(saved(data.path(), view(wrong, "")).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_not_recorded_is_not_saved() {
        let data = tempfile::tempdir().expect("a folder");
        let full = || Err(ViewsError::Refused("the disk is full".to_owned()));
        assert!(change(data.path(), |views| save(views, view("a", "")), full).is_err());
        assert!(read(data.path()).expect("read").is_empty());
        for at in 0..VIEWS_MAX {
            saved(data.path(), view(&at.to_string(), "")).expect("saved");
        }
        assert!(saved(data.path(), view("more", "")).is_err());
    }
}
