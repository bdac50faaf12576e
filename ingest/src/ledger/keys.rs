//! Which key speaks for the ledger, and how it came to: each key hands over to the next one.
//!
//! A handover is a signed note. The new key signs it, and the old one too unless it was lost: only then
//! does whoever trusts the old key have reason to trust the new one.
//!
//! ```text
//!   keytrail key handover
//!   keytrail/prod+195af684+AepKbGPin…        the old key
//!   keytrail/prod+8e1d3e1f+AVqfJx1m7…        the new one; another name means another origin
//!   120394                                   how many leaves the ledger had
//!   CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//!
//!   — keytrail/prod GVr2hMoHyWK/8d…
//!   — keytrail/prod 5aKk1KZpUGxR33…
//! ```

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::error::LedgerError;
use super::folder::{key_error, read_at_most};
use super::note::{Checkpoint, NoteSigner, VerifierKey, key_fingerprint, split_note};
use super::proof_text::decimal;
use super::tree::Hash;

const TITLE: &str = "keytrail key handover";
/// Room for some hundred handovers.
const HANDOVERS_BYTES_MAX: u64 = 256 << 10;

/// The key that somebody has from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnownKey {
    /// `sha256:<64 hex digits>`, see [`key_fingerprint`].
    Fingerprint(String),
    /// The key itself.
    Key(VerifierKey),
}

impl KnownKey {
    /// Tells whether this key signed the checkpoint, or one to which it handed over; `keys` are those that came
    /// with the checkpoint.
    pub fn vouches_for(&self, checkpoint: &Checkpoint, keys: Option<&KeyChain>) -> bool {
        let itself = |known: &VerifierKey| known.verifies(&checkpoint.note);
        matches!(self, KnownKey::Key(known) if itself(known))
            || keys.is_some_and(|keys| {
                let signer = keys.signer_of(checkpoint);
                signer.is_some_and(|signer| keys.vouched_for(self).contains(&signer))
            })
    }

    fn is(&self, key: &VerifierKey) -> bool {
        match self {
            KnownKey::Fingerprint(fingerprint) => key_fingerprint(key) == *fingerprint,
            KnownKey::Key(known) => known == key,
        }
    }
}

/// One key's place taken by the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    /// The old key.
    pub from: VerifierKey,
    /// The new key.
    pub to: VerifierKey,
    /// Leaves of the ledger at that time.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// Whether the old key has signed it too.
    pub agreed: bool,
    note: String,
}

impl Handover {
    /// Signs a handover; without `old` its secret was lost.
    pub(super) fn sign(
        (from, old): (&VerifierKey, Option<&NoteSigner>),
        new: &NoteSigner,
        size: u64,
        root: &Hash,
    ) -> Handover {
        let to = new.verifier();
        let text = format!("{TITLE}\n{from}\n{to}\n{size}\n{}\n", BASE64_STANDARD.encode(root));
        let agreed = old.map(|old| old.signature_line(&text)).unwrap_or_default();
        let note = format!("{text}\n{agreed}{}", new.signature_line(&text));
        Handover { from: from.clone(), to, size, root: *root, agreed: old.is_some(), note }
    }

    /// Returns the signed text.
    pub fn note(&self) -> &str {
        &self.note
    }
}

impl FromStr for Handover {
    type Err = &'static str;

    fn from_str(note: &str) -> Result<Handover, &'static str> {
        let (text, _) = split_note(note).ok_or("no signed note")?;
        let lines: Vec<&str> = text.lines().collect();
        let [TITLE, from, to, size, root] = lines[..] else { return Err("no handover of a key") };
        let (from, to): (VerifierKey, VerifierKey) = (from.parse()?, to.parse()?);
        let size = decimal(size).ok_or("a handover without the number of leaves")?;
        let root = BASE64_STANDARD.decode(root).ok().and_then(|root| root.try_into().ok());
        let root = root.ok_or("a handover without a root")?;
        if !to.verifies(note) {
            return Err("a handover that the new key has not signed");
        }
        let agreed = from.verifies(note);
        Ok(Handover { from, to, size, root, agreed, note: note.to_owned() })
    }
}

/// The key of now, and the handovers that led to it, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChain {
    current: VerifierKey,
    handovers: Vec<Handover>,
}

impl KeyChain {
    /// Returns the chain that ends with this key. Handovers that do not lead to it are left out: the last one
    /// of them was cut short before it took effect.
    pub(super) fn new(current: VerifierKey, handovers: Vec<Handover>) -> KeyChain {
        let mut leading = Vec::new();
        let mut key = &current;
        for handover in handovers.iter().rev() {
            if handover.to == *key {
                key = &handover.from;
                leading.push(handover.clone());
            }
        }
        leading.reverse();
        KeyChain { current, handovers: leading }
    }

