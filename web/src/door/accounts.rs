//! Users and tokens: `keys/accounts.json` in the data folder, readable by its owner only, written whole and renamed.
//!
//! Commands change it; a running process notices, see [`super::watched`]. Each change is recorded by whoever makes it.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ingest::kept_file;
use jiff::Timestamp;
use query::bounds::Bounds;
use query::filter::Filter;
use query::period::Period;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::password;
use super::role::Role;
use super::secret::{self, SecretHash, hex};

/// The version of the file's form.
const VERSION: u32 = 1;
/// The most users, and the most tokens.
const ACCOUNTS_MAX: usize = 1_000;
/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// What a token begins with, so that it is recognised where it should not be.
pub(crate) const TOKEN_PREFIX: &str = "keytrail_";

/// Why accounts are not read or changed.
#[derive(Debug, Error)]
pub enum AccountsError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not what this version writes.
    #[error("{path}: {why}; put back a copy, or remove the file and add the users anew")]
    Form {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// What is asked for cannot be.
    #[error("{0}")]
    Refused(String),
}

/// What somebody is, and what he is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The role.
    pub role: Role,
    /// Of an auditor: the filter that he is bound to, canonical; empty: all events of the period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Of an auditor: not before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
}

/// Somebody who signs in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct User {
    /// The name.
    pub name: String,
    /// What he is.
    #[serde(flatten)]
    pub standing: Standing,
    /// What is kept of the password.
    password: String,
    /// Another one with each change, which ends his sessions.
    pub(crate) epoch: String,
}

/// What a program sends in place of signing in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Token {
    /// The name.
    pub name: String,
    /// What it may.
    #[serde(flatten)]
    pub standing: Standing,
    /// The token's SHA-256, 64 hexadecimal digits.
    hash: String,
    /// It is good until then.
    pub expires: Timestamp,
}

/// All users and tokens.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accounts {
    version: u32,
    /// Users, by name.
    pub users: Vec<User>,
    /// Tokens, by name.
    pub tokens: Vec<Token>,
}

