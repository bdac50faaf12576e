//! Registers: what the operator knows and the log does not. Who has a ticket, who may read this path, who has left.
//! Files and columns are in `docs/registers.md`.
//!
//! A register that is absent, one that is empty and one that is damaged are three things: the first two are told
//! apart in what a control says, the third ends the run.

use std::path::{Path, PathBuf};

use ingest::own::RegisterSeen;
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use thiserror::Error;

mod file;
mod row;
mod rows;

pub use self::rows::{
    AddressRange, Approval, Identity, Leaver, LoginMethod, NotApplicable, SensitivePath,
};

use self::file::Untyped;
use self::row::Row;
use crate::error::QueryError;
use crate::own_trail::{OwnQuestion, own_lines};
use crate::trail::Trail;

/// Why a register cannot be read.
#[derive(Debug, Error)]
pub enum RegisterError {
    /// The folder or a file in it cannot be read.
    #[error("{} cannot be read: {problem}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why not.
        problem: std::io::Error,
    },
    /// A file holds something else than its register has.
    #[error("{} line {line}: {problem}", .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// The line of the row.
        line: usize,
        /// What is wrong with it, and the remedy.
        problem: String,
    },
    /// The same register twice.
    #[error("{} and {} are the same register: keep one of them", .one.display(), .other.display())]
    Twice {
        /// A file.
        one: PathBuf,
        /// Another.
        other: PathBuf,
    },
    /// A file of no register.
    #[error("{} is no register{}; there are {}", .path.display(), .meant.map(|name| format!(", did you mean {name}?")).unwrap_or_default(), names().join(", "))]
    Unknown {
        /// Which file.
        path: PathBuf,
        /// What was probably meant.
        meant: Option<&'static str>,
    },
}

/// A register.
#[derive(Clone, Debug, PartialEq)]
pub struct Register<T> {
    /// Its name.
    pub name: &'static str,
    /// What a row is called in the file.
    row: &'static str,
    /// SHA-256 of what its rows say, in hexadecimal digits; absent: there is no such file.
    pub sha256: Option<String>,
    /// The text that this is the SHA-256 of: the register's name, and each row as JSON on a line of its own, in the order
    /// of these lines.
    pub text: Option<String>,
    /// Its rows, in the order of the file.
    pub rows: Vec<T>,
}

/// What is told of a register beside an answer that was made with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RegisterTold {
    /// Its name.
    pub name: &'static str,
    /// How many rows it has.
    pub rows: usize,
    /// SHA-256 of what they say; null: there is no such register.
    pub sha256: Option<String>,
}

