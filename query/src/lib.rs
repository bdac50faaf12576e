//! Questions to the trail: the filter grammar, search, counts, reports. Knows nothing of HTTP.
//!
//! A [`trail::Trail`] is an opened data folder; a [`question::Question`] is asked of it, and every answer
//! says what it left out and up to which leaf it holds.

pub mod count;
pub mod error;
pub mod filter;
pub mod full;
pub mod history;
pub mod interval;
pub mod page;
pub mod period;
pub mod question;
pub mod row;
mod scan;
pub mod search;
pub mod table;
pub mod trail;
mod twins;

#[cfg(test)]
mod testing;
