//! What it costs to write simulated hosts. They lie in the temporary directory, and are removed
//! again outside of what is measured.
//!
//! `cargo bench --bench host`; figures are kept in `benches/README.md`.

use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rkt_sim::{host::Host, spec::HostSpec};

const PODS: u32 = 10_000;
const IMAGES: u32 = 1_000;

fn hosts(criterion: &mut Criterion) {
    let describe = || HostSpec::random(PODS, IMAGES, 1).expect("a description");
    let mut group = criterion.benchmark_group("Host");
    group.sample_size(10);
    group.measurement_time(Duration::from_secs(30));
    group.throughput(Throughput::Elements(PODS.into()));
    group.bench_function("describe", |bencher| bencher.iter(describe));

    let spec = describe();
    group.bench_function("write", |bencher| {
        bencher.iter_batched(
            || tempfile::tempdir().expect("a temporary directory"),
            |dir| {
                let host = Host::create(dir.path().join("rkt")).expect("a host");
                host.write(&spec).expect("pods and images");
                dir
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, hosts);
criterion_main!(benches);
