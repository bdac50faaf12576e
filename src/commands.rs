//! One module a command.

pub(crate) mod account;
pub(crate) mod backup;
pub(crate) mod cat;
pub(crate) mod check_config;
pub(crate) mod completions;
pub(crate) mod controls;
pub(crate) mod count;
pub(crate) mod demo;
pub(crate) mod given_out;
pub(crate) mod hold;
pub(crate) mod import;
pub(crate) mod key;
mod known_key;
pub(crate) mod lookup;
pub(crate) mod prove;
mod question;
pub(crate) mod rebuild;
pub(crate) mod report;
pub(crate) mod retention;
pub(crate) mod run;
mod running;
pub(crate) mod search;
pub(crate) mod status;
pub(crate) mod verify;
mod verify_proof;
