//! Compiles `proto/api.proto` without `protoc`: `protox` parses it, `tonic-prost-build`
//! generates the Rust types, and the descriptor set is kept for gRPC reflection.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

const PROTO: &str = "api.proto";
const INCLUDE: &str = "proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={INCLUDE}/{PROTO}");

    let descriptors = protox::compile([PROTO], [INCLUDE])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.binpb"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        // Manifests are the only `bytes` fields: shared buffers spare a copy per answer.
        .bytes(".v1alpha")
        .compile_fds(descriptors)?;
    Ok(())
}
