//! Questions to the trail: the filter grammar, search, counts, reports. Knows nothing of HTTP.
//!
//! A [`trail::Trail`] is an opened data folder; a [`question::Question`] is asked of it, and every answer
//! says what it left out and up to which leaf it holds.

pub mod filter;
pub mod period;
pub mod question;
pub mod trail;
pub mod turn;

mod abreast;
pub mod as_of;
pub mod bounds;
mod classes;
mod column;
pub mod full;
pub mod history;
mod kept;
mod made;
pub mod own_trail;
pub mod page;
mod part;
pub mod prepare;
pub mod row;
mod rows;
mod scan;
pub mod search;
mod select;
mod texts;
mod times;
mod twins;

pub mod campaigns;
pub mod complete;
pub mod context;
pub mod controls;
pub mod count;
pub mod coverage;
pub mod dispositions;
pub mod entitlements;
pub mod interval;
pub mod issued;
pub mod listing;
pub mod lookup;
pub mod registers;
pub mod report;
pub mod status;
pub mod subjects;
pub mod walk;

pub mod error;
pub mod evidence;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
pub mod table;

#[cfg(test)]
mod testing;
