//! Compiles `proto/api.proto` without `protoc`: `protox` parses it, `tonic-prost-build`
//! generates the Rust types, and the descriptor set is kept for gRPC reflection.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

const PROTO: &str = "api.proto";
const INCLUDE: &str = "proto";

/// The responses that are made of messages that were encoded before.
const PREPARED: [&str; 4] = [
    "ListPodsResponse",
    "InspectPodResponse",
    "ListImagesResponse",
    "InspectImageResponse",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={INCLUDE}/{PROTO}");

    let descriptors = protox::compile([PROTO], [INCLUDE])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.binpb"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        // Manifests are the only `bytes` fields: shared buffers spare a copy per answer.
        .bytes(".v1alpha")
        .compile_fds(descriptors.clone())?;

    // The service once more, as the server implements it: with answers that were encoded before.
    let serving = out.join("serving");
    fs::create_dir_all(&serving)?;
    let mut service = tonic_prost_build::configure()
        .build_client(false)
        .out_dir(serving)
        .extern_path(".v1alpha", "crate::api");
    for response in PREPARED {
        service = service.extern_path(
            format!(".v1alpha.{response}"),
            "crate::service::prepared::Items",
        );
    }
    service.compile_fds(descriptors)?;
    Ok(())
}
