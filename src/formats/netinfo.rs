//! `net-info.json`, the networks of a pod, as rkt's networking writes it when a pod starts.
//!
//! A JSON array with one object per network: `netName`, `netConf`, `pluginPath`, `ifName`,
//! `ip`, `args`, `mask`. Only the name and the address are read. The file is rkt's own and
//! never a user's, so keys have one spelling.

use std::net::IpAddr;

use serde::Deserialize;

/// A network that a pod is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetInfo {
    /// The network's name, such as `default`.
    pub name: String,
    /// The pod's address in it; `None` where none was assigned. An IPv4 address is never
    /// written as an IPv6 one (`::ffff:…`): Go, which wrote the file, does not tell the two
    /// apart.
    pub address: Option<IpAddr>,
}

/// The file does not read as a list of networks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no valid list of networks: {0}")]
pub struct Error(String);

/// Reads the networks, in the file's order.
///
/// # Errors
///
/// [`Error`] when `bytes` is no JSON array of objects, or an address is none.
pub fn parse(bytes: &[u8]) -> Result<Vec<NetInfo>, Error> {
    let raw: Option<Vec<Raw>> =
        serde_json::from_slice(bytes).map_err(|error| Error(error.to_string()))?;
    let network = |raw: Raw| {
        let address = match raw.ip.as_deref() {
            None | Some("") => None,
            Some(text) => Some(
                text.parse::<IpAddr>()
                    .map_err(|_| Error(format!("{text:?} is no IP address")))?
                    .to_canonical(),
            ),
        };
        let name = raw.name.unwrap_or_default();
        Ok(NetInfo { name, address })
    };
    raw.unwrap_or_default().into_iter().map(network).collect()
}

#[derive(Deserialize)]
struct Raw {
    #[serde(rename = "netName")]
    name: Option<String>,
    ip: Option<String>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_names_and_addresses() {
        let networks = parse(
            br#"[{"netName":"default","netConf":"net/99-default.conf","ifName":"eth0",
                  "ip":"172.16.28.27","args":"","mask":"255.255.255.0"},
                 {"netName":"v6","ip":"fd00:0::5"},{"netName":"mapped","ip":"::ffff:10.0.0.1"},
                 {"netName":"none"},{"netName":"empty","ip":""},{"ip":null}]"#,
        )
        .unwrap();
        let shown: Vec<_> = networks
            .iter()
            .map(|n| (n.name.as_str(), n.address.map(|a| a.to_string())))
            .collect();
        let ip = |text: &str| Some(text.to_owned());
        assert_eq!(
            shown,
            [
                ("default", ip("172.16.28.27")),
                ("v6", ip("fd00::5")),
                ("mapped", ip("10.0.0.1")),
                ("none", None),
                ("empty", None),
                ("", None),
            ]
        );
    }

    #[test]
    fn an_empty_list_is_no_network() {
        assert_eq!(parse(b"[]"), Ok(vec![]));
        assert_eq!(parse(b"null"), Ok(vec![]));
    }

    #[test]
    fn refuses_other_things() {
        for text in [
            "",
            "{}",
            "[1]",
            "[{]",
            r#"[{"ip":"10.0.0"}]"#,
            r#"[{"netName":1}]"#,
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn round_trips(networks: Vec<(String, Option<IpAddr>)>) {
            let list = networks.iter().map(|(name, ip)| json!({"netName": name, "ip": ip}));
            let json = serde_json::Value::Array(list.collect()).to_string();
            let expected: Vec<_> = networks
                .into_iter()
                .map(|(name, ip)| NetInfo { name, address: ip.map(|ip| ip.to_canonical()) })
                .collect();
            prop_assert_eq!(parse(json.as_bytes()), Ok(expected));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
