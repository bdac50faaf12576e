//! AuditEntry: one line in the server's own words and names.
//!
//! The set of names is the same in OpenBao 2.0 to 2.7 and Vault 1.14; older versions lack some.

use std::borrow::Cow;

use serde::de::{IgnoredAny, MapAccess};
use serde_json::de::Deserializer;

use super::data::Data;
use super::field::{Field, Name, Odd, ReadInto};
use super::find::kind_of;
use super::{Kind, Peek, time};

type Text<'a> = Option<Cow<'a, str>>;
type Texts<'a> = Vec<Cow<'a, str>>;
type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;
type Headers<'a> = Vec<(Cow<'a, str>, Vec<Cow<'a, str>>)>;

/// Declares an object of the log: its fields, and the reading of them in any order.
macro_rules! object {
    ($(#[$meta:meta])* $visibility:vis $name:ident { $($(#[$doc:meta])* $field:ident $(($key:literal))?: $type:ty,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default)]
        $visibility struct $name<'a> { $($(#[$doc])* pub $field: $type,)+ }

        impl<'a> Field<'a> for $name<'a> {
            fn map<A: MapAccess<'a>>(&mut self, mut map: A, odd: &mut Odd) -> Result<(), A::Error> {
                while let Some(key) = map.next_key::<Name<'a>>()? {
                    match key.0.as_ref() {
                        $(key!($field $($key)?) => {
                            odd.at = key!($field $($key)?);
                            map.next_value_seed(ReadInto(&mut self.$field, odd))?;
                        })+
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(())
            }
        }
    };
}

/// A field's name in the log: its own, unless another is given.
macro_rules! key {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}

/// One line, read.
#[derive(Clone, Debug)]
pub struct AuditEntry<'a> {
    /// Request, response or a plugin's line.
    pub kind: Kind,
    /// When the line was formatted, as written.
    pub time: Text<'a>,
    /// Who.
    pub auth: Option<Box<Auth<'a>>>,
    /// What was asked; empty if the line has none.
    pub request: Box<Request<'a>>,
    /// What was answered; empty if the line has none.
    pub response: Box<Response<'a>>,
    /// The server's error text.
    pub error: Text<'a>,
    /// Enterprise: host and port of the node that handed the request on.
    pub forwarded_from: Text<'a>,
    /// Enterprise: set on the response of such a request.
    pub forwarded: Option<bool>,
    /// Names of fields whose type was not the expected one.
    pub odd_fields: Vec<&'static str>,
    /// Only kind, id and time could be read: a text of the entry holds no valid Unicode, a number fits no type.
    pub is_broken: bool,
    /// The torn piece of another entry stands before this one.
    pub torn_prefix: bool,
}

object! {
    /// The whole line.
    pub(super) Line {
        /// See [`AuditEntry`].
        kind ("type"): Text<'a>,
        /// See [`AuditEntry`].
        time: Text<'a>,
        /// See [`AuditEntry`].
        auth: Option<Box<Auth<'a>>>,
        /// See [`AuditEntry`].
        request: Option<Box<Request<'a>>>,
        /// See [`AuditEntry`].
        response: Option<Box<Response<'a>>>,
        /// See [`AuditEntry`].
        error: Text<'a>,
        /// See [`AuditEntry`].
        forwarded_from: Text<'a>,
        /// See [`AuditEntry`].
        forwarded: Option<bool>,
    }
}

object! {
    /// A token and what it may do; within a response, the token that was given out.
    pub Auth {
        /// Hash of the token.
        client_token: Text<'a>,
        /// Hash of its accessor.
        accessor: Text<'a>,
        /// Mount path and the method's own name, joined; not to be parsed.
        display_name: Text<'a>,
        /// Token and identity policies.
        policies: Texts<'a>,
        /// The token's own.
        token_policies: Texts<'a>,
        /// Those by entity and groups.
        identity_policies: Texts<'a>,
        /// The token goes without `default`.
        no_default_policy: Option<bool>,
        /// Absent if the check was not reached.
        policy_results: Option<Box<PolicyResults<'a>>>,
        /// What the auth method put on the token.
        metadata: Pairs<'a>,
        /// Use limit of a new token.
        num_uses: Option<i64>,
        /// Uses left before this request.
        remaining_uses: Option<i64>,
        /// The entity.
        entity_id: Text<'a>,
        /// This login made the entity.
        entity_created: Option<bool>,
        /// service, batch, default (no token known) …
        token_type: Text<'a>,
        /// Lifetime given at creation, in seconds.
        token_ttl: Option<i64>,
        /// When the token was made, in the server's own zone.
        token_issue_time: Text<'a>,
    }
}

object! {
    /// What the policies said.
    pub PolicyResults {
        /// False: a policy refused. True also for paths that need no token.
        allowed: Option<bool>,
        /// Empty for paths that need no token.
        granting_policies: Vec<Box<GrantingPolicy<'a>>>,
    }
}

object! {
    /// A policy that granted the request.
    pub GrantingPolicy {
        /// Its name.
        name: Text<'a>,
        /// Its namespace.
        namespace_id: Text<'a>,
        /// Its namespace's path; absent for the root.
        namespace_path: Text<'a>,
        /// acl, and Enterprise's rgp and egp.
        kind ("type"): Text<'a>,
    }
}

