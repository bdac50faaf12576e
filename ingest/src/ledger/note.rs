//! Checkpoints: the size and root of the tree, signed, as a C2SP signed note.
//!
//! ```text
//!   keytrail/prod                                      origin, which is also the key's name
//!   120394                                             leaves
//!   CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=       root over them, base64
//!
//!   — keytrail/prod Az3grlgtzPICa5OS8npVmf1Myq/…       signature, over the text above
//! ```
//!
//! Keys have the form of Go's `sumdb/note`, so any tool that reads signed notes reads ours.

use std::fmt;
use std::io;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use super::proof_text::decimal;
use super::tree::Hash;

/// No note or key that we read is longer.
pub(super) const NOTE_BYTES_MAX: u64 = 64 << 10;
/// No note with more signatures is looked through.
const SIGNATURES_MAX: usize = 100;
/// The algorithm's number in keys and key ids.
const ED25519: u8 = 1;

/// A signed statement of the ledger's size and root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose ledger: `keytrail/<cluster>`.
    pub origin: String,
    /// How many leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// The signed text, as it stands in the file.
    pub note: String,
}

impl Checkpoint {
    /// Returns the text of a tree that nobody has signed.
    pub(super) fn unsigned(origin: &str, size: u64, root: Hash) -> Checkpoint {
        let note = format!("{origin}\n{size}\n{}\n\n", BASE64_STANDARD.encode(root));
        Checkpoint { origin: origin.to_owned(), size, root, note }
    }

    /// Reads a signed note. Says nothing about its signature: see [`VerifierKey::verifies`].
    ///
    /// # Errors
    /// What keeps the text from being a checkpoint, as a sentence fragment.
    pub fn parse(note: &str) -> Result<Checkpoint, &'static str> {
        let (text, _) = split_note(note).ok_or("no signed note")?;
        let mut lines = text.lines();
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err("a note of fewer than three lines");
        };
        if origin.is_empty() {
            return Err("a note without an origin");
        }
        let size = decimal(size).ok_or("a note without the number of leaves")?;
        let root = BASE64_STANDARD
            .decode(root)
            .ok()
            .and_then(|root| root.try_into().ok())
            .ok_or("a note without a root")?;
        Ok(Checkpoint { origin: origin.to_owned(), size, root, note: note.to_owned() })
    }
}

/// Returns the name of a cluster's ledger. A note's key name may hold neither white space nor `+`: these,
/// and `%` itself, are written as in URLs.
pub(super) fn origin(cluster: &str) -> String {
    let mut origin = String::from("keytrail/");
    for character in cluster.chars() {
        if character.is_whitespace() || character.is_control() || matches!(character, '+' | '%') {
            let mut utf8 = [0; 4];
            character
                .encode_utf8(&mut utf8)
                .bytes()
                .for_each(|byte| origin.push_str(&format!("%{byte:02X}")));
        } else {
            origin.push(character);
        }
    }
    origin
}

/// Tells whether a name is that of a cluster's ledger, or of one that it was continued under:
/// `keytrail/<cluster>`, `keytrail/<cluster>/2` and so on.
pub(super) fn is_origin_of(cluster: &str, name: &str) -> bool {
    let first = origin(cluster);
    name.strip_prefix(&first).is_some_and(|rest| {
        rest.is_empty() || rest.strip_prefix('/').and_then(decimal).is_some_and(|number| number > 1)
    })
}

/// Returns the name under which a cluster's ledger is continued after `name`.
pub(super) fn origin_after(cluster: &str, name: &str) -> String {
    let first = origin(cluster);
    let number = name.strip_prefix(&first).and_then(|rest| decimal(rest.strip_prefix('/')?));
    format!("{first}/{}", number.map_or(2, |number| number.saturating_add(1)))
}

/// The text that signatures cover, its last newline included, and the signature lines.
pub(super) fn split_note(note: &str) -> Option<(&str, &str)> {
    let blank = note.rfind("\n\n")?;
    Some((&note[..=blank], &note[blank + 2..]))
}

/// Returns the id of a key for signatures of an algorithm.
pub(super) fn key_id(name: &str, key: &VerifyingKey, algorithm: u8) -> [u8; 4] {
    let hash: Hash = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', algorithm])
        .chain_update(key.as_bytes())
        .finalize()
        .into();
    [hash[0], hash[1], hash[2], hash[3]]
}

/// The public key of a ledger, written `<name>+<key id>+<base64>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: VerifyingKey,
}

