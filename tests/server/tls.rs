//! TLS: who is let in, certificates that change, and listening without it.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rkt_api::api::{EventFilter, GetInfoRequest};
use rkt_sim::spec::Phase;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::{
    events::{Listener, look},
    hosts::{self, TempHost},
    metrics::{
        LISTEN,
        scrape::{Metrics, refused_connections},
    },
    support::{Client, DEADLINE, Server, at_once, command, connect, failed_start, handed_over},
};

/// Who signs certificates.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
struct Pair {
    cert: String,
    key: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Validity {
    Valid,
    Expired,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self {
            pem: params.self_signed(&key).unwrap().pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for `localhost`.
    fn sign(&self, validity: Validity) -> Pair {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        if validity == Validity::Expired {
            params.not_after = date_time_ymd(2001, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        Pair {
            cert: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    /// What a client knows that trusts this authority, and has a certificate of its own or none.
    fn trusted(&self, own: Option<&Pair>) -> ClientTlsConfig {
        let config = ClientTlsConfig::new()
            .domain_name("localhost")
            .ca_certificate(Certificate::from_pem(&self.pem));
        match own {
            Some(own) => config.identity(Identity::from_pem(&own.cert, &own.key)),
            None => config,
        }
    }
}

/// The files of a server's certificates.
struct Files(PathBuf);

impl Files {
    fn beside(host: &TempHost, pair: &Pair) -> Self {
        let dir = host.beside("certificates");
        fs::create_dir(&dir).unwrap();
        let files = Self(dir);
        files.write(pair);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, pair: &Pair) {
        fs::write(self.path("key.pem"), &pair.key).unwrap();
        fs::write(self.path("cert.pem"), &pair.cert).unwrap();
    }

    fn args(&self) -> Vec<String> {
        let arg = |flag, name| format!("--{flag}={}", self.path(name).display());
        vec![arg("tls-cert", "cert.pem"), arg("tls-key", "key.pem")]
    }
}

fn start(host: &TempHost, args: &[String]) -> Server {
    let args = args.iter().map(String::as_str);
    let args: Vec<_> = args.chain([LISTEN]).collect();
    Server::start(host.dir(), &args)
}

/// A client that has been answered; or why there is none.
async fn client(server: &Server, config: ClientTlsConfig) -> Result<Client, String> {
    let endpoint = Endpoint::from_shared(server.url().replace("http:", "https:")).unwrap();
    let connecting = async {
        let channel = endpoint.tls_config(config).unwrap().connect().await;
        let mut client = Client::new(channel.map_err(|error| format!("{error:?}"))?);
        let answer = client.get_info(GetInfoRequest {}).await;
        answer.map_err(|status| format!("{status:?}"))?;
        Ok(client)
    };
    at_once("a TLS client", connecting).await
}

#[tokio::test]
async fn clients_connect_by_the_right_authority_only() {
    let host = TempHost::create();
    let authority = Authority::new();
    let files = Files::beside(&host, &authority.sign(Validity::Valid));
    let server = start(&host, &files.args());
    client(&server, authority.trusted(None)).await.unwrap();

    let other = Authority::new();
    let error = client(&server, other.trusted(None)).await.unwrap_err();
    assert!(error.contains("InvalidCertificate"), "{error}");
    refused_connections(&server, "tls", 1.0);

    let plain = Endpoint::from_shared(server.url()).unwrap();
    if let Ok(channel) = at_once("a plain client", plain.connect()).await {
        let mut plain = Client::new(channel);
        let call = plain.get_info(GetInfoRequest {});
        assert!(at_once("a plain client", call).await.is_err());
    }
    client(&server, authority.trusted(None)).await.unwrap();
}

#[tokio::test]
async fn clients_refuse_a_server_whose_certificate_has_expired() {
    let host = TempHost::create();
    let authority = Authority::new();
    let files = Files::beside(&host, &authority.sign(Validity::Expired));
    let server = start(&host, &files.args());
    let error = client(&server, authority.trusted(None)).await.unwrap_err();
    assert!(error.contains("Expired"), "{error}");
}

#[tokio::test]
async fn where_clients_need_a_certificate_only_a_good_one_lets_them_in() {
    let host = TempHost::create();
    let [servers, clients, other] = [Authority::new(), Authority::new(), Authority::new()];
    let files = Files::beside(&host, &servers.sign(Validity::Valid));
    fs::write(files.path("ca.pem"), &clients.pem).unwrap();
    let mut args = files.args();
    args.push(format!(
        "--tls-client-ca={}",
        files.path("ca.pem").display()
    ));
    let server = start(&host, &args);

    let good = clients.sign(Validity::Valid);
    let mut honest = client(&server, servers.trusted(Some(&good))).await.unwrap();
    let expired = clients.sign(Validity::Expired);
    let foreign = other.sign(Validity::Valid);
    for (why, own) in [
        ("none", None),
        ("expired", Some(&expired)),
        ("of another authority", Some(&foreign)),
    ] {
        let refused = client(&server, servers.trusted(own)).await;
        assert!(refused.is_err(), "{why}");
    }
    honest.get_info(GetInfoRequest {}).await.unwrap();

    // Another authority takes the place of the first: for those who come from now on.
    fs::write(files.path("ca.pem"), &other.pem).unwrap();
    server.wait_for_log("read anew");
    client(&server, servers.trusted(Some(&foreign)))
        .await
        .unwrap();
    let refused = client(&server, servers.trusted(Some(&good))).await;
    assert!(refused.is_err());
    honest.get_info(GetInfoRequest {}).await.unwrap();
}

/// As certbot and Kubernetes do it: what is named is a link to a link.
#[tokio::test]
async fn new_certificates_are_used_and_open_streams_stay() {
    let host = TempHost::create();
    let [old, new] = [Authority::new(), Authority::new()];
    let files = Files::beside(&host, &old.sign(Validity::Valid));
    let links = host.beside("links");
    fs::create_dir(&links).unwrap();
    symlink(&files.0, links.join("..data")).unwrap();
    let named = Files(links.clone());
    for name in ["cert.pem", "key.pem"] {
        symlink(Path::new("..data").join(name), named.path(name)).unwrap();
    }
    let server = start(&host, &named.args());
    let mut first = client(&server, old.trusted(None)).await.unwrap();
    look(&mut first).await;
    let mut listener = Listener::open(&mut first, EventFilter::default()).await;

    let newer = Files(host.beside("newer"));
    fs::create_dir(&newer.0).unwrap();
    newer.write(&new.sign(Validity::Valid));
    symlink(&newer.0, links.join("..new")).unwrap();
    fs::rename(links.join("..new"), links.join("..data")).unwrap();
    server.wait_for_log("read anew");
    client(&server, new.trusted(None)).await.unwrap();
    let refused = client(&server, old.trusted(None)).await;
    assert!(refused.is_err());

    host.write_pod(&hosts::pod(1, Phase::Run)).unwrap();
    listener
        .hear("the stream is open still", |heard| !heard.is_empty())
        .await;
    first.get_info(GetInfoRequest {}).await.unwrap();
}

#[tokio::test]
async fn a_hangup_signal_has_certificates_read_anew() {
    let host = TempHost::create();
    let authority = Authority::new();
    let files = Files::beside(&host, &authority.sign(Validity::Valid));
    let server = start(&host, &files.args());
    let mut first = client(&server, authority.trusted(None)).await.unwrap();
    // Nothing has changed: it is the signal that does it.
    server.signal(Signal::HUP);
    server.wait_for_log("the certificates are read anew");
    client(&server, authority.trusted(None)).await.unwrap();
    first.get_info(GetInfoRequest {}).await.unwrap();
    let reloads = "rkt_api_tls_reloads_total";
    assert_eq!(Metrics::of(&server).value(reloads), 1.0);
}

#[tokio::test]
async fn certificates_that_cannot_be_used_do_not_replace_those_that_can() {
    let host = TempHost::create();
    let [old, new] = [Authority::new(), Authority::new()];
    let files = Files::beside(&host, &old.sign(Validity::Valid));
    let server = start(&host, &files.args());
    client(&server, old.trusted(None)).await.unwrap();

    fs::write(files.path("cert.pem"), "-----BEGIN CERTIFICATE-----\nAA").unwrap();
    server.wait_for_log("cannot be used, the old ones stay");
    let failures = "rkt_api_tls_reload_failures_total";
    assert!(Metrics::of(&server).value(failures) >= 1.0);
    client(&server, old.trusted(None)).await.unwrap();

    files.write(&new.sign(Validity::Valid));
    server.wait_for_log("the certificates are read anew");
    client(&server, new.trusted(None)).await.unwrap();
}

/// What is wrong need not be with the files: they are tried again though they do not change.
#[tokio::test]
async fn certificates_are_tried_again_until_they_can_be_read() {
    let host = TempHost::create();
    let [old, new] = [Authority::new(), Authority::new()];
    let files = Files::beside(&host, &old.sign(Validity::Valid));
    let server = start(&host, &files.args());
    client(&server, old.trusted(None)).await.unwrap();

    let pid = Pid::from_raw(i32::try_from(server.pid()).unwrap());
    let limit = |limit| prlimit(pid, Resource::Nofile, limit).unwrap();
    // Nothing more can be opened.
    let before = limit(Rlimit {
        current: Some(1),
        ..getrlimit(Resource::Nofile)
    });
    files.write(&new.sign(Validity::Valid));
    server.wait_for_log("cannot be used, the old ones stay");
    limit(before);
    server.wait_for_log("the certificates are read anew");
    client(&server, new.trusted(None)).await.unwrap();
}

#[tokio::test]
async fn half_a_handshake_harms_nobody() {
    let host = TempHost::create();
    let authority = Authority::new();
    let files = Files::beside(&host, &authority.sign(Validity::Valid));
    let mut args = files.args();
    args.push("--handshake-timeout=1s".to_owned());
    let server = start(&host, &args);
    // The beginning of a ClientHello of 512 bytes.
    let hello: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let half_open: Vec<_> = (0..20)
        .map(|number| {
            let mut socket = TcpStream::connect(&server.addresses()[0]).unwrap();
            socket.write_all(&hello[..number.min(hello.len())]).unwrap();
            socket
        })
        .collect();
    let mut first = client(&server, authority.trusted(None)).await.unwrap();
    for mut socket in half_open {
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let end = tokio::task::spawn_blocking(move || socket.read(&mut [0]));
        // Closed, or reset where something was left unread.
        if let Err(error) = end.await.unwrap() {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
    }
    first.get_info(GetInfoRequest {}).await.unwrap();
}

#[tokio::test]
async fn unix_sockets_stay_plain() {
    let host = TempHost::create();
    let authority = Authority::new();
    let files = Files::beside(&host, &authority.sign(Validity::Valid));
    let unix = format!("unix:{}", host.beside("api.sock").display());
    let mut args = files.args();
    args.push(format!("--listen={unix}"));
    let server = start(&host, &args);
    let mut client = connect(&unix).await;
    client.get_info(GetInfoRequest {}).await.unwrap();
    drop(server);
}

#[test]
fn certificates_that_cannot_be_used_are_an_error_at_the_start() {
    let host = TempHost::create();
    let authority = Authority::new();
    let pair = authority.sign(Validity::Valid);
    let files = Files::beside(&host, &pair);
    let fails = |args: &[String]| {
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let mut command = command(host.dir(), &args);
        command.arg("--listen=127.0.0.1:0");
        failed_start(command)
    };
    let mut with_ca = files.args();
    with_ca.push(format!(
        "--tls-client-ca={}",
        files.path("ca.pem").display()
    ));
    assert!(fails(&with_ca).contains("ca.pem"));
    fs::write(files.path("ca.pem"), "").unwrap();
    assert!(fails(&with_ca).contains("ca.pem"));

    fs::write(files.path("key.pem"), authority.sign(Validity::Valid).key).unwrap();
    let said = fails(&files.args());
    assert!(said.contains("key"), "{said}");
    fs::write(files.path("key.pem"), &pair.cert).unwrap();
    assert!(fails(&files.args()).contains("key.pem"));
    fs::remove_file(files.path("cert.pem")).unwrap();
    assert!(fails(&files.args()).contains("cert.pem"));
}

#[tokio::test]
async fn other_machines_connect_without_tls_only_where_that_is_wanted() {
    let host = TempHost::create();
    let everywhere = "--listen=0.0.0.0:0";
    let said = failed_start(command(host.dir(), &[everywhere]));
    assert!(said.contains("--insecure-listen"), "{said}");
    let inherited = || TcpListener::bind("0.0.0.0:0").unwrap();
    let said = failed_start(handed_over(host.dir(), inherited(), &[]));
    assert!(said.contains("--insecure-listen"), "{said}");

    let wanted = ["--insecure-listen"];
    for command in [
        command(host.dir(), &[everywhere, wanted[0]]),
        handed_over(host.dir(), inherited(), &wanted),
    ] {
        let server = Server::spawn(command);
        server.wait_for_log("other machines can connect, without TLS");
        let port = server.addresses()[0].rsplit_once(':').unwrap().1.to_owned();
        let mut client = connect(&format!("http://127.0.0.1:{port}")).await;
        client.get_info(GetInfoRequest {}).await.unwrap();
    }

    let authority = Authority::new();
    let files = Files::beside(&host, &authority.sign(Validity::Valid));
    let mut command = command(host.dir(), &[everywhere]);
    command.args(files.args());
    let log = Server::spawn(command).end().await;
    assert!(!log.contains("other machines"), "{log}");
}

/// They tell nothing of what is in pods, so that is not refused.
#[tokio::test]
async fn who_lets_other_machines_read_metrics_is_told() {
    let host = TempHost::create();
    for (listen, is_remote) in [("0.0.0.0:0", true), ("localhost:0", false)] {
        let listen = format!("--metrics-listen={listen}");
        let server = Server::start(host.dir(), &[&listen]);
        let address = server.metrics_address().replace("0.0.0.0", "127.0.0.1");
        Metrics::at(&address);
        let log = server.end().await;
        let told = log.matches("everybody who reaches this address").count();
        assert_eq!(told, usize::from(is_remote), "{log}");
    }
}
