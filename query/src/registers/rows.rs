//! What the rows of each register say.

use std::net::IpAddr;

use super::row::{Read, Row};
use crate::filter::Filter;

/// Something is approved for a while: a ticket, a break-glass window, a ceremony.
#[derive(Clone, Debug, PartialEq)]
pub struct Approval {
    /// The ticket's number.
    pub ticket: String,
    /// Who may act; none: whoever acts.
    pub actor: Option<String>,
    /// It does not excuse, since who asked for it approved it.
    pub is_self_approved: bool,
    /// Which events it covers; none: all of its time.
    pub filter: Option<Filter>,
    /// Its first nanosecond since 1970.
    pub from: i64,
    /// The nanosecond after its last.
    pub to: i64,
}

/// An identity: its key, one of its names, or its entity id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity(pub String);

/// A sensitive path.
#[derive(Clone, Debug, PartialEq)]
pub struct SensitivePath {
    /// A path of the grammar, `secret/data/prod/**`.
    pub path: String,
    /// Events on it.
    pub filter: Filter,
    /// Whose it is.
    pub owner: String,
    /// Identities that may read it.
    pub allowed: Vec<String>,
    /// Policies by which it may be read.
    pub policies: Vec<String>,
    /// It is one of production.
    pub is_production: bool,
}

/// Somebody who has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaver {
    /// Under which names he is known to the server, the first is his own.
    pub names: Vec<String>,
    /// When he left, in nanoseconds since 1970.
    pub left: i64,
}

/// Addresses that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressRange {
    /// What they are called.
    pub name: String,
    /// Networks: an address and the length of its prefix.
    pub networks: Vec<(IpAddr, u32)>,
    /// They are of machines that share addresses.
    pub is_nat: bool,
}

/// An approved way to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginMethod {
    /// The auth method's type.
    pub method: String,
    /// The mount, `auth/kubernetes/`; none: each of the type.
    pub mount: Option<String>,
    /// For which kinds of identities; none: all.
    pub kinds: Vec<String>,
}

/// That a control does not apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotApplicable {
    /// Its id.
    pub control: String,
    /// Why.
    pub reason: String,
    /// Who says so.
    pub by: String,
}

impl Approval {
    /// Tells whether it may cover an event of this instant, of somebody with these names.
    pub(crate) fn may_cover(&self, at: i64, names: &[&str]) -> bool {
        let is_his = |actor: &String| names.contains(&actor.as_str());
        self.from <= at && at < self.to && self.actor.as_ref().is_none_or(is_his)
    }
}

impl Read for Approval {
    fn read(row: &mut Row<'_>) -> Result<Approval, String> {
        let ticket = row.text("ticket")?;
        let filter = row.filter("filter")?;
        let (from, to) = row.stretch()?;
        // Who asks and who approves is called otherwise in each of the three registers.
        let (actor, is_self_approved) = match row.name() {
            "ticket" => {
                let (actor, approver) = (row.optional("actor")?, row.text("approver")?);
                let is_self_approved = actor.as_ref() == Some(&approver);
                (actor, is_self_approved)
            }
            "break_glass" => (None, row.text("requester")? == row.text("approver")?),
            _ => {
                let participants = row.list("participants")?;
                if participants.is_empty() {
                    return Err(
                        "a ceremony has participants: write participants = [\"alice\", \"bob\"]"
                            .to_owned(),
                    );
                }
                (None, participants.iter().all(|one| *one == participants[0]))
            }
        };
        Ok(Approval { ticket, actor, is_self_approved, filter, from, to })
    }
}

impl Read for Identity {
    fn read(row: &mut Row<'_>) -> Result<Identity, String> {
        row.text("identity").map(Identity)
    }
}

impl Read for SensitivePath {
    fn read(row: &mut Row<'_>) -> Result<SensitivePath, String> {
        let path = row.text("path")?;
        let namespace = match row.optional("namespace")? {
            Some(namespace) => format!("ns:{}", crate::filter::quoted(&namespace)),
            None => "-ns:*".to_owned(),
        };
        if path.contains([' ', '"', '(', ')', ',']) {
            return Err(format!(
                "path: {path:?} has a character that the grammar's paths have not: replace it by *"
            ));
        }
        let filter = row.parsed("path", &format!("path:{path} {namespace}"))?;
        Ok(SensitivePath {
            path,
            filter,
            owner: row.text("owner")?,
            allowed: row.list("allowed")?,
            policies: row.list("policies")?,
            is_production: row.flag("production")?,
        })
    }
}

impl Read for Leaver {
    fn read(row: &mut Row<'_>) -> Result<Leaver, String> {
        let mut names = vec![row.text("name")?];
        names.extend(row.list("aliases")?);
        Ok(Leaver { names, left: row.time("left")? })
    }
}

impl Read for AddressRange {
    fn read(row: &mut Row<'_>) -> Result<AddressRange, String> {
        Ok(AddressRange {
            name: row.text("name")?,
            networks: row.networks("cidr")?,
            is_nat: row.flag("nat")?,
        })
    }
}

impl Read for LoginMethod {
    fn read(row: &mut Row<'_>) -> Result<LoginMethod, String> {
        let method = row.text("method")?;
        let mount = row.optional("mount")?.map(|mount| {
            let mount = mount.trim_end_matches('/');
            if mount.contains('/') { format!("{mount}/") } else { format!("auth/{mount}/") }
        });
        let kinds = row.list("kinds")?;
        if let Some(kind) = kinds.iter().find(|kind| !matches!(kind.as_str(), "human" | "workload"))
        {
            return Err(format!("kinds are human and workload, not {kind:?}"));
        }
        Ok(LoginMethod { method, mount, kinds })
    }
}

impl Read for NotApplicable {
    fn read(row: &mut Row<'_>) -> Result<NotApplicable, String> {
        Ok(NotApplicable {
            control: row.text("control")?,
            reason: row.text("reason")?,
            by: row.text("by")?,
        })
    }
}

impl AddressRange {
    /// Tells whether an address is one of them. An IPv4 address that is mapped into IPv6 is the IPv4 address.
    pub fn has(&self, address: IpAddr) -> bool {
        let number = |address: IpAddr| match address.to_canonical() {
            IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, true),
            IpAddr::V6(address) => (address.to_bits(), false),
        };
        let (wanted, is_v4) = number(address);
        self.networks.iter().any(|&(network, length)| {
            let (network, of_v4) = number(network);
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            of_v4 == is_v4 && (network & mask) == (wanted & mask)
        })
    }
}