/// Declares the registers once: name, what a row is called, and its type.
macro_rules! registers {
    ($($(#[$doc:meta])* $name:ident $row:literal $type:ty,)+) => {
        /// All registers of a folder.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Registers { $($(#[$doc])* pub $name: Register<$type>,)+ }

        impl Registers {
            /// Returns registers of which none is there.
            pub fn absent() -> Registers {
                Registers { $($name: Register::absent(stringify!($name), $row),)+ }
            }

            fn take(&mut self, untyped: &Untyped, now: Timestamp) -> Result<(), RegisterError> {
                match untyped.name {
                    $(stringify!($name) => self.$name.take(untyped, now),)+
                    name => unreachable!("{name} is looked up among the names"),
                }
            }

            /// Tells name, size and hash of each.
            pub fn told(&self) -> Vec<RegisterTold> {
                vec![$(self.$name.told(),)+]
            }

            /// Returns the text of each register that is there, with its name.
            pub fn texts(&self) -> Vec<(&'static str, &str)> {
                let texts = [$((self.$name.name, self.$name.text.as_deref()),)+];
                texts.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
            }

            /// Says why a register cannot be used, if it cannot.
            pub(crate) fn lacks(&self, name: &str) -> Option<String> {
                match name {
                    $(stringify!($name) => self.$name.lacks(),)+
                    _ => None,
                }
            }
        }

        /// Each register's name, and what a row is called.
        const NAMES: &[(&str, &str)] = &[$((stringify!($name), $row),)+];
    };
}

registers! {
    /// Approved changes.
    tickets "ticket" Approval,
    /// When the root token may be used.
    break_glass "break_glass" Approval,
    /// Meetings of holders of key shares.
    ceremonies "ceremony" Approval,
    /// Who may change policies, roles and mounts.
    deployers "deployer" Identity,
    /// Who may take snapshots.
    backups "backup" Identity,
    /// Who may make tokens that do not end.
    platforms "platform" Identity,
    /// Which paths are sensitive, and who may read them.
    sensitive_paths "sensitive_path" SensitivePath,
    /// Who has left.
    leavers "leaver" Leaver,
    /// Which addresses belong together.
    address_ranges "address_range" AddressRange,
    /// Approved ways to log in.
    login_methods "login_method" LoginMethod,
    /// Controls that do not apply.
    not_applicable "not_applicable" NotApplicable,
}

/// Returns the names of all registers.
pub fn names() -> Vec<&'static str> {
    NAMES.iter().map(|(name, _)| *name).collect()
}

impl Registers {
    /// Reads the registers of a folder; one that does not exist has none. `now` is what `-24h` in a row's filter goes by.
    ///
    /// # Errors
    /// A file that cannot be read, is no register, or holds what its register has no place for: the message names file
    /// and line.
    pub fn read(folder: &Path, now: Timestamp) -> Result<Registers, RegisterError> {
        let mut registers = Registers::absent();
        for untyped in file::read_all(folder)? {
            registers.take(&untyped, now)?;
        }
        Ok(registers)
    }
}

impl Registers {
    /// Returns the registers as a line of the ledger tells them, if the last such line tells others.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn not_recorded(&self, trail: &Trail) -> Result<Option<Vec<RegisterSeen>>, QueryError> {
        let seen = self.seen();
        let is_recorded = match Recorded::last(trail)? {
            Some(last) => last.registers.is_some_and(|last| last == seen),
            // Where there never was a register, nothing has changed.
            None => seen.iter().all(|register| register.sha256.is_none()),
        };
        Ok((!is_recorded).then_some(seen))
    }

    /// Returns what a line of the ledger tells of them.
    pub fn seen(&self) -> Vec<RegisterSeen> {
        let told = self.told().into_iter();
        told.map(|RegisterTold { name, rows, sha256 }| RegisterSeen {
            name: name.to_owned(),
            rows: rows as u64,
            sha256,
        })
        .collect()
    }
}

/// What the ledger's last line about registers tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The line.
    pub leaf: u64,
    /// The registers; none: a later version wrote it in another way.
    pub registers: Option<Vec<RegisterSeen>>,
}

impl Recorded {
    /// Reads it; nothing if there is no such line.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn last(trail: &Trail) -> Result<Option<Recorded>, QueryError> {
        let kind = Some("registers_changed".to_owned());
        let question = OwnQuestion { kind, rows: 1, ..OwnQuestion::default() };
        Ok(own_lines(trail, &question)?.rows.pop().map(|line| {
            let told = line.rest.get("registers").cloned();
            let registers = told.and_then(|told| serde_json::from_value(told).ok());
            Recorded { leaf: line.leaf, registers }
        }))
    }
}

impl<T> Register<T> {
    fn absent(name: &'static str, row: &'static str) -> Register<T> {
        Register { name, row, sha256: None, text: None, rows: Vec::new() }
    }

    fn told(&self) -> RegisterTold {
        RegisterTold { name: self.name, rows: self.rows.len(), sha256: self.sha256.clone() }
    }

    /// Says why the register cannot be used, if it cannot.
    fn lacks(&self) -> Option<String> {
        match (&self.sha256, self.rows.is_empty()) {
            (None, _) => Some(format!("there is no register {}", self.name)),
            (Some(_), true) => Some(format!("the register {} is empty", self.name)),
            (Some(_), false) => None,
        }
    }
}

impl<T: row::Read> Register<T> {
    fn take(&mut self, untyped: &Untyped, now: Timestamp) -> Result<(), RegisterError> {
        for (line, values) in &untyped.rows {
            let damaged = |problem| RegisterError::Damaged {
                path: untyped.path.clone(),
                line: *line,
                problem,
            };
            let mut row = Row::new(self.row, values, now);
            self.rows.push(T::read(&mut row).and_then(|read| row.end(read)).map_err(damaged)?);
        }
        // What is said, whatever the order and the form of the file.
        let mut lines: Vec<String> = untyped
            .rows
            .iter()
            .map(|(_, values)| serde_json::to_string(values).expect("texts under names"))
            .collect();
        lines.sort_unstable();
        let text = format!("{}\n{}", self.name, lines.join("\n"));
        let hash = Sha256::digest(&text);
        self.sha256 = Some(hash.iter().map(|byte| format!("{byte:02x}")).collect());
        self.text = Some(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
