//! The detection pack: Sigma rules upon the events of sinks, and pipelines that name the fields of each format.

/// A file of the pack.
#[derive(Clone, Copy, Debug)]
pub struct PackFile {
    /// Its name without `.yml`.
    pub name: &'static str,
    /// YAML.
    pub text: &'static str,
}

macro_rules! files {
    ($folder:literal: $($name:literal)*) => {
        &[$(PackFile {
            name: $name,
            text: include_str!(concat!("../../assets/rules/", $folder, $name, ".yml")),
        }),*]
    };
}

/// The rules, each with the rules that it counts, in order of their names.
pub const RULES: &[PackFile] = files!["":
    "audit_device_disabled"
    "audit_device_enabled"
    "audited_headers_changed"
    "auth_method_changed"
    "database_root_rotated"
    "decrypt_burst"
    "denied_burst"
    "identity_merged"
    "leases_revoked_by_prefix"
    "list_sweep"
    "login_after_failures"
    "long_lived_token_created"
    "many_addresses"
    "many_secrets_read"
    "password_guessing"
    "password_spraying"
    "pki_authority_changed"
    "pki_role_changed"
    "plugin_catalogue_changed"
    "policy_changed"
    "raw_storage_accessed"
    "rekey_or_rotation"
    "request_without_answer"
    "root_token_generated"
    "root_token_used"
    "seal_or_step_down"
    "secret_destroyed"
    "secret_ids_mass_created"
    "secrets_engine_disabled"
    "secrets_engine_enabled"
    "service_account_from_outside"
    "snapshot_restored"
    "snapshot_taken"
    "transit_key_exposed"
    "unusual_token_created"
    "wrapping_token_refused"
];

/// The pipelines, in order of their names: each translates the fields of `event` to those of another format.
pub const PIPELINES: &[PackFile] = files!["pipelines/":
    "ecs"
    "loki"
    "ocsf"
    "splunk"
];

impl PackFile {
    /// Returns what a rule is called.
    pub fn title(&self) -> &'static str {
        self.first("title: ")
    }

    /// Returns how grave a rule's finding is: informational, low, medium, high, critical.
    pub fn level(&self) -> &'static str {
        self.first("level: ")
    }

    /// Returns the techniques of MITRE ATT&CK that a rule finds: `T1078`.
    pub fn techniques(&self) -> Vec<String> {
        let tags = self.text.lines().filter_map(|line| line.trim().strip_prefix("- attack.t"));
        tags.map(|number| format!("T{number}")).collect()
    }

    /// The first line that begins so; the files are ours, and a test reads them as YAML.
    fn first(&self, key: &str) -> &'static str {
        self.text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
