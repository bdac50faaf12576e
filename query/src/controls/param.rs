//! Parameters of controls: how long, how many, how much, with the value up to which a control still means something.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::period;

/// A parameter as the catalogue declares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Param {
    /// What it counts.
    #[serde(rename = "type")]
    pub unit: Unit,
    /// Its value unless another is given.
    pub default: Value,
    /// The loosest value with which "no exceptions found" may be said; with a looser one the verdict is "weakened".
    pub strictest: Value,
    /// In which direction a value is looser.
    pub looser: Looser,
}

/// What a parameter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// A length of time: `30s`, `5m`, `1h`, `90d`.
    Duration,
    /// A number of things.
    Count,
    /// A share of a hundred.
    Percent,
}

/// In which direction a parameter's value raises less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Looser {
    /// The larger the value, the less is raised.
    More,
    /// The smaller the value, the less is raised.
    Less,
}

/// A value as it was written: a text, or a bare number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A number.
    Number(u64),
    /// A length of time.
    Text(String),
}

/// A parameter with the value of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ParamUsed {
    /// Its name.
    pub name: String,
    /// Its value as it was written.
    pub value: String,
    /// It is the catalogue's.
    pub is_default: bool,
    /// It is looser than the value up to which the control means something.
    pub is_weakened: bool,
    /// In seconds, things or hundredths.
    #[serde(skip)]
    pub(crate) number: i64,
}

/// Values given for a run: by control and parameter.
pub type Given = BTreeMap<(String, String), String>;

impl Unit {
    /// Reads a value: seconds, things or hundredths.
    fn number(self, text: &str) -> Result<i64, String> {
        let number = match self {
            Unit::Duration if text.ends_with(|c: char| c.is_ascii_digit()) => None,
            Unit::Duration => period::seconds(text),
            Unit::Count => text.parse().ok().filter(|&count: &i64| count > 0),
            Unit::Percent => text.parse().ok().filter(|share| (0..=100).contains(share)),
        };
        number.ok_or_else(|| {
            let form = match self {
                Unit::Duration => "length of time: write 30s, 5m, 1h, 30d or 4w",
                Unit::Count => "number of things: write a whole number from 1 on",
                Unit::Percent => "share: write a whole number from 0 to 100",
            };
            format!("{text:?} is no {form}")
        })
    }
}

impl Value {
    /// Returns it as it was written.
    pub fn text(&self) -> String {
        match self {
            Value::Number(number) => number.to_string(),
            Value::Text(text) => text.clone(),
        }
    }
}

impl Param {
    /// Tells whether default and bound can be read and agree.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.unit.number(&self.strictest.text())?;
        match self.used("default", None)?.is_weakened {
            true => Err("the default is looser than the strictest value".to_owned()),
            false => Ok(()),
        }
    }

    /// Returns the parameter with the value given, or its own.
    pub(crate) fn used(&self, name: &str, given: Option<&str>) -> Result<ParamUsed, String> {
        let default = self.default.text();
        let value = given.map_or_else(|| default.clone(), str::to_owned);
        let number = self.unit.number(&value)?;
        let bound = self.unit.number(&self.strictest.text())?;
        let is_weakened = match self.looser {
            Looser::More => number > bound,
            Looser::Less => number < bound,
        };
        let is_default = number == self.unit.number(&default)?;
        Ok(ParamUsed { name: name.to_owned(), value, is_default, is_weakened, number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_looser_value_is_weakened_and_the_bound_is_not() {
        let param = |unit, default: &str, strictest: &str, looser| Param {
            unit,
            default: Value::Text(default.to_owned()),
            strictest: Value::Text(strictest.to_owned()),
            looser,
        };
        let window = param(Unit::Duration, "90d", "180d", Looser::More);
        let failures = param(Unit::Count, "10", "20", Looser::More);
        let share = param(Unit::Percent, "20", "10", Looser::Less);
        for (param, value, expected) in [
            (&window, "90d", Some((true, false))),
            (&window, "180d", Some((false, false))),
            (&window, "181d", Some((false, true))),
            (&window, "2160h", Some((true, false))),
            (&window, "90", None),
            (&failures, "21", Some((false, true))),
            (&failures, "0", None),
            (&share, "9", Some((false, true))),
            (&share, "101", None),
        ] {
            let used = param.used("it", Some(value));
            let used = used.ok().map(|used| (used.is_default, used.is_weakened));
            assert_eq!(used, expected, "{value}");
        }
        assert!(param(Unit::Duration, "2d", "1d", Looser::More).check().is_err());
    }
}
