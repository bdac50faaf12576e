//! One module a command.

pub mod cat;
pub mod check_config;
pub mod count;
pub mod demo;
pub mod import;
mod question;
pub mod rebuild;
pub mod report;
pub mod run;
pub mod search;
pub mod status;
pub mod verify;
