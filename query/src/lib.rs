//! Questions to the trail: the filter grammar, search, counts, reports. Knows nothing of HTTP.
//!
//! A [`trail::Trail`] is an opened data folder; a [`question::Question`] is asked of it, and every answer
//! says what it left out and up to which leaf it holds.

pub mod trail;
pub mod question;
pub mod filter;
pub mod period;

pub mod search;
pub mod row;
pub mod page;
pub mod full;
pub mod history;
mod twins;
mod scan;

pub mod count;
pub mod interval;
pub mod report;
pub mod status;
pub mod listing;

pub mod table;
pub mod error;

#[cfg(test)]
mod testing;