    /// Reads the keys of a data folder. They prove nothing to somebody who has none of them from elsewhere.
    ///
    /// # Errors
    /// A file is missing, unreadable, or not what it should be.
    pub fn of_folder(data: &Path) -> Result<KeyChain, LedgerError> {
        Ok(KeyChain::new(VerifierKey::of_folder(data)?, handovers_of_folder(data)?))
    }

    /// Signs a text with the key of a data folder: the text and its signature, as a signed note.
    ///
    /// # Errors
    /// The folder has no signing key, as a copy for an auditor; the text is empty or does not end with a newline.
    pub fn sign(data: &Path, text: &str) -> Result<String, LedgerError> {
        let path = data.join("keys/signing.key");
        let key = read_at_most(&path, HANDOVERS_BYTES_MAX)?
            .ok_or_else(|| key_error(&path, "the signing key is missing: this copy cannot sign"))?;
        let signer = NoteSigner::parse(&key).map_err(|problem| key_error(&path, problem))?;
        if !text.ends_with('\n') {
            return Err(key_error(&path, "only a text of whole lines can be signed"));
        }
        Ok(format!("{text}\n{}", signer.signature_line(text)))
    }

    /// Tells whether a note is signed by the key of now, and whether a known key vouches for that one.
    pub fn signed(&self, note: &str, known: Option<&KnownKey>) -> (bool, bool) {
        let vouched = known.is_some_and(|known| self.vouched_for(known).contains(&&self.current));
        (self.current.verifies(note), vouched)
    }

    /// Returns the key that signs now.
    pub fn current(&self) -> &VerifierKey {
        &self.current
    }

    /// Returns how the keys followed each other.
    pub fn handovers(&self) -> &[Handover] {
        &self.handovers
    }

    /// Returns the keys for which a known one vouches: itself and those to which it handed over.
    pub fn vouched_for(&self, known: &KnownKey) -> Vec<&VerifierKey> {
        let mut keys: Vec<&VerifierKey> = Vec::new();
        for handover in &self.handovers {
            if keys.is_empty() && known.is(&handover.from) {
                keys.push(&handover.from);
            }
            match keys.last() {
                Some(&last) if *last == handover.from && handover.agreed => keys.push(&handover.to),
                _ => keys.clear(),
            }
        }
        if keys.is_empty() && known.is(&self.current) {
            keys.push(&self.current);
        }
        keys
    }

    /// Returns which of the keys signed a checkpoint. A key counts up to its handover: whoever finds an old one
    /// later can sign nothing new with it.
    pub fn signer_of(&self, checkpoint: &Checkpoint) -> Option<&VerifierKey> {
        let signs =
            |key: &&VerifierKey| key.name() == checkpoint.origin && key.verifies(&checkpoint.note);
        let before = self.handovers.iter().filter(|handover| checkpoint.size <= handover.size);
        Some(&self.current).into_iter().chain(before.map(|handover| &handover.from)).find(signs)
    }

    /// Tells whether any of the keys signed a checkpoint, at whatever size: it was this ledger's once.
    pub(super) fn ever_signed(&self, checkpoint: &Checkpoint) -> bool {
        let old = self.handovers.iter().map(|handover| &handover.from);
        let mut keys = std::iter::once(&self.current).chain(old);
        keys.any(|key| key.name() == checkpoint.origin && key.verifies(&checkpoint.note))
    }

    /// Returns the handovers with one more.
    pub(super) fn with(&self, handover: &Handover) -> String {
        let notes = self.handovers.iter().chain([handover]);
        notes.map(|handover| &*handover.note).collect()
    }
}

/// The form in which proofs carry keys: the present one, then the handovers.
impl fmt::Display for KeyChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.current)?;
        self.handovers.iter().try_for_each(|handover| f.write_str(&handover.note))
    }
}

impl FromStr for KeyChain {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<KeyChain, &'static str> {
        let (current, notes) = text.split_once('\n').ok_or("no key")?;
        Ok(KeyChain::new(current.parse()?, parse_handovers(notes)?))
    }
}

/// Reads notes that stand one after the other: each begins with the title.
fn parse_handovers(text: &str) -> Result<Vec<Handover>, &'static str> {
    let mut notes: Vec<String> = Vec::new();
    for line in text.split_inclusive('\n') {
        if line.trim_end() == TITLE {
            notes.push(String::new());
        }
        notes.last_mut().ok_or("no handover of a key")?.push_str(line);
    }
    notes.iter().map(|note| note.parse()).collect()
}

pub(super) fn handovers_of_folder(data: &Path) -> Result<Vec<Handover>, LedgerError> {
    let path = data.join("keys/handovers");
    let text = read_at_most(&path, HANDOVERS_BYTES_MAX)?.unwrap_or_default();
    parse_handovers(&text).map_err(|problem| key_error(&path, problem))
}
