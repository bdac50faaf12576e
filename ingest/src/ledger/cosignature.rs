//! Cosignatures: a witness states that it saw a checkpoint at some time, as an extension of all that it saw before.
//!
//! C2SP tlog-cosignature, `cosignature/v1`: after the key id stand a time, eight bytes big endian, and the
//! signature over a text of its own, which begins with that time.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, VerifyingKey};

use super::note::{Checkpoint, key_id, key_text, parse_public_key, signature_of, split_note};

/// The algorithm's number in keys and key ids.
const COSIGNATURE: u8 = 4;

/// The public key of a witness, written `<name>+<key id>+<base64 of 0x04 and the key>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    key: VerifyingKey,
}

impl WitnessKey {
    /// Returns the witness's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns when this witness cosigned the note, in seconds since 1970 by its clock; `None` if it did not.
    pub fn cosigned_at(&self, note: &str) -> Option<u64> {
        let (text, signatures) = split_note(note)?;
        let stamped = signature_of(signatures, &self.name, self.id())?;
        let (time, signature) = stamped.split_first_chunk::<8>()?;
        let time = u64::from_be_bytes(*time);
        let signature = Signature::from_slice(signature).ok()?;
        let message = format!("cosignature/v1\ntime {time}\n{text}");
        self.key.verify_strict(message.as_bytes(), &signature).ok().map(|()| time)
    }

    /// Returns the checkpoint with this witness's cosignature out of its answer, which is signature lines; `None`
    /// if no good one of it is among them. Other keys' lines are left out.
    pub fn cosign(&self, checkpoint: &Checkpoint, answer: &str) -> Option<Checkpoint> {
        let (text, signatures) = split_note(&checkpoint.note)?;
        let prefix = format!("— {} ", self.name);
        answer.lines().filter(|line| line.starts_with(&prefix)).find_map(|line| {
            let cosigned = format!("{text}\n{signatures}{line}\n");
            // The note may have an older cosignature of the same witness, which would be looked at first.
            self.cosigned_at(&format!("{text}\n{line}\n"))?;
            self.cosigned_at(&cosigned)?;
            Some(Checkpoint { note: cosigned, ..checkpoint.clone() })
        })
    }

    fn id(&self) -> [u8; 4] {
        key_id(&self.name, &self.key, COSIGNATURE)
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&key_text(&self.name, &self.key, self.key.as_bytes(), COSIGNATURE))
    }
}

impl FromStr for WitnessKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<WitnessKey, &'static str> {
        let (name, key) = parse_public_key(text, COSIGNATURE)?;
        Ok(WitnessKey { name, key })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Made by aics-tlog 0.2.1 with seeds of 32 bytes 7 (log) and 8 (witness), at second 1767000000.
    const KEY: &str = "witness.example/w1+fea3b187+BBOY9ixtGkV8UbpqS189vS9p/KkyFiGNyJl+QWvRfZPK";
    const LINE: &str = "— witness.example/w1 /qOxhwAAAABpUkfAuv3dcObUjjLcvvOPXdfTUimzVyx4PU0miNClOVd9j9g6teGeV6TL1eXAP2JuiD3h2ey4v9taY7vyND1cKFA0AQ==";

    fn checkpoint() -> Checkpoint {
        super::super::note::NoteSigner::new("keytrail/prod", &[7; 32]).checkpoint(120_394, &[1; 32])
    }

    #[test]
    fn a_cosignature_of_others_is_read() {
        let key: WitnessKey = KEY.parse().unwrap();
        assert_eq!((key.name(), key.to_string()), ("witness.example/w1", KEY.to_owned()));
        assert!(KEY.parse::<super::super::VerifierKey>().is_err(), "it signs no notes");
        let noise = "— witness.example/w1 AAAA\n— other MTIzNDU2Nzg5\nno line\n";
        let cosigned = key.cosign(&checkpoint(), &format!("{noise}{LINE}\n{noise}")).unwrap();
        assert_eq!(cosigned.note, format!("{}{LINE}\n", checkpoint().note));
        assert_eq!(key.cosigned_at(&cosigned.note), Some(1_767_000_000));
        assert_eq!(Checkpoint::parse(&cosigned.note).unwrap(), cosigned);
        for note in [
            checkpoint().note,
            cosigned.note.replacen("120394", "120395", 1),
            cosigned.note.replacen("w1 ", "w2 ", 1),
        ] {
            assert_eq!(key.cosigned_at(&note), None, "{note}");
        }
        assert_eq!(key.cosign(&checkpoint(), noise), None);
        assert_eq!(key.cosign(&checkpoint(), ""), None);
    }
}
