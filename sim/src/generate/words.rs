//! The words that made-up hosts are made of: software of the time, teams and what they
//! build, and what programs write into their logs.

/// A program that people of the time ran in containers.
pub(super) struct Software {
    /// Its image's name as an appc image.
    pub(super) aci: &'static str,
    /// Its image's name as it comes from a registry of Docker's.
    pub(super) docker: &'static str,
    /// Versions that were about, without patch level where that is made up.
    pub(super) versions: &'static [&'static str],
    /// The command.
    pub(super) exec: &'static [&'static str],
    /// The port's name and number; 0 for none.
    pub(super) port: (&'static str, u16),
    /// The place for its data; empty for none.
    pub(super) data: &'static str,
    /// How large the image is, in MiB.
    pub(super) size_mib: i64,
}

const fn software(
    aci: &'static str,
    docker: &'static str,
    versions: &'static [&'static str],
    exec: &'static [&'static str],
    port: (&'static str, u16),
    data: &'static str,
    size_mib: i64,
) -> Software {
    Software {
        aci,
        docker,
        versions,
        exec,
        port,
        data,
        size_mib,
    }
}

/// The programs.
#[rustfmt::skip]
pub(super) const SOFTWARE: &[Software] = &[
    software("coreos.com/etcd", "quay.io/coreos/etcd", &["v3.1.15", "v3.2.18", "v3.3.3"], &["/usr/local/bin/etcd"], ("client", 2379), "/var/lib/etcd", 38),
    software("coreos.com/flannel", "quay.io/coreos/flannel", &["v0.9.1", "v0.10.0"], &["/opt/bin/flanneld", "--iface=eth0"], ("", 0), "", 45),
    software("coreos.com/hyperkube", "quay.io/coreos/hyperkube", &["v1.8.9_coreos.1", "v1.9.6_coreos.0"], &["/hyperkube", "kubelet"], ("kubelet", 10250), "/var/lib/kubelet", 640),
    software("quay.io/coreos/dex", "quay.io/coreos/dex", &["v2.9.0", "v2.10.0"], &["/usr/local/bin/dex", "serve", "/etc/dex/config.yaml"], ("http", 5556), "", 62),
    software("quay.io/coreos/prometheus-operator", "quay.io/coreos/prometheus-operator", &["v0.17.0", "v0.18.1"], &["/bin/operator"], ("http", 8080), "", 40),
    software("example.org/prometheus", "quay.io/prometheus/prometheus", &["v2.1.0", "v2.2.1"], &["/bin/prometheus", "--config.file=/etc/prometheus/prometheus.yml"], ("web", 9090), "/prometheus", 112),
    software("example.org/node-exporter", "quay.io/prometheus/node-exporter", &["v0.15.2", "v0.16.0-rc.1"], &["/bin/node_exporter"], ("metrics", 9100), "", 22),
    software("example.org/alertmanager", "quay.io/prometheus/alertmanager", &["v0.14.0"], &["/bin/alertmanager"], ("web", 9093), "/alertmanager", 33),
    software("example.org/nginx", "registry-1.docker.io/library/nginx", &["1.12.2", "1.13.12", "1.13.12-alpine"], &["nginx", "-g", "daemon off;"], ("http", 80), "", 109),
    software("example.org/redis", "registry-1.docker.io/library/redis", &["3.2.11", "4.0.9", "4.0.9-alpine"], &["docker-entrypoint.sh", "redis-server"], ("redis", 6379), "/data", 107),
    software("example.org/postgres", "registry-1.docker.io/library/postgres", &["9.6.8", "10.3"], &["docker-entrypoint.sh", "postgres"], ("postgres", 5432), "/var/lib/postgresql/data", 287),
    software("example.org/mysql", "registry-1.docker.io/library/mysql", &["5.6.39", "5.7.21"], &["docker-entrypoint.sh", "mysqld"], ("mysql", 3306), "/var/lib/mysql", 408),
    software("example.org/memcached", "registry-1.docker.io/library/memcached", &["1.5.6", "1.5.7-alpine"], &["docker-entrypoint.sh", "memcached"], ("memcached", 11211), "", 58),
    software("example.org/rabbitmq", "registry-1.docker.io/library/rabbitmq", &["3.6.15", "3.7.4"], &["docker-entrypoint.sh", "rabbitmq-server"], ("amqp", 5672), "/var/lib/rabbitmq", 125),
    software("example.org/haproxy", "registry-1.docker.io/library/haproxy", &["1.7.10", "1.8.4"], &["haproxy", "-f", "/etc/haproxy/haproxy.cfg"], ("http", 8080), "", 67),
    software("example.org/consul", "registry-1.docker.io/library/consul", &["1.0.6", "1.0.7"], &["docker-entrypoint.sh", "agent", "-server"], ("http", 8500), "/consul/data", 52),
    software("example.org/alpine", "registry-1.docker.io/library/alpine", &["3.6", "3.7"], &["/bin/sh"], ("", 0), "", 4),
    software("example.org/busybox", "registry-1.docker.io/library/busybox", &["1.27.2", "1.28.3"], &["sh"], ("", 0), "", 1),
    software("example.org/debian", "registry-1.docker.io/library/debian", &["8.10", "9.4-slim"], &["bash"], ("", 0), "", 101),
    software("example.org/golang", "registry-1.docker.io/library/golang", &["1.9.5", "1.10.1"], &["bash"], ("", 0), "/go", 779),
    software("example.org/node", "registry-1.docker.io/library/node", &["8.11.1", "9.11.1-slim"], &["node"], ("", 0), "", 676),
    software("example.org/pause-amd64", "gcr.io/google_containers/pause-amd64", &["3.0", "3.1"], &["/pause"], ("", 0), "", 1),
    software("example.org/kube-proxy-amd64", "gcr.io/google_containers/kube-proxy-amd64", &["v1.9.6", "v1.10.0"], &["/usr/local/bin/kube-proxy"], ("", 0), "", 97),
    software("example.org/k8s-dns-kube-dns-amd64", "gcr.io/google_containers/k8s-dns-kube-dns-amd64", &["1.14.8", "1.14.9"], &["/kube-dns"], ("dns", 10053), "", 49),
    software("example.org/kubernetes-dashboard-amd64", "gcr.io/google_containers/kubernetes-dashboard-amd64", &["v1.8.3"], &["/dashboard"], ("http", 9090), "", 102),
    software("example.org/heapster-amd64", "gcr.io/google_containers/heapster-amd64", &["v1.5.2"], &["/heapster"], ("http", 8082), "", 73),
    software("example.org/fluentd", "registry-1.docker.io/fluent/fluentd", &["v1.1.2", "v1.1.3-debian"], &["fluentd", "-c", "/fluentd/etc/fluent.conf"], ("forward", 24224), "/fluentd/log", 41),
    software("example.org/traefik", "registry-1.docker.io/library/traefik", &["1.5.4", "1.6.0-rc5"], &["/traefik"], ("http", 80), "", 52),
];

