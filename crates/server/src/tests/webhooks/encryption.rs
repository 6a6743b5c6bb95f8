//! TLS: whoever is not who the URL says gets nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::TlsAcceptor;

use super::super::given::Server;
use super::given::{Receiver, answer, definitions, failed, request, tested};

fn certificate(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/certificates").join(name)
}

async fn receiver(name: &str) -> Receiver {
    let chain = CertificateDer::pem_file_iter(certificate(&format!("{name}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(certificate(&format!("{name}.key"))).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Receiver::start("127.0.0.1:0", move |_, stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            request(&mut stream).await;
            let _gone = stream.write_all(answer("204 No Content", "", "").as_bytes()).await;
            let _gone = stream.shutdown().await;
        }
    })
    .await
}

#[tokio::test]
async fn an_authority_of_a_file_is_trusted_and_no_other() {
    let good = receiver("good").await;
    let url = format!("https://localhost:{}/", good.address.port());
    let with_file = json!({"ca_file": certificate("ca.pem")});
    let server = Server::with(definitions(&url, with_file), |_| {}).await;
    assert_eq!(tested(&server).await["status"], 204);
    server.install(definitions(&url, json!({}))).await;
    let (class, message) = failed(&server).await;
    assert_eq!((class.as_str(), message.contains("encryption")), ("unavailable", true), "{message}");
}

#[tokio::test]
async fn a_certificate_that_is_over_of_another_or_of_its_own_is_refused() {
    for name in ["expired", "other", "self"] {
        let receiver = receiver(name).await;
        let url = format!("https://localhost:{}/", receiver.address.port());
        let with_file = json!({"ca_file": certificate("ca.pem")});
        let server = Server::with(definitions(&url, with_file), |_| {}).await;
        let (class, message) = failed(&server).await;
        assert_eq!(
            (class.as_str(), message.contains("encryption")),
            ("unavailable", true),
            "{name}: {message}"
        );
    }
}

#[tokio::test]
async fn an_encryption_that_is_no_longer_safe_is_refused() {
    // A ServerHello of TLS 1.0, with AES128-SHA, whatever was asked for.
    let old = Receiver::start("127.0.0.1:0", |_, mut stream| async move {
        let mut hello = vec![0x16, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1];
        hello.extend([7; 32]);
        hello.extend([0, 0, 0x2f, 0]);
        let _gone = stream.write_all(&hello).await;
        let mut rest = [0; 4096];
        use tokio::io::AsyncReadExt as _;
        while matches!(stream.read(&mut rest).await, Ok(1..)) {}
    })
    .await;
    let url = format!("https://localhost:{}/", old.address.port());
    let server = Server::with(definitions(&url, json!({})), |_| {}).await;
    let (class, message) = failed(&server).await;
    assert_eq!((class.as_str(), message.contains("encryption")), ("unavailable", true), "{message}");
}

#[tokio::test]
async fn certificates_that_can_not_be_read_are_said_so() {
    let with_file = json!({"ca_file": certificate("README.md")});
    let server = Server::with(definitions("https://localhost:9443/", with_file), |_| {}).await;
    let (class, message) = failed(&server).await;
    assert_eq!((class.as_str(), message.contains("README.md")), ("unavailable", true), "{message}");
}
