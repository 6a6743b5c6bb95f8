//! Receivers: sockets of one's own, and a name server that says what it is told to.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cantus_runtime::delivery::webhook::{Resolve, Resolved};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::super::given::Server;

/// A listener whose connections are handed to a script. It counts them.
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Receiver {
    /// Starts a receiver; each connection is one run of the script, which gets its number, counting from one.
    pub(super) async fn start<F>(
        at: &str,
        script: impl Fn(usize, TcpStream) -> F + Send + 'static,
    ) -> Receiver
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(at).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::spawn(script(number, stream));
            }
        });
        Receiver { address, connections, task }
    }

    /// A receiver that answers every request with this, and closes.
    pub(super) async fn answering(answer: &str) -> Receiver {
        let answer = answer.to_owned();
        Receiver::start("127.0.0.1:0", move |_, mut stream| {
            let answer = answer.clone();
            async move {
                request(&mut stream).await;
                say(&mut stream, &answer).await;
            }
        })
        .await
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/in", self.address)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads a request whole: its head and its body.
pub(super) async fn request(stream: &mut (impl AsyncRead + Unpin)) -> (String, String) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |text| text.parse().unwrap());
            if bytes.len() >= end + 4 + length {
                return (head, String::from_utf8_lossy(&bytes[end + 4..]).into_owned());
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return (String::new(), String::new()),
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

/// Writes as far as somebody reads.
pub(super) async fn say(stream: &mut TcpStream, text: &str) {
    let _gone = stream.write_all(text.as_bytes()).await;
    let _gone = stream.shutdown().await;
}

/// An answer with these lines of head and this body.
pub(super) fn answer(status: &str, head: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{head}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

/// Definitions with one subscription `front/tasks` that sends to a URL, with more keys of the action.
pub(super) fn definitions(url: &str, more: Value) -> Value {
    let mut action = json!({"webhook": url});
    action.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({
        "topics": {"tasks": {}},
        "agents": {"/front": {"subscriptions": [{"topic": "tasks", "action": action,
            "retry": {"max_retries": 1, "initial_delay": "1ms", "max_delay": "1ms"}}]}}
    })
}

/// Sends a test event to `front/tasks`, and returns what came of it.
pub(super) async fn tested(server: &Server) -> Value {
    server.operate("/v1/subscriptions/front/tasks/test", json!({})).await.is(200)
}

/// Class and message of a test that failed.
pub(super) async fn failed(server: &Server) -> (String, String) {
    let tested = tested(server).await;
    assert_eq!(tested["acknowledged"], false, "{tested}");
    let text = |name: &str| tested[name].as_str().unwrap_or_default().to_owned();
    (text("class"), text("message"))
}

/// What a name server says to a question: addresses, or a code of its own.
pub(super) type Said = Result<Vec<IpAddr>, u8>;

/// A name server on a UDP socket. It says what the script gives for the n-th question, counting from one, for IPv6 or not.
pub(super) async fn name_server(
    script: impl Fn(usize, bool) -> Said + Send + 'static,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    tokio::spawn(async move {
        let mut question = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question).await {
            let question = &question[..length];
            let is_v6 = question[length - 3] == 28;
            let (code, addresses) = match script(counted.fetch_add(1, Ordering::SeqCst) + 1, is_v6) {
                Ok(addresses) => (0, addresses),
                Err(code) => (code, Vec::new()),
            };
            let mut reply = question[..2].to_vec();
            reply.extend([0x81, 0x80 | code, 0, 1]);
            reply.extend(u16::try_from(addresses.len()).unwrap().to_be_bytes());
            reply.extend([0, 0, 0, 0]);
            reply.extend(&question[12..]);
            for address in addresses {
                let octets = match address {
                    IpAddr::V4(address) => address.octets().to_vec(),
                    IpAddr::V6(address) => address.octets().to_vec(),
                };
                reply.extend([0xc0, 12, 0, if octets.len() == 4 { 1 } else { 28 }, 0, 1, 0, 0, 0, 0, 0]);
                reply.push(u8::try_from(octets.len()).unwrap());
                reply.extend(octets);
            }
            socket.send_to(&reply, from).await.unwrap();
        }
    });
    (address, asked)
}

/// Asks one name server over UDP, for both kinds of addresses.
pub(super) struct Asking(pub(super) SocketAddr);

impl Resolve for Asking {
    fn resolve(&self, host: &str) -> Resolved {
        let (server, host) = (self.0, host.to_owned());
        Box::pin(async move {
            let mut all = Vec::new();
            for kind in [1u8, 28] {
                all.extend(ask(server, &host, kind).await?);
            }
            Ok(all)
        })
    }
}

async fn ask(server: SocketAddr, host: &str, kind: u8) -> std::io::Result<Vec<IpAddr>> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    let mut question = vec![7, kind, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in host.split('.') {
        question.push(u8::try_from(label.len()).unwrap());
        question.extend(label.as_bytes());
    }
    question.extend([0, 0, kind, 0, 1]);
    socket.send_to(&question, server).await?;
    let mut reply = vec![0; 65_535];
    let (length, _) = socket.recv_from(&mut reply).await?;
    let reply = &reply[..length];
    if reply[3] & 15 != 0 {
        return Err(std::io::Error::other(format!("the name server answered with code {}", reply[3] & 15)));
    }
    let (count, mut at) = (u16::from_be_bytes([reply[6], reply[7]]), question.len());
    let mut addresses = Vec::new();
    for _ in 0..count {
        let length = usize::from(u16::from_be_bytes([reply[at + 10], reply[at + 11]]));
        let octets = &reply[at + 12..at + 12 + length];
        addresses.push(match length {
            4 => IpAddr::from(<[u8; 4]>::try_from(octets).unwrap()),
            _ => IpAddr::from(<[u8; 16]>::try_from(octets).unwrap()),
        });
        at += 12 + length;
    }
    Ok(addresses)
}