impl VerifierKey {
    /// Returns the key's name, which is the ledger's origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells whether this key signed the note. As in Go's `note.Open`, the first signature line with the
    /// key's name and id decides.
    pub fn verifies(&self, note: &str) -> bool {
        let Some((text, signatures)) = split_note(note) else { return false };
        signature_of(signatures, &self.name, key_id(&self.name, &self.key, ED25519))
            .and_then(|signature| Signature::from_slice(&signature).ok())
            .is_some_and(|signature| self.key.verify_strict(text.as_bytes(), &signature).is_ok())
    }
}

/// Returns the first signature of a key among signature lines, of which at most a hundred are looked at.
pub(super) fn signature_of(lines: &str, name: &str, id: [u8; 4]) -> Option<Vec<u8>> {
    lines.lines().take(SIGNATURES_MAX).find_map(|line| {
        let (signer, signature) = line.strip_prefix("— ")?.split_once(' ')?;
        let signature = BASE64_STANDARD.decode(signature).ok()?;
        let (key, signature) = signature.split_first_chunk::<4>()?;
        (signer == name && *key == id).then(|| signature.to_vec())
    })
}

/// Returns the fingerprint by which people compare a key: SHA-256 over its 32 bytes, `sha256:<64 hex digits>`.
pub fn key_fingerprint(key: &VerifierKey) -> String {
    let hash = Sha256::digest(key.key.as_bytes());
    let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&key_text(&self.name, &self.key, self.key.as_bytes(), ED25519))
    }
}

impl FromStr for VerifierKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<VerifierKey, &'static str> {
        let (name, key) = parse_public_key(text, ED25519)?;
        Ok(VerifierKey { name, key })
    }
}

/// Reads a public key for signatures of an algorithm: its name and itself.
pub(super) fn parse_public_key(
    text: &str,
    algorithm: u8,
) -> Result<(String, VerifyingKey), &'static str> {
    let (name, id, bytes) = parse_key(text.trim_end(), algorithm)?;
    let key = VerifyingKey::from_bytes(&bytes).map_err(|_| "no Ed25519 key")?;
    if key_id(name, &key, algorithm) != id {
        return Err("a key whose id does not fit its name and bytes");
    }
    Ok((name.to_owned(), key))
}

/// The secret key of a ledger, written `PRIVATE+KEY+<name>+<key id>+<base64>`.
pub(super) struct NoteSigner {
    name: String,
    key: SigningKey,
}

impl NoteSigner {
    pub(super) fn new(name: &str, seed: &[u8; 32]) -> NoteSigner {
        NoteSigner { name: name.to_owned(), key: SigningKey::from_bytes(seed) }
    }

    /// Makes a new secret.
    pub(super) fn generate(name: &str) -> io::Result<NoteSigner> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        Ok(NoteSigner::new(name, &seed))
    }

    pub(super) fn parse(text: &str) -> Result<NoteSigner, &'static str> {
        let text = text.trim_end().strip_prefix("PRIVATE+KEY+").ok_or("no signing key")?;
        let (name, id, seed) = parse_key(text, ED25519)?;
        let signer = NoteSigner::new(name, &seed);
        if key_id(name, &signer.key.verifying_key(), ED25519) != id {
            return Err("a key whose id does not fit its name and bytes");
        }
        Ok(signer)
    }

    pub(super) fn to_text(&self) -> String {
        format!(
            "PRIVATE+KEY+{}",
            key_text(&self.name, &self.key.verifying_key(), self.key.as_bytes(), ED25519)
        )
    }

    pub(super) fn verifier(&self) -> VerifierKey {
        VerifierKey { name: self.name.clone(), key: self.key.verifying_key() }
    }

    /// Returns the same secret under another name.
    pub(super) fn renamed(&self, name: &str) -> NoteSigner {
        NoteSigner { name: name.to_owned(), key: self.key.clone() }
    }

    /// Signs the size and root of a tree.
    pub(super) fn checkpoint(&self, size: u64, root: &Hash) -> Checkpoint {
        let text = format!("{}\n{size}\n{}\n", self.name, BASE64_STANDARD.encode(root));
        let note = format!("{text}\n{}", self.signature_line(&text));
        Checkpoint { origin: self.name.clone(), size, root: *root, note }
    }

    /// Returns the line that signs a text, which ends in a newline.
    pub(super) fn signature_line(&self, text: &str) -> String {
        let mut signature = key_id(&self.name, &self.key.verifying_key(), ED25519).to_vec();
        signature.extend(self.key.sign(text.as_bytes()).to_bytes());
        format!("— {} {}\n", self.name, BASE64_STANDARD.encode(signature))
    }
}

/// Writes a key: `bytes` are the public or the secret ones.
pub(super) fn key_text(name: &str, key: &VerifyingKey, bytes: &[u8; 32], algorithm: u8) -> String {
    let id = u32::from_be_bytes(key_id(name, key, algorithm));
    let mut tagged = vec![algorithm];
    tagged.extend(bytes);
    format!("{name}+{id:08x}+{}", BASE64_STANDARD.encode(tagged))
}

