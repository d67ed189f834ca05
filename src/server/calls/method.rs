//! The methods that calls are admitted and counted by: those that the server has, and one that
//! stands for all others. What clients ask for beside them must not make labels of its own.

/// A method of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) struct Method {
    /// The path of its requests.
    path: &'static str,
    /// The value of the label `method`.
    pub(super) label: &'static str,
    /// Whether it answers with a stream.
    pub(in crate::server) is_streaming: bool,
    /// Whether a call may have many requests, however long it is.
    pub(in crate::server) is_client_streaming: bool,
}

impl Method {
    const fn unary(path: &'static str, label: &'static str) -> Self {
        Self {
            path,
            label,
            is_streaming: false,
            is_client_streaming: false,
        }
    }

    const fn streaming(path: &'static str, label: &'static str) -> Self {
        Self {
            path,
            label,
            is_streaming: true,
            is_client_streaming: false,
        }
    }

    const fn bidirectional(path: &'static str, label: &'static str) -> Self {
        Self {
            path,
            label,
            is_streaming: true,
            is_client_streaming: true,
        }
    }
}

/// How many methods calls are counted by.
pub(super) const COUNT: usize = METHODS.len();

/// Where in [`METHODS`] the one is that stands for all others.
const OTHER: usize = COUNT - 1;

/// All methods, in the order in which they are most often called for.
pub(in crate::server) const METHODS: [Method; 12] = [
    Method::unary("/v1alpha.PublicAPI/ListPods", "ListPods"),
    Method::unary("/v1alpha.PublicAPI/InspectPod", "InspectPod"),
    Method::unary("/v1alpha.PublicAPI/GetInfo", "GetInfo"),
    Method::unary("/v1alpha.PublicAPI/ListImages", "ListImages"),
    Method::unary("/v1alpha.PublicAPI/InspectImage", "InspectImage"),
    Method::streaming("/v1alpha.PublicAPI/ListenEvents", "ListenEvents"),
    Method::streaming("/v1alpha.PublicAPI/GetLogs", "GetLogs"),
    Method::unary("/grpc.health.v1.Health/Check", "Health/Check"),
    Method::streaming("/grpc.health.v1.Health/Watch", "Health/Watch"),
    Method::bidirectional(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "ServerReflection/v1",
    ),
    Method::bidirectional(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "ServerReflection/v1alpha",
    ),
    Method::unary("", "other"),
];

/// Where in [`METHODS`] the method of requests to `path` is; and whether it is one that the
/// server has.
pub(in crate::server) fn find(path: &str) -> (usize, bool) {
    let known = METHODS[..OTHER].iter();
    match known.clone().position(|method| method.path == path) {
        Some(place) => (place, true),
        None => (OTHER, false),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost_reflect::DescriptorPool;

    use super::*;

    #[test]
    fn they_are_those_of_the_services() {
        let sets = [
            crate::api::FILE_DESCRIPTOR_SET,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let served: BTreeSet<_> = sets
            .into_iter()
            .flat_map(|set| {
                let pool = DescriptorPool::decode(set).unwrap();
                pool.services().collect::<Vec<_>>()
            })
            .flat_map(|service| service.methods().collect::<Vec<_>>())
            .map(|method| {
                let service = method.parent_service().full_name().to_owned();
                let path = format!("/{service}/{}", method.name());
                let streams = (method.is_server_streaming(), method.is_client_streaming());
                (path, streams)
            })
            .collect();
        let known = METHODS[..OTHER].iter();
        let known: BTreeSet<_> = known
            .map(|method| {
                let streams = (method.is_streaming, method.is_client_streaming);
                (method.path.to_owned(), streams)
            })
            .collect();
        assert_eq!(known, served);
        let labels: BTreeSet<_> = METHODS.iter().map(|method| method.label).collect();
        assert_eq!(labels.len(), COUNT);
    }

    #[test]
    fn what_the_server_does_not_have_is_another() {
        assert_eq!(find("/v1alpha.PublicAPI/GetInfo"), (2, true));
        for path in ["", "/", "/v1alpha.PublicAPI/GetInfos", "/metrics"] {
            assert_eq!(find(path), (OTHER, false), "{path}");
        }
    }
}
