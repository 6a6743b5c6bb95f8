//! `network: none` reaches nothing, also not this machine; `network: host` reaches what the server reaches.

use std::io::ErrorKind;
use std::net::TcpListener;

use super::*;

/// Something like our own port: a listener that would answer.
fn admin() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

#[tokio::test]
async fn without_a_network_nobody_is_reached() {
    let stage = Stage::new();
    let (listener, address) = admin();
    let port = address.rsplit_once(':').unwrap().1;
    let targets = format!("connect {address} [::1]:{port} localhost:{port} 169.254.169.254:80 1.1.1.1:443");
    let Some(said) = stage.hostile(&targets, Confinement::default()).await else { return };
    assert_eq!(said.matches("=refused").count(), 5, "{said}");
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[tokio::test]
async fn without_a_network_no_name_is_resolved() {
    let stage = Stage::new();
    let Some(said) = stage.hostile("ask-dns", Confinement::default()).await else { return };
    assert!(said.contains("udp=refused") && said.contains("name=refused"), "{said}");
}

#[tokio::test]
async fn with_the_hosts_network_the_server_is_reached() {
    let stage = Stage::new();
    let (listener, address) = admin();
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept()?;
        std::io::Write::write_all(&mut stream, b"!")
    });
    let confinement = Confinement { network: Network::Host, ..Confinement::default() };
    let Some(said) = stage.hostile(&format!("connect {address}"), confinement).await else { return };
    assert!(said.contains("=connected"), "{said}");
    served.join().unwrap().unwrap();
}

#[tokio::test]
async fn ways_out_of_a_sandbox_are_refused() {
    let stage = Stage::new();
    let Some(said) = stage.hostile("calls", Confinement::default()).await else { return };
    assert!(!said.contains("=allowed") && said.matches("=refused").count() == 10, "{said}");
}

#[tokio::test]
async fn no_privilege_is_left() {
    let stage = Stage::new();
    let look = "grep -E '^(NoNewPrivs|Seccomp|CapEff|CapPrm|CapBnd|CapInh|CapAmb):' /proc/self/status | tr -d ' \\t'";
    let Some(outcome) = stage.confined(look, Confinement::default()).await else { return };
    let none = "0000000000000000";
    let expected = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(|name| format!("{name}:{none}"));
    let said = lines(&outcome);
    assert_eq!(said[..5], expected);
    assert_eq!(said[5..], ["NoNewPrivs:1", "Seccomp:2"]);
}
