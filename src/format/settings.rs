//! `ndstash.toml`: the format version, feature flags, and the settings that persist.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::FORMAT_VERSION;
use crate::error::{Error, Fault};

/// The longest settings file that is read.
pub(crate) const MAX_SETTINGS_LEN: u64 = 64 << 10;

const HEADER: &str =
    "# This directory is an ndstash store. Its format is described in blobs-format.md of the ndstash project.\n";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) format: u32,
    #[serde(default)]
    pub(crate) features: Features,
    #[serde(default)]
    pub(crate) arrays: ArraySettings,
    #[serde(default)]
    pub(crate) access: Access,
    #[serde(default)]
    pub(crate) limits: Limits,
}

/// Names of features a store uses, by what a program that does not know one may still do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Features {
    /// Everything.
    pub(crate) compatible: Vec<String>,
    /// Read only.
    pub(crate) read_only: Vec<String>,
    /// Nothing.
    pub(crate) incompatible: Vec<String>,
}

/// Which arrays lie inside the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ArraySettings {
    /// The longest array that is kept inline, in bytes.
    pub(crate) inline_max: u64,
    /// The most bytes of inline arrays in one manifest.
    pub(crate) inline_total: u64,
}

impl Default for ArraySettings {
    fn default() -> Self {
        ArraySettings { inline_max: 64 << 10, inline_total: 256 << 10 }
    }
}

/// Who may use the store besides its owner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Access {
    /// Members of the directory's group may read and write.
    pub(crate) shared: bool,
}

/// How much a store may hold. Kept in the store, for every process that puts into it.
///
/// A store over a limit removes entries until it is at 90 % of it, by [`policy`](Self::policy), and collects; see
/// [`Store::cull`](crate::Store::cull).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of all blobs, each counted once, and of all manifests. `None`: as much as the disk has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Number of entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<u64>,
    /// Seconds since the last use after which an entry goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<u64>,
    /// Which entries go first.
    pub policy: Policy,
}

/// Which entries go first when a store is over its limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Policy {
    /// Least recently used first. Use is noted once a minute at most; within that, the order of putting decides.
    #[default]
    Lru,
    /// Least frequently used first: by the hits that caches counted, then as `Lru`.
    Lfu,
    /// In the order in which they were put.
    Oldest,
    /// Those first whose computation took the fewest seconds per byte that removing them frees. What an entry shares
    /// with others frees nothing.
    Cost,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Policy; 4] = [Policy::Lru, Policy::Lfu, Policy::Oldest, Policy::Cost];

    /// Its name in settings and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Policy::Lru => "lru",
            Policy::Lfu => "lfu",
            Policy::Oldest => "oldest",
            Policy::Cost => "cost",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Policy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let reason = "lru, lfu, oldest or cost is expected";
        let unknown = || Error::Invalid { what: "policy", given: text.to_owned(), reason };
        Policy::ALL.into_iter().find(|policy| policy.name() == text).ok_or_else(unknown)
    }
}

impl Settings {
    pub(crate) fn new(arrays: ArraySettings, shared: bool) -> Self {
        Settings {
            format: FORMAT_VERSION,
            features: Features::default(),
            arrays,
            access: Access { shared },
            limits: Limits::default(),
        }
    }

    pub(crate) fn encode(&self) -> String {
        let body = toml::to_string(self).expect("settings hold nothing that TOML cannot say");
        format!("{HEADER}{body}")
    }

    /// Parses settings. The version is looked at first, so that a later format is refused as that.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let text = std::str::from_utf8(bytes).map_err(|error| Fault::malformed("text", error.to_string()))?;
        check_version(text)?;
        let settings: Settings = toml::from_str(text).map_err(malformed)?;
        if let Some(feature) = settings.features.incompatible.first() {
            return Err(Fault::Unsupported { what: format!("feature {feature:?}") });
        }
        Ok(settings)
    }

    /// A feature that forbids writing to whoever does not know it: this version knows none.
    pub(crate) fn forbids_writing(&self) -> Option<&str> {
        self.features.read_only.first().map(String::as_str)
    }
}

fn check_version(text: &str) -> Result<(), Fault> {
    #[derive(Deserialize)]
    struct Version {
        format: u64,
    }
    match toml::from_str::<Version>(text).map_err(malformed)?.format {
        version if version == u64::from(FORMAT_VERSION) => Ok(()),
        version => Err(Fault::Unsupported { what: format!("format version {version} (this is {FORMAT_VERSION})") }),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn malformed(error: toml::de::Error) -> Fault {
    Fault::malformed("settings", error.message().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_parsed() {
        let settings = Settings::new(ArraySettings::default(), true);
        assert_eq!(Settings::parse(settings.encode().as_bytes()).unwrap(), settings);
    }

    #[test]
    fn limits_and_policies_are_kept_under_the_names_that_are_typed() {
        let mut settings = Settings::new(ArraySettings::default(), false);
        settings.limits = Limits { bytes: Some(1 << 40), age: Some(60), policy: Policy::Cost, ..Limits::default() };
        let text = settings.encode();
        assert!(text.contains("[limits]\nbytes = 1099511627776\nage = 60\npolicy = \"cost\"\n"), "{text}");
        assert_eq!(Settings::parse(text.as_bytes()).unwrap(), settings);
        for policy in Policy::ALL {
            assert_eq!(policy.name().parse::<Policy>().unwrap(), policy);
            let text = format!("format = 0\n[limits]\npolicy = {:?}\n", policy.name());
            assert_eq!(Settings::parse(text.as_bytes()).unwrap().limits.policy, policy);
        }
    }

    #[test]
    fn a_later_version_is_refused_by_its_number_whatever_else_it_says() {
        let fault = Settings::parse(b"format = 7\nnews = 1\n").unwrap_err();
        assert_eq!(fault, Fault::Unsupported { what: "format version 7 (this is 0)".into() });
    }

    #[test]
    fn features_are_ignored_forbid_writing_or_forbid_all() {
        let parse = |features: &str| Settings::parse(format!("format = 0\n[features]\n{features}\n").as_bytes());
        assert_eq!(parse("compatible = ['x']").unwrap().forbids_writing(), None);
        assert_eq!(parse("read_only = ['x']").unwrap().forbids_writing(), Some("x"));
        assert!(matches!(parse("incompatible = ['x']"), Err(Fault::Unsupported { .. })));
        assert!(matches!(parse("unheard = ['x']"), Err(Fault::Malformed { .. })));
        assert!(matches!(Settings::parse(b""), Err(Fault::Malformed { .. })));
        assert!(matches!(Settings::parse(&[0xff]), Err(Fault::Malformed { .. })));
    }
}
