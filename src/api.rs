//! The generated `v1alpha` messages, client and server of `proto/api.proto`, and the
//! descriptor set that gRPC reflection serves. Nothing here is written by hand.

#![allow(missing_docs)]

tonic::include_proto!("v1alpha");

/// The encoded `google.protobuf.FileDescriptorSet` of `proto/api.proto`.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.binpb"));
