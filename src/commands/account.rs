//! `keytrail user`, `keytrail token`: who may ask a running keytrail. Each change is recorded before it is made.

use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, anyhow};
use ingest::own::Fact;
use jiff::Timestamp;
use query::table::{Cell, Column, Form, Kind, Table};
use web::{Accounts, AccountsError, Standing, new_password};

use crate::args::{StandingArgs, TokenArgs, TokenCommand, UserArgs, UserCommand};
use crate::deed;
use crate::failure::Failure;
use crate::output::{stdout, terminal_width};

/// The longest password that is read, in bytes, its line's end included.
const PASSWORD_BYTES_MAX: u64 = 4 << 10;

/// Runs `user`.
pub(crate) fn user(args: UserArgs) -> Result<(), Failure> {
    match args.command {
        UserCommand::Add { data, name, standing, password_stdin } => {
            let standing = meant(&standing)?;
            let (password, is_made) = password(password_stdin)?;
            let fact = changed("user added", &name, Some(&standing), None);
            change(&data.folder(), fact, |accounts| accounts.add_user(&name, standing, &password))?;
            told(&name, is_made.then_some(&password));
        }
        UserCommand::List(data) => {
            let accounts = Accounts::read(&data.folder())?;
            let users = accounts.users.iter();
            list(users.map(|user| (&*user.name, &user.standing, None)), &COLUMNS[..5])?;
        }
        UserCommand::Remove { data, name } => {
            change(&data.folder(), changed("user removed", &name, None, None), |accounts| {
                if accounts.users.len() == 1 && accounts.users[0].name == name {
                    return Err(AccountsError::Refused(format!(
                        "{name:?} is the last user: without any, whoever reaches the address sees everything. Add another one first, or remove {} if that is meant",
                        Accounts::path(Path::new("DATA")).display()
                    )));
                }
                accounts.remove_user(&name)
            })?;
        }
        UserCommand::Password { data, name, password_stdin } => {
            let (password, is_made) = password(password_stdin)?;
            change(&data.folder(), changed("password changed", &name, None, None), |accounts| {
                accounts.change_user(&name, None, Some(&password))
            })?;
            told(&name, is_made.then_some(&password));
        }
        UserCommand::Role { data, name, standing } => {
            let standing = meant(&standing)?;
            let fact = changed("role changed", &name, Some(&standing), None);
            change(&data.folder(), fact, |accounts| {
                accounts.change_user(&name, Some(standing), None)
            })?;
        }
    }
    Ok(())
}

/// Runs `token`.
pub(crate) fn token(args: TokenArgs) -> Result<(), Failure> {
    match args.command {
        TokenCommand::Add { data, name, standing, expires } => {
            let standing = meant(&standing)?;
            let expires = Timestamp::now()
                .checked_add(expires)
                .map_err(|_| Failure::Usage("--expires: no clock goes so far".to_owned()))?;
            let fact = changed("token added", &name, Some(&standing), Some(expires));
            let token = change(&data.folder(), fact, |accounts| {
                accounts.add_token(&name, standing, expires)
            })?;
            eprintln!("good until {expires}, and shown only now:");
            use io::Write;
            writeln!(stdout(), "{token}")?;
        }
        TokenCommand::List(data) => {
            let accounts = Accounts::read(&data.folder())?;
            let tokens = accounts.tokens.iter();
            list(
                tokens.map(|token| (&*token.name, &token.standing, Some(token.expires))),
                &COLUMNS,
            )?;
        }
        TokenCommand::Remove { data, name } => {
            change(&data.folder(), changed("token removed", &name, None, None), |accounts| {
                accounts.remove_token(&name)
            })?;
        }
    }
    Ok(())
}

/// What refuses a change.
struct Refused(Failure);

impl From<AccountsError> for Refused {
    fn from(error: AccountsError) -> Refused {
        Refused(match error {
            AccountsError::Refused(why) => Failure::Usage(why),
            error => error.into(),
        })
    }
}

fn change<T>(
    data: &Path,
    fact: Fact,
    change: impl FnOnce(&mut Accounts) -> Result<T, AccountsError>,
) -> Result<T, Failure> {
    Accounts::change(data, change, |_| deed::record_or_leave(data, fact).map_err(Refused))
        .map_err(|Refused(failure)| failure)
}

fn changed(
    change: &str,
    name: &str,
    standing: Option<&Standing>,
    expires: Option<Timestamp>,
) -> Fact {
    Fact::AccountChanged {
        by: deed::who(),
        address: None,
        change: change.to_owned(),
        name: name.to_owned(),
        role: standing.map(|standing| standing.role.to_string()),
        scope: standing.and_then(|standing| standing.scope.clone()),
        from: standing.and_then(|standing| standing.from),
        to: standing.and_then(|standing| standing.to),
        expires,
    }
}

fn meant(typed: &StandingArgs) -> Result<Standing, Failure> {
    let (scope, from, to) = (typed.scope.as_deref(), typed.from.as_deref(), typed.to.as_deref());
    Standing::typed(typed.role, scope, from, to).map_err(|error| Failure::Usage(error.to_string()))
}

/// Returns the password, and whether it was made here.
fn password(from_stdin: bool) -> Result<(String, bool), Failure> {
    if !from_stdin {
        return Ok((new_password()?, true));
    }
    let mut text = String::new();
    let read = io::stdin().take(PASSWORD_BYTES_MAX).read_to_string(&mut text);
    read.context("cannot read the password from standard input")?;
    // One line; more of them are a file that was not meant.
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.contains('\n') {
        return Err(Failure::Usage("standard input has more than the one line".to_owned()));
    }
    Ok((password.to_owned(), false))
}

fn told(name: &str, made: Option<&String>) {
    if let Some(password) = made {
        eprintln!("password of {name}, shown only now: {password}");
    }
}

const COLUMNS: [Column; 6] = [
    Column::new("name", Kind::Text),
    Column::new("role", Kind::Text),
    Column::new("scope", Kind::Text),
    Column::new("from", Kind::Text),
    Column::new("to", Kind::Text),
    Column::new("expires", Kind::Text),
];

fn list<'a>(
    accounts: impl Iterator<Item = (&'a str, &'a Standing, Option<Timestamp>)>,
    columns: &[Column],
) -> Result<(), Failure> {
    let time = |time: Option<Timestamp>| Cell::text(time.map(|time| time.to_string()));
    let rows = accounts.map(|(name, standing, expires)| {
        let mut row = vec![
            Cell::Text(name.to_owned()),
            Cell::Text(standing.role.to_string()),
            Cell::text(standing.scope.clone()),
            time(standing.from),
            time(standing.to),
            time(expires),
        ];
        row.truncate(columns.len());
        row
    });
    let table = Table { columns: columns.to_vec(), rows: rows.collect() };
    table
        .write(Form::Text { width: terminal_width() }, &mut stdout())
        .map_err(|error| Failure::Other(anyhow!(error)))
}
