//! Questions to the trail: the filter grammar, search, counts, reports. Knows nothing of HTTP.

pub mod filter;
pub mod period;
pub mod report;
pub mod table;
