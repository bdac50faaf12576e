//! Who an ID token says somebody is, and what that makes him here.

use serde_json::{Map, Value};

use super::Oidc;
use crate::door::accounts::Standing;

/// The longest name and subject that are taken, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// Somebody whom the provider knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    /// What he is called here.
    pub(super) name: String,
    /// The provider's own name for him, which never becomes another's.
    pub(super) subject: String,
    /// What he may; none: he is in no group that has a role.
    pub(super) standing: Option<Standing>,
}

impl Person {
    /// Reads the claims of a verified token.
    ///
    /// # Errors
    /// A claim is missing, or is not what it should be; in words.
    pub(super) fn new(claims: &Map<String, Value>, config: &Oidc) -> Result<Person, String> {
        let text = |name: &str| {
            let value = claim(claims, name).and_then(Value::as_str).unwrap_or_default();
            let is_plain = !value.chars().any(char::is_control) && value.trim() == value;
            match (1..=NAME_BYTES_MAX).contains(&value.len()) && is_plain {
                true => Ok(value.to_owned()),
                false => Err(format!(
                    "its claim {name:?} is no text of 1 to {NAME_BYTES_MAX} bytes; the provider's client has to add it to the ID token, or [oidc] name_claim names another"
                )),
            }
        };
        let groups = claim(claims, &config.groups_claim);
        let is_in = |group: &str| match groups {
            Some(Value::Array(groups)) => groups.iter().any(|one| one == group),
            Some(Value::String(one)) => one == group,
            _ => false,
        };
        let row = config.roles.iter().find(|row| is_in(&row.group));
        let standing = row.map(|row| row.standing.clone());
        Ok(Person { name: text(&config.name_claim)?, subject: text("sub")?, standing })
    }
}

/// Returns a claim: of this very name, else by its path.
fn claim<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let mut path = name.split('.');
    let first = claims.get(path.next()?)?;
    path.try_fold(first, |value, key| value.get(key))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::door::oidc::GroupRole;
    use crate::door::role::Role;

    fn person(groups_claim: &str, claims: Value) -> Result<Person, String> {
        let row = |group: &str, role| GroupRole {
            group: group.to_owned(),
            standing: Standing::new(role, None, None, None).expect("a standing"),
        };
        let config = Oidc {
            issuer: "https://sso.example".to_owned(),
            client_id: "keytrail".to_owned(),
            client_secret_file: None,
            scopes: Vec::new(),
            name_claim: "preferred_username".to_owned(),
            groups_claim: groups_claim.to_owned(),
            roles: vec![row("sec", Role::Analyst), row("all", Role::Viewer)],
        };
        Person::new(claims.as_object().expect("an object"), &config)
    }

    #[test]
    fn the_first_row_that_fits_counts() {
        let of = |groups: Value| {
            let claims = json!({"sub": "1", "preferred_username": "ann", "groups": groups});
            person("groups", claims).expect("a person").standing.map(|standing| standing.role)
        };
        assert_eq!(of(json!(["all", "sec"])), Some(Role::Analyst));
        assert_eq!(of(json!(["all"])), Some(Role::Viewer));
        assert_eq!(of(json!("all")), Some(Role::Viewer));
        for none in [json!([]), json!(["other", 7, null]), json!(null), json!({"sec": true})] {
            assert_eq!(of(none), None);
        }
        let nested = json!({"sub": "1", "preferred_username": "ann", "realm": {"roles": ["sec"]}});
        let standing = |claim| person(claim, nested.clone()).expect("a person").standing;
        assert!(standing("realm.roles").is_some() && standing("realm.rules").is_none());
    }

    #[test]
    fn who_has_no_name_is_nobody() {
        for claims in [
            json!({"sub": "1"}),
            json!({"sub": "1", "preferred_username": ""}),
            json!({"sub": "1", "preferred_username": "a\nb"}),
            json!({"sub": "1", "preferred_username": " ann"}),
            json!({"sub": "1", "preferred_username": "x".repeat(256)}),
            json!({"sub": 1, "preferred_username": "ann"}),
        ] {
            assert!(person("groups", claims.clone()).is_err(), "{claims}");
        }
    }
}
