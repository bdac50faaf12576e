//! What of an event a rule groups by: a column of the index, or something that follows from one.

use serde::{Deserialize, Serialize};

use crate::filter::Filter;

/// Declares the fields once: name in the catalogue, column of the index, key of the grammar.
macro_rules! fields {
    ($($(#[$doc:meta])* $field:ident $name:literal $column:literal $key:expr,)+) => {
        /// A field that rules group by.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Field { $($(#[$doc])* $field,)+ }

        impl Field {
            /// Every field.
            pub const ALL: &'static [Field] = &[$(Field::$field,)+];

            /// Returns its name in the catalogue.
            pub fn name(self) -> &'static str {
                match self { $(Field::$field => $name,)+ }
            }

            /// Returns the column that it is read from.
            pub(crate) fn column(self) -> &'static str {
                match self { $(Field::$field => $column,)+ }
            }

            /// Returns the key of the grammar that finds its values, if one does.
            fn key(self) -> Option<&'static str> {
                match self { $(Field::$field => $key,)+ }
            }
        }
    };
}

fields! {
    /// The identity's key.
    Identity "identity" "identity_key" Some("identity"),
    /// The identity's key; of an event without one, the address.
    Who "who" "identity_key" Some("identity"),
    /// The address of an event without an identity: the other half of `who`.
    AnonymousIp "address" "ip" Some("ip"),
    /// The server's entity.
    Entity "entity" "entity" Some("entity"),
    /// human, workload …
    Kind "kind" "kind" Some("kind"),
    /// The auth method's type.
    Method "method" "method" Some("method"),
    /// The auth method's mount.
    Auth "auth" "auth" Some("auth"),
    /// Our word.
    Action "action" "action" Some("action"),
    /// The path.
    Path "path" "path" Some("path"),
    /// The thing within the mount.
    Object "object" "object" Some("object"),
    /// The mount.
    Mount "mount" "mount" Some("mount"),
    /// The namespace.
    Ns "ns" "ns" Some("ns"),
    /// The client's address.
    Ip "ip" "ip" Some("ip"),
    /// The token's hash.
    Token "token" "token" Some("token"),
    /// The token's accessor.
    Accessor "accessor" "accessor" Some("accessor"),
    /// The lease's id.
    Lease "lease" "lease" Some("lease"),
    /// The lease's id without its last part.
    LeasePrefix "lease_prefix" "lease_prefix" Some("lease_prefix"),
    /// Who a failed login said it was.
    Claimed "claimed" "claimed" None,
    /// The node.
    Node "node" "node" Some("node"),
    /// The audit device.
    Device "device" "device" Some("device"),
    /// The range that the register of addresses puts the address in; else the address.
    Range "range" "ip" None,
    /// The range that the register of addresses puts the address in, if its machines share addresses; else the address.
    Nat "nat" "ip" None,
    /// Where a path begins: its first part, of auth methods the first two.
    Area "area" "path" None,
    /// The name to show.
    Name "name" "identity_name" None,
    /// As written by the server.
    DisplayName "display_name" "display_name" None,
}

impl Field {
    /// Returns the fields that are read for these: `who` is two.
    pub(crate) fn expanded(by: &[Field]) -> Vec<Field> {
        let expand = |field: &Field| match field {
            Field::Who => vec![Field::Identity, Field::AnonymousIp],
            field => vec![*field],
        };
        by.iter().flat_map(expand).collect()
    }

    /// Returns the filter for events with this value, or without any; `None` if the grammar has no key for it.
    pub(crate) fn filter(self, value: Option<&str>) -> Option<Filter> {
        let key = self.key()?;
        match value {
            Some(value) => Filter::exactly(key, value),
            // An event has an address or has not, whoever asked: of one with an identity nothing is asked.
            None if self == Field::AnonymousIp => Some(Filter::everything()),
            None => Filter::parse(&format!("-{key}:*"), jiff::Timestamp::UNIX_EPOCH).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_read_by_its_name() {
        for field in Field::ALL {
            let read: Field = serde_json::from_value(field.name().into()).unwrap_or(Field::Who);
            assert!(read == *field || *field == Field::AnonymousIp, "{field:?}");
            assert_eq!(field.filter(Some("a")).is_some(), field.key().is_some(), "{field:?}");
        }
    }
}