fn parse_key(text: &str, algorithm: u8) -> Result<(&str, [u8; 4], [u8; 32]), &'static str> {
    // The base64 may hold plus signs, name and id may not.
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(bytes)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("no key of the form name+id+base64");
    };
    let id =
        u32::from_str_radix(id, 16).ok().filter(|_| id.len() == 8).ok_or("a key without an id")?;
    let bytes = BASE64_STANDARD.decode(bytes).map_err(|_| "a key that is not base64")?;
    match bytes.split_first() {
        Some((&kind, key)) if kind == algorithm => {
            Ok((name, id.to_be_bytes(), key.try_into().map_err(|_| "a key of another length")?))
        }
        _ => Err("a key of another kind than asked for"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// What Go's `note.GenerateKey` and `note.Sign` (golang.org/x/mod 0.17) make of a seed of 32 bytes 7.
    const GO_KEYS: [&str; 2] = [
        "PRIVATE+KEY+keytrail/prod+195af684+AQcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH",
        "keytrail/prod+195af684+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs",
    ];
    const GO_CHECKPOINT: &str = "keytrail/prod\n120394\nAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n\n\
        — keytrail/prod GVr2hMoHyWK/8dsou1WKREI9KbkKTm50nauCo9iYm17Xz3mSXRid7bsZYoz86V/emHtbGgvB/VHAGIqD5gudf2yQpg0=\n";

    /// The key pair of the Go package's documentation, golang.org/x/mod/sumdb/note.
    const GO_VERIFIER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const GO_SIGNER: &str =
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\
        — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn keys_and_notes_are_those_of_go() {
        let verifier: VerifierKey = GO_VERIFIER.parse().unwrap();
        assert_eq!(verifier.to_string(), GO_VERIFIER);
        assert!(verifier.verifies(GO_NOTE));
        assert!(!verifier.verifies(&GO_NOTE.replace("problem is", "problem was")));
        let signer = NoteSigner::parse(GO_SIGNER).unwrap();
        assert_eq!(signer.to_text(), GO_SIGNER);
        assert_eq!(signer.verifier(), verifier);
        let signer = NoteSigner::new("keytrail/prod", &[7; 32]);
        assert_eq!([signer.to_text(), signer.verifier().to_string()], GO_KEYS);
        assert_eq!(signer.checkpoint(120_394, &[1; 32]).note, GO_CHECKPOINT);
    }

    #[test]
    fn a_checkpoint_is_text() {
        let signer = NoteSigner::new("keytrail/prod", &[7; 32]);
        let checkpoint = signer.checkpoint(120_394, &[1; 32]);
        let (text, _) = checkpoint.note.split_once("\n\n").unwrap();
        assert_eq!(text, "keytrail/prod\n120394\nAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=");
        assert_eq!(Checkpoint::parse(&checkpoint.note), Ok(checkpoint.clone()));
        assert!(signer.verifier().verifies(&checkpoint.note));
        assert!(!NoteSigner::new("keytrail/prod", &[8; 32]).verifier().verifies(&checkpoint.note));
        assert!(!NoteSigner::new("keytrail/test", &[7; 32]).verifier().verifies(&checkpoint.note));
        for (from, to) in [
            ("120394", "120395"),
            ("120394", "0120394"),
            ("keytrail/prod\n", "keytrail/test\n"),
            ("AQE=", "AQI="),
        ] {
            assert!(
                !signer.verifier().verifies(&checkpoint.note.replacen(from, to, 1)),
                "{from} to {to}"
            );
        }
        assert_eq!(
            Checkpoint::parse(&checkpoint.note.replace("120394", "+120394")),
            Err("a note without the number of leaves")
        );
        assert_eq!(Checkpoint::parse("keytrail/prod\n"), Err("no signed note"));
    }

    #[test]
    fn an_origin_is_a_key_name() {
        for (cluster, expected) in [
            ("prod", "keytrail/prod"),
            ("a b+c%d", "keytrail/a%20b%2Bc%25d"),
            ("zürich\u{a0}1", "keytrail/zürich%C2%A01"),
        ] {
            assert_eq!(origin(cluster), expected);
            let second = origin_after(cluster, expected);
            assert_eq!(second, format!("{expected}/2"));
            assert_eq!(origin_after(cluster, &second), format!("{expected}/3"));
            assert!([expected, &second].iter().all(|name| is_origin_of(cluster, name)));
            for other in ["/1", "/x", "/2/3", "2", "/"] {
                assert!(!is_origin_of(cluster, &format!("{expected}{other}")), "{other}");
            }
        }
    }
}
