//! Hostile programs that a shell can not play: this test binary plays them, inside the sandbox.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::path::Path;
use std::time::Duration;

use super::super::roles;
use super::Spec;

const PART: &str = "HOSTILE_PART";

pub(super) fn spec(part: &str, cwd: &Path) -> Spec {
    let this = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    let mut arguments = roles::arguments("strict::hostile::hostile_role");
    // The roles' own module is not where this one is.
    arguments[0] = format!("{}::hostile_role", module_path!().split_once("::").unwrap().1);
    let mut spec = Spec::new([this].into_iter().chain(arguments), cwd);
    spec.env.push((PART.into(), part.into()));
    spec
}

#[test]
#[ignore = "is the program the other tests confine"]
fn hostile_role() {
    let Ok(part) = std::env::var(PART) else { return };
    let (name, rest) = part.split_once(' ').unwrap_or((&part, ""));
    match name {
        "allocate" => allocate(),
        "open" => open_everything(),
        "connect" => connect(rest),
        "ask-dns" => ask_dns(),
        "calls" => calls(),
        other => panic!("no part {other}"),
    }
}

/// Eight GiB, as one piece and as many.
fn allocate() {
    let whole = Vec::<u8>::new().try_reserve_exact(8 << 30);
    println!("whole={}", if whole.is_ok() { "given" } else { "refused" });
    let mut pieces = Vec::new();
    for _ in 0..128 {
        let mut piece = Vec::<u8>::new();
        if piece.try_reserve_exact(64 << 20).is_err() {
            break;
        }
        pieces.push(piece);
    }
    println!("pieces={}", if pieces.len() == 128 { "given" } else { "refused" });
}

fn open_everything() {
    let mut files = Vec::new();
    while files.len() < 100_000 {
        match File::open("/dev/null") {
            Ok(file) => files.push(file),
            Err(_) => break,
        }
    }
    println!("opened={}", files.len());
}

fn connect(addresses: &str) {
    for address in addresses.split(' ') {
        let Some(to) = address.to_socket_addrs().ok().and_then(|mut all| all.next()) else {
            println!("{address}=refused");
            continue;
        };
        let connected = TcpStream::connect_timeout(&to, Duration::from_secs(20)).and_then(|mut stream| {
            stream.write_all(b"hello")?;
            stream.read(&mut [0])
        });
        println!("{address}={}", if connected.is_ok() { "connected" } else { "refused" });
    }
}

fn ask_dns() {
    let query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01";
    let sent = UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.send_to(query, "8.8.8.8:53"));
    println!("udp={}", if sent.is_ok() { "sent" } else { "refused" });
    println!("name={}", if ("example.com", 80).to_socket_addrs().is_ok() { "resolved" } else { "refused" });
}

/// Calls that lead out of sandboxes: each must fail, whatever the reason.
fn calls() {
    type Call = fn() -> libc::c_long;
    let tries: [(&str, Call); 10] = [
        #[expect(
            unsafe_code,
            reason = "a hostile program makes hostile calls; all are refused before they read anything"
        )]
        // SAFETY: all arguments are numbers or null.
        ("unshare", || unsafe { libc::syscall(libc::SYS_unshare, libc::CLONE_NEWUSER) }),
        #[expect(unsafe_code, reason = "as above")]
        // SAFETY: as above.
        ("mount", || unsafe {
            libc::syscall(libc::SYS_mount, c"none".as_ptr(), c"/tmp".as_ptr(), c"tmpfs".as_ptr(), 0, 0)
        }),
        #[expect(unsafe_code, reason = "as above")]
        // SAFETY: as above.
        ("ptrace", || unsafe { libc::syscall(libc::SYS_ptrace, 16, 1, 0, 0) }),
        #[expect(unsafe_code, reason = "as above")]
        // SAFETY: as above.
        ("bpf", || unsafe { libc::syscall(libc::SYS_bpf, 0, 0, 0) }),
        #[expect(unsafe_code, reason = "as above")]
        // SAFETY: as above.
        ("keyctl", || unsafe { libc::syscall(libc::SYS_keyctl, 0, -3, 0) }),
        #[expect(unsafe_code, reason = "as above")]
        // SAFETY: as above.
        ("io_uring", || unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, 0) }),
        #[expect(unsafe_code, reason = "as above")]
        // SAFETY: as above.
        ("setuid", || unsafe { libc::syscall(libc::SYS_setuid, 12345) }),
        #[expect(unsafe_code, reason = "as above")]
        // SAFETY: as above.
        ("vsock", || unsafe { libc::syscall(libc::SYS_socket, libc::AF_VSOCK, libc::SOCK_STREAM, 0) }),
        #[expect(unsafe_code, reason = "as above")]
        // SAFETY: as above.
        ("clone", || unsafe {
            libc::syscall(libc::SYS_clone, libc::CLONE_NEWUSER | libc::SIGCHLD, 0, 0, 0, 0)
        }),
        #[expect(unsafe_code, reason = "as above")]
        // SAFETY: as above.
        ("raise-limit", || unsafe {
            let more = libc::rlimit { rlim_cur: 1 << 20, rlim_max: 1 << 20 };
            libc::c_long::from(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const more))
        }),
    ];
    for (name, call) in tries {
        println!("{name}={}", if call() < 0 { "refused" } else { "allowed" });
    }
}
