//! What a receiver should know before events come: index templates with bounded mappings, life cycles, event types.

/// A kind of receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Siem {
    /// Elasticsearch: component and index template of the data stream, life cycle.
    Elastic,
    /// OpenSearch: the same in its words.
    Opensearch,
    /// Splunk: props, event types and tags of an app.
    Splunk,
}

/// A file for a receiver.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Its name.
    pub name: &'static str,
    /// JSON, Splunk's configuration, or a query in ES|QL.
    pub text: &'static str,
    /// How it is handed over: method and path of the receiver's API, or a folder of the app.
    pub goes_to: &'static str,
}

macro_rules! assets {
    ($folder:literal: $($name:literal => $goes_to:literal,)+) => {
        &[$(Asset {
            name: $name,
            text: include_str!(concat!("../../assets/siem/", $folder, "/", $name)),
            goes_to: $goes_to,
        }),+]
    };
}

impl Siem {
    /// Every kind.
    pub const ALL: &'static [Siem] = &[Siem::Elastic, Siem::Opensearch, Siem::Splunk];

    /// Returns its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Siem::Elastic => "elastic",
            Siem::Opensearch => "opensearch",
            Siem::Splunk => "splunk",
        }
    }

    /// Returns the files, in the order in which they are to be handed over.
    pub fn assets(self) -> &'static [Asset] {
        match self {
            Siem::Elastic => assets!["elastic":
                "lifecycle-policy.json" => "PUT /_ilm/policy/keytrail",
                "component-template.json" => "PUT /_component_template/keytrail",
                "index-template.json" => "PUT /_index_template/keytrail",
                "control-totals.esql" => "POST /_query",
            ],
            Siem::Opensearch => assets!["opensearch":
                "component-template.json" => "PUT /_component_template/keytrail",
                "index-template.json" => "PUT /_index_template/keytrail",
                "ism-policy.json" => "PUT /_plugins/_ism/policies/keytrail",
                "control-totals.json" => "POST /logs-keytrail-default/_search",
            ],
            Siem::Splunk => assets!["splunk":
                "props.conf" => "keytrail/local/props.conf",
                "eventtypes.conf" => "keytrail/local/eventtypes.conf",
                "tags.conf" => "keytrail/local/tags.conf",
                "savedsearches.conf" => "keytrail/local/savedsearches.conf",
            ],
        }
    }
}

#[cfg(test)]
mod tests;