impl Standing {
    /// Checks a role and what it is bound to: an auditor has a scope and a period, nobody else has one.
    ///
    /// # Errors
    /// It cannot be so; in words.
    pub fn new(
        role: Role,
        scope: Option<&str>,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<Standing, AccountsError> {
        let refused = |why: &str| Err(AccountsError::Refused(why.to_owned()));
        let scope = match (role, scope, from, to) {
            (Role::Auditor, Some(scope), Some(from), Some(to)) if from < to => {
                let filter = Filter::parse(scope, Timestamp::now());
                Some(filter.map_err(|error| AccountsError::Refused(error.caret()))?.to_string())
            }
            (Role::Auditor, ..) => {
                return refused(
                    "an auditor is bound to a scope, a filter ('' is everything), and a period, its beginning before its end: --scope, --from and --to, or scope, from and to",
                );
            }
            (_, None, None, None) => None,
            _ => return refused("only an auditor has a scope and a period"),
        };
        Ok(Standing { role, scope, from, to })
    }

    /// The same of a scope and a period as they are typed.
    ///
    /// # Errors
    /// As [`Standing::new`], and if the period is none.
    pub fn typed(
        role: Role,
        scope: Option<&str>,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<Standing, AccountsError> {
        let period = Period::new(None, from, to, None, Timestamp::now());
        let period = period.map_err(|error| AccountsError::Refused(error.to_string()))?;
        let at = |ns: Option<i64>| ns.and_then(|ns| Timestamp::from_nanosecond(ns.into()).ok());
        Standing::new(role, scope, at(period.from), at(period.to))
    }

    /// Returns what he is bound to.
    pub(crate) fn bounds(&self) -> Result<Option<Arc<Bounds>>, String> {
        let Some(scope) = &self.scope else {
            // Whoever is to be bound and is not, sees nothing rather than everything.
            return match self.role {
                Role::Auditor => Err("an auditor without a scope".to_owned()),
                _ => Ok(None),
            };
        };
        let filter = Filter::parse(scope, Timestamp::now()).map_err(|error| error.caret())?;
        let ns = |time: Timestamp| i64::try_from(time.as_nanosecond()).ok();
        let bounds = Bounds::new(filter, self.from.and_then(ns), self.to.and_then(ns));
        Ok(Some(Arc::new(bounds)))
    }
}

impl Accounts {
    /// Returns where a data folder keeps its accounts.
    pub fn path(data: &Path) -> PathBuf {
        data.join("keys/accounts.json")
    }

    /// Reads the accounts of a data folder; without a file there are none.
    ///
    /// # Errors
    /// There is a file, and it cannot be read.
    pub fn read(data: &Path) -> Result<Accounts, AccountsError> {
        let path = Accounts::path(data);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Accounts { version: VERSION, ..Accounts::default() });
            }
            Err(source) => return Err(AccountsError::File { path, source }),
        };
        let form = |why: String| AccountsError::Form { path: path.clone(), why };
        let accounts: Accounts =
            serde_json::from_slice(&text).map_err(|error| form(error.to_string()))?;
        if accounts.version != VERSION {
            return Err(form(format!("it is of version {}, not {VERSION}", accounts.version)));
        }
        let standings = accounts.users.iter().map(|user| (&user.name, &user.standing));
        let tokens = accounts.tokens.iter().map(|token| (&token.name, &token.standing));
        for (name, standing) in standings.chain(tokens) {
            standing.bounds().map_err(|why| form(format!("{name}: {why}")))?;
        }
        Ok(accounts)
    }

    /// Changes the accounts of a data folder: one process at a time, the whole file or nothing. `record` is told before
    /// anything is written.
    ///
    /// # Errors
    /// What `change` or `record` refuse; a file that cannot be read or written.
    pub fn change<T, E: From<AccountsError>>(
        data: &Path,
        change: impl FnOnce(&mut Accounts) -> Result<T, AccountsError>,
        record: impl FnOnce(&T) -> Result<(), E>,
    ) -> Result<T, E> {
        let path = Accounts::path(data);
        let folder = data.join("keys");
        let file = |source| AccountsError::File { path: path.clone(), source };
        if !folder.exists() {
            DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(file)?;
        }
        let _lock = kept_file::lock(&folder.join("accounts.lock")).map_err(file)?;
        let mut accounts = Accounts::read(data)?;
        let changed = change(&mut accounts)?;
        record(&changed)?;
        accounts.users.sort_by(|one, other| one.name.cmp(&other.name));
        accounts.tokens.sort_by(|one, other| one.name.cmp(&other.name));
        kept_file::replace(&path, &accounts).map_err(file)?;
        Ok(changed)
    }

    /// Returns a user.
    pub(crate) fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    /// Returns the user whose name and password these are. Takes the same work whoever there is.
    pub(crate) fn signed_in(&self, name: &str, password: &str) -> Option<&User> {
        let user = self.user(name);
        password::is_right(password, user.map(|user| &*user.password)).then_some(user)?
    }

    /// Returns the token, if there is such a one and it is still good.
    pub(crate) fn token(&self, sent: &SecretHash, now: Timestamp) -> Option<&Token> {
        let sent = hex(sent);
        self.tokens.iter().find(|token| token.hash == sent && now < token.expires)
    }

    /// Adds a user.
    ///
    /// # Errors
    /// The name is taken or none; the password is none.
    pub fn add_user(
        &mut self,
        name: &str,
        standing: Standing,
        password: &str,
    ) -> Result<(), AccountsError> {
        named(name, self.user(name).is_some(), self.users.len())?;
        let password = password::kept(password).map_err(AccountsError::Refused)?;
        self.users.push(User { name: name.to_owned(), standing, password, epoch: epoch()? });
        Ok(())
    }

    /// Gives a user another password, or another standing; his sessions end.
    ///
    /// # Errors
    /// There is no such user; the password is none.
    pub fn change_user(
        &mut self,
        name: &str,
        standing: Option<Standing>,
        password: Option<&str>,
    ) -> Result<(), AccountsError> {
        let Some(user) = self.users.iter_mut().find(|user| user.name == name) else {
            return Err(nobody("user", name));
        };
        if let Some(password) = password {
            user.password = password::kept(password).map_err(AccountsError::Refused)?;
        }
        user.standing = standing.unwrap_or_else(|| user.standing.clone());
        user.epoch = epoch()?;
        Ok(())
    }

    /// Removes a user; his sessions end.
    ///
    /// # Errors
    /// There is none.
    pub fn remove_user(&mut self, name: &str) -> Result<(), AccountsError> {
        let at = self.users.iter().position(|user| user.name == name);
        self.users.remove(at.ok_or_else(|| nobody("user", name))?);
        Ok(())
    }

    /// Adds a token, and returns it: of what is kept nobody makes it again.
    ///
    /// # Errors
    /// The name is taken or none.
    pub fn add_token(
        &mut self,
        name: &str,
        standing: Standing,
        expires: Timestamp,
    ) -> Result<String, AccountsError> {
        let is_taken = self.tokens.iter().any(|token| token.name == name);
        named(name, is_taken, self.tokens.len())?;
        let secret = format!("{TOKEN_PREFIX}{}", epoch()?);
        let hash = hex(&secret::hash(&secret));
        self.tokens.push(Token { name: name.to_owned(), standing, hash, expires });
        Ok(secret)
    }

    /// Removes a token.
    ///
    /// # Errors
    /// There is none.
    pub fn remove_token(&mut self, name: &str) -> Result<(), AccountsError> {
        let at = self.tokens.iter().position(|token| token.name == name);
        self.tokens.remove(at.ok_or_else(|| nobody("token", name))?);
        Ok(())
    }
}

/// Returns a password that nobody has yet: 43 characters, 256 bits.
///
/// # Errors
/// There is no randomness.
pub fn new_password() -> Result<String, AccountsError> {
    epoch()
}