/// Registries of Docker's kind that companies ran.
pub(super) const REGISTRIES: &[&str] = &[
    "registry.example.com",
    "docker.example.net",
    "gcr.io",
    "quay.io",
];

/// Where companies published their own appc images.
pub(super) const PUBLISHERS: &[&str] = &["example.com", "aci.example.net", "images.example.org"];

/// Teams and their products.
pub(super) const TEAMS: &[&str] = &[
    "shop",
    "billing",
    "search",
    "platform",
    "payments",
    "media",
    "identity",
    "logistics",
    "maps",
    "ads",
    "mobile",
    "data",
    "infra",
    "support",
    "growth",
    "catalog",
    "orders",
    "fraud",
    "chat",
    "video",
];

/// What they build.
pub(super) const SERVICES: &[&str] = &[
    "api",
    "web",
    "worker",
    "gateway",
    "frontend",
    "backend",
    "scheduler",
    "indexer",
    "importer",
    "exporter",
    "report",
    "mailer",
    "cache",
    "proxy",
    "auth",
    "session",
    "thumbnailer",
    "crawler",
    "ledger",
    "invoice",
    "checkout",
    "cart",
    "recommender",
    "notifier",
    "router",
    "migrate",
    "backup",
    "cron",
    "metrics",
    "admin",
];

/// Namespaces of Kubernetes.
pub(super) const NAMESPACES: &[&str] = &[
    "default",
    "default",
    "kube-system",
    "monitoring",
    "staging",
    "production",
    "ci",
];

/// Labels that people put on images, with values of theirs.
pub(super) const LABELS: &[(&str, &[&str])] = &[
    ("tier", &["frontend", "backend", "storage", "batch"]),
    ("channel", &["stable", "beta", "nightly"]),
    ("maintainer", &["platform", "sre", "release-engineering"]),
    ("libc", &["glibc", "musl"]),
];

/// Annotations that people put on pods, with values of theirs.
pub(super) const ANNOTATIONS: &[(&str, &[&str])] = &[
    ("example.com/owner", TEAMS),
    (
        "example.com/environment",
        &["production", "staging", "development"],
    ),
    ("example.com/cost-center", &["4100", "4120", "7300"]),
    (
        "example.com/ticket",
        &["OPS-1127", "OPS-1304", "OPS-1311", "OPS-1402"],
    ),
];

/// Networks beside rkt's default one.
pub(super) const NETWORKS: &[&str] = &["cluster", "storage", "dmz", "backend", "mgmt"];

/// What servers write: `{n}` stands for a number, `{hex}` for an id, `{path}` for a path.
pub(super) const LOG_LINES: &[&str] = &[
    r#"10.2.{n}.{n} - - "GET /{path} HTTP/1.1" 200 {n}"#,
    r#"10.2.{n}.{n} - - "GET /{path} HTTP/1.1" 304 0"#,
    r#"10.2.{n}.{n} - - "POST /{path} HTTP/1.1" 201 {n}"#,
    r#"10.2.{n}.{n} - - "GET /{path} HTTP/1.1" 404 {n}"#,
    "level=info msg=\"request handled\" path=/{path} duration={n}ms request_id={hex}",
    "level=info msg=\"flushed batch\" size={n}",
    "level=warn msg=\"slow query\" duration={n}ms query_id={hex}",
    "level=error msg=\"upstream closed the connection\" attempt={n} request_id={hex}",
    "worker {n}: job {hex} done",
    "worker {n}: took job {hex}",
    "GC pause {n}us",
    "checkpoint complete: wrote {n} buffers",
    "reloading configuration",
    "panic recovered: index out of range [{n}]\ngoroutine {n} [running]:\nmain.handle(0x{hex})",
];

/// What is asked for on servers.
pub(super) const PATHS: &[&str] = &[
    "",
    "healthz",
    "metrics",
    "api/v1/items",
    "api/v1/orders",
    "login",
    "static/app.js",
    "search",
];

/// The program whose image it is, by the last part of the image's name.
pub(super) fn software_of(image: &str) -> Option<&'static Software> {
    let base = |name: &str| name.rsplit('/').next().map(str::to_owned);
    let wanted = base(image);
    SOFTWARE
        .iter()
        .find(|software| base(software.docker) == wanted)
}
