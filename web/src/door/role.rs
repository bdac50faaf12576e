//! What people are to keytrail, and what each of them may.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::may::Right;

/// What a reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees pages and counts.
    Viewer,
    /// Also exports, looks up whose a value is, and sees raw lines.
    Analyst,
    /// As an analyst; decides on exceptions and reviews.
    Reviewer,
    /// Reads what lies in a scope and a period, raw lines and exports of it too, and nothing else.
    Auditor,
    /// Keeps settings, users and tokens; of the trail, what a viewer sees.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 5] =
        [Role::Viewer, Role::Analyst, Role::Reviewer, Role::Auditor, Role::Admin];

    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Analyst => "analyst",
            Role::Reviewer => "reviewer",
            Role::Auditor => "auditor",
            Role::Admin => "admin",
        }
    }

    /// Tells whether the role has a right.
    pub(crate) fn may(self, right: Right) -> bool {
        match right {
            Right::Look => true,
            // Cut at somebody's bounds, "no exceptions found" would be wrong.
            Right::Figures | Right::SaveViews | Right::Controls => self != Role::Auditor,
            Right::Review => self == Role::Reviewer,
            Right::Settings => self == Role::Admin,
            Right::Export | Right::RawLine => {
                matches!(self, Role::Analyst | Role::Reviewer | Role::Auditor)
            }
            // The life of a token or lease goes beyond any scope: cut at its bounds, the answer would be wrong. So would that
            // of a control.
            Right::LookUp | Right::ExportControls => matches!(self, Role::Analyst | Role::Reviewer),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(word: &str) -> Result<Role, String> {
        let role = Role::ALL.into_iter().find(|role| role.as_str() == word);
        role.ok_or_else(|| {
            format!("{word:?} is no role: there are viewer, analyst, reviewer, auditor and admin")
        })
    }
}
