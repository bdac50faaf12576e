use std::fs;

use super::*;

mod catalogue;
