//! The rules by which lines become events: code of this version, and the catalogue's data files.

use std::collections::HashSet;
use std::sync::LazyLock;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::action::Actions;
use crate::event::Uid;

/// Raised by hand whenever decode, pairing, coverage or normalise make something else of the same lines.
const CODE_VERSION: &str = "4";

const ACTIONS: &str = include_str!("../../../assets/catalogue/actions.toml");
const CLEAR_KEYS: &str = include_str!("../../../assets/catalogue/clear_keys.toml");

/// What events are a function of, besides their lines.
#[derive(Debug)]
pub struct Rules {
    pub(super) actions: Actions,
    clear_keys: HashSet<String>,
    version: String,
}

impl Rules {
    /// Returns the rules that this program carries, read once.
    pub fn builtin() -> &'static Rules {
        static BUILTIN: LazyLock<Rules> = LazyLock::new(|| Rules::read(ACTIONS, CLEAR_KEYS));
        &BUILTIN
    }

    /// Returns the version V: 16 hex digits of SHA-256 over the code's version and the data files.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Tells whether the clear value under this key of data may be shown.
    pub(super) fn is_clear_key(&self, key: &str) -> bool {
        self.clear_keys.contains(key)
    }

    fn read(actions: &str, clear_keys: &str) -> Rules {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct ClearKeys {
            keys: HashSet<String>,
        }
        let ClearKeys { keys } =
            toml::from_str(clear_keys).expect("clear_keys.toml is compiled in and tested");
        let mut hash = Sha256::new();
        for part in [CODE_VERSION, actions, clear_keys] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let mut version = Uid(first_16(&hash.finalize())).to_string();
        version.truncate(16);
        Rules {
            actions: Actions::read(actions).expect("actions.toml is compiled in and tested"),
            clear_keys: keys,
            version,
        }
    }
}

/// Returns the first 128 bits of a hash.
pub(super) fn first_16(hash: &[u8]) -> [u8; 16] {
    hash[..16].try_into().expect("a SHA-256 has 32 bytes")
}