fn epoch() -> Result<String, AccountsError> {
    secret::secret().map_err(|error| AccountsError::Refused(format!("no randomness: {error}")))
}

fn nobody(what: &str, name: &str) -> AccountsError {
    AccountsError::Refused(format!("there is no {what} {name:?}"))
}

fn named(name: &str, is_taken: bool, others: usize) -> Result<(), AccountsError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.@+".contains(c);
    if !(1..=NAME_BYTES_MAX).contains(&name.len()) || !name.chars().all(is_plain) {
        return Err(AccountsError::Refused(format!(
            "{name:?} is no name: 1 to {NAME_BYTES_MAX} letters, digits and - _ . @ +"
        )));
    }
    if is_taken {
        return Err(AccountsError::Refused(format!("{name:?} is there already")));
    }
    if others >= ACCOUNTS_MAX {
        return Err(AccountsError::Refused(format!("there are {ACCOUNTS_MAX} already")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const PASSWORD: &str = "correct horse battery";

    fn change(
        data: &Path,
        change: impl FnOnce(&mut Accounts) -> Result<(), AccountsError>,
    ) -> Result<(), AccountsError> {
        Accounts::change(data, change, |()| Ok(()))
    }

    #[test]
    fn accounts_are_kept_for_their_owner_only_and_without_secrets() {
        let data = tempfile::tempdir().expect("a folder");
        let viewer = Standing::new(Role::Viewer, None, None, None).expect("a standing");
        change(data.path(), |accounts| accounts.add_user("ann", viewer.clone(), PASSWORD))
            .expect("added");
        let mut secret = String::new();
        change(data.path(), |accounts| {
            secret = accounts.add_token("ci", viewer.clone(), Timestamp::MAX)?;
            Ok(())
        })
        .expect("added");
        let path = Accounts::path(data.path());
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&path).expect("text");
        assert!(!text.contains(PASSWORD) && !text.contains(&secret[9..]), "{text}");
        let accounts = Accounts::read(data.path()).expect("read back");
        assert!(accounts.signed_in("ann", PASSWORD).is_some());
        assert!(accounts.signed_in("ann", "wrong horse battery").is_none());
        assert!(accounts.signed_in("bob", PASSWORD).is_none());
        let hash = secret::hash(&secret);
        assert!(accounts.token(&hash, Timestamp::UNIX_EPOCH).is_some());
        assert!(accounts.token(&hash, Timestamp::MAX).is_none(), "it has expired");
        assert!(accounts.token(&secret::hash("keytrail_"), Timestamp::UNIX_EPOCH).is_none());
    }

    #[test]
    fn a_change_that_is_refused_or_not_recorded_is_none() {
        let data = tempfile::tempdir().expect("a folder");
        let viewer = || Standing::new(Role::Viewer, None, None, None);
        let add = |accounts: &mut Accounts| accounts.add_user("ann", viewer()?, PASSWORD);
        let unrecorded = Accounts::change(data.path(), add, |()| {
            Err(AccountsError::Refused("the disk is full".to_owned()))
        });
        assert!(unrecorded.is_err());
        assert!(Accounts::read(data.path()).expect("read").users.is_empty());
        change(data.path(), add).expect("added");
        for refused in [
            change(data.path(), add),
            change(data.path(), |accounts| accounts.add_user("a b", viewer()?, PASSWORD)),
            change(data.path(), |accounts| accounts.add_user("bob", viewer()?, "short")),
            change(data.path(), |accounts| accounts.remove_user("bob")),
            change(data.path(), |accounts| accounts.remove_token("ann")),
            change(data.path(), |accounts| accounts.change_user("bob", None, None)),
        ] {
            assert!(matches!(refused, Err(AccountsError::Refused(_))), "{refused:?}");
        }
        fs::write(Accounts::path(data.path()), "{}").expect("written");
        assert!(matches!(Accounts::read(data.path()), Err(AccountsError::Form { .. })));
    }

    #[test]
    fn an_auditor_is_bound_and_nobody_else() {
        let at = |second| Some(Timestamp::from_second(second).expect("a time"));
        let scope = Some("path:secret/**");
        let bound = Standing::new(Role::Auditor, scope, at(0), at(1)).expect("a standing");
        let bounds = bound.bounds().expect("understood").expect("bound");
        assert!(bounds.sentence().starts_with("what fits path:secret/**, from 1970"));
        for (role, scope, from, to) in [
            (Role::Auditor, None, at(0), at(1)),
            (Role::Auditor, scope, None, at(1)),
            (Role::Auditor, scope, at(1), at(1)),
            (Role::Auditor, Some("pth:x"), at(0), at(1)),
            (Role::Viewer, scope, None, None),
            (Role::Admin, None, at(0), None),
        ] {
            assert!(Standing::new(role, scope, from, to).is_err(), "{role} {scope:?}");
        }
        let unbound = Standing { scope: None, ..bound };
        assert!(unbound.bounds().is_err(), "he would see everything");
    }
}
