//! The tail over real files. Scenarios are text, see [`bench::check`].

mod bench;
mod following;
mod importing;
mod meanwhile;
mod model;
mod random;
mod recognition;
mod rotation;
mod running;
