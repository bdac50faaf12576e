use std::fs;

use super::*;

mod catalogue;
mod evaluation;
mod sliding;