object! {
    /// What was asked.
    pub Request {
        /// The server's id.
        id: Text<'a>,
        /// Who counts as a client.
        client_id: Text<'a>,
        /// create, read, update, patch, delete, list, scan, help …
        operation: Text<'a>,
        /// Where the path leads, namespace included.
        mount_point: Text<'a>,
        /// kv, system, token …
        mount_type: Text<'a>,
        /// The mount's own id.
        mount_accessor: Text<'a>,
        /// Product and version.
        mount_running_version: Text<'a>,
        /// secret, auth or database.
        mount_class: Text<'a>,
        /// Hash of the token that was sent.
        client_token: Text<'a>,
        /// Hash of its accessor.
        client_token_accessor: Text<'a>,
        /// The namespace.
        namespace: Option<Box<Namespace<'a>>>,
        /// Relative to the namespace.
        path: Text<'a>,
        /// Body and query.
        data: Data<'a>,
        /// Body of protocols that are not JSON.
        supplemental_audit_data: Data<'a>,
        /// Sentinel override asked for.
        policy_override: Option<bool>,
        /// Peer, or the trusted forwarding header's address.
        remote_address: Text<'a>,
        /// Peer's port.
        remote_port: Option<i64>,
        /// Response wrapping asked for, in seconds.
        wrap_ttl: Option<i64>,
        /// Audited headers.
        headers: Headers<'a>,
        /// Of a client certificate.
        client_certificate_serial_number: Text<'a>,
        /// Enterprise.
        replication_cluster: Text<'a>,
    }
}

object! {
    /// A namespace.
    pub Namespace {
        /// Its id.
        id: Text<'a>,
        /// Its path with the slash; absent for the root.
        path: Text<'a>,
    }
}

object! {
    /// What was answered.
    pub Response {
        /// The token given out.
        auth: Option<Box<Auth<'a>>>,
        /// The lease given out.
        secret: Option<Box<Lease<'a>>>,
        /// The answer.
        data: Data<'a>,
        /// Answer of protocols that are not JSON.
        supplemental_audit_data: Data<'a>,
        /// In clear.
        warnings: Texts<'a>,
        /// Where the client was sent.
        redirect: Text<'a>,
        /// The wrapping token.
        wrap_info: Option<Box<WrapInfo<'a>>>,
        /// As in the request.
        mount_point: Text<'a>,
        /// As in the request.
        mount_type: Text<'a>,
        /// As in the request.
        mount_class: Text<'a>,
        /// Product and version, under another name than in the request.
        mount_running_plugin_version: Text<'a>,
    }
}

object! {
    /// A lease.
    pub Lease {
        /// In clear.
        lease_id: Text<'a>,
    }
}

object! {
    /// A response that was put into a wrapping token instead of sent.
    pub WrapInfo {
        /// Lifetime in seconds.
        ttl: Option<i64>,
        /// Hash of the wrapping token.
        token: Text<'a>,
        /// Hash of its accessor.
        accessor: Text<'a>,
        /// The path that was wrapped.
        creation_path: Text<'a>,
        /// Hash of the accessor of a wrapped token.
        wrapped_accessor: Text<'a>,
    }
}

impl<'a> AuditEntry<'a> {
    /// Returns what [`super::peek`] says of the same line.
    pub fn peek(&self) -> Peek<'a> {
        Peek {
            kind: self.kind,
            request_id: self.request.id.clone(),
            time_unix_ns: self.time.as_deref().and_then(time::unix_ns),
            torn_prefix: self.torn_prefix,
        }
    }

    /// Returns every token in it, as written.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        let auth = self.auth.as_ref().and_then(|auth| auth.client_token.as_deref());
        let given = self.response.auth.as_ref().and_then(|auth| auth.client_token.as_deref());
        let wrapping = self.response.wrap_info.as_ref().and_then(|wrap| wrap.token.as_deref());
        [auth, self.request.client_token.as_deref(), given, wrapping].into_iter().flatten()
    }

    /// Reads an entry that is all of this JSON; `None` if it is not, or not readable in full.
    pub(super) fn read_whole(json: &'a str) -> Option<AuditEntry<'a>> {
        let mut odd = Odd::default();
        let mut line = Line::default();
        let mut deserializer = Deserializer::from_str(json);
        line.read(&mut deserializer, &mut odd).and_then(|()| deserializer.end()).ok()?;
        let Line { kind, time, auth, request, response, error, forwarded_from, forwarded } = line;
        Some(AuditEntry {
            kind: kind_of(&kind?)?,
            time,
            auth,
            request: request.unwrap_or_default(),
            response: response.unwrap_or_default(),
            error,
            forwarded_from,
            forwarded,
            odd_fields: odd.fields,
            is_broken: false,
            torn_prefix: false,
        })
    }

    /// Reads the entry that `peek` found: what peeks, reads, be it kind, id and time alone.
    pub(super) fn read(json: &'a str, peek: &Peek<'a>) -> AuditEntry<'a> {
        match AuditEntry::read_whole(json) {
            Some(entry) => AuditEntry { torn_prefix: peek.torn_prefix, ..entry },
            None => AuditEntry {
                kind: peek.kind,
                time: peek.time_unix_ns.map(time::written).map(Cow::Owned),
                auth: None,
                request: Box::new(Request { id: peek.request_id.clone(), ..Request::default() }),
                response: Box::default(),
                error: None,
                forwarded_from: None,
                forwarded: None,
                odd_fields: Vec::new(),
                is_broken: true,
                torn_prefix: peek.torn_prefix,
            },
        }
    }
}
