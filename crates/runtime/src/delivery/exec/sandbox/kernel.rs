//! The few calls no crate makes for us. All are for the first process of a sandbox, which has one thread.

use std::ffi::{CStr, CString, c_char, c_int, c_long};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::process::Pid;

/// The attributes of a mount, as `mount_setattr` takes them.
pub(super) const MOUNT_READ_ONLY: u64 = 1;
pub(super) const MOUNT_NO_SETUID: u64 = 2;
pub(super) const MOUNT_NO_DEVICES: u64 = 4;
pub(super) const MOUNT_NO_EXEC: u64 = 8;

#[repr(C)]
#[derive(Default)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
}

#[repr(C)]
#[derive(Default)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Which side of a fork this is.
pub(super) enum Side {
    Parent(Pid),
    Child,
}

/// Forks into namespaces of their own: users, mounts, processes, System V messages, and the network if asked for.
pub(super) fn clone_apart(own_network: bool) -> io::Result<Side> {
    let mut flags = libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC;
    if own_network {
        flags |= libc::CLONE_NEWNET;
    }
    let arguments = CloneArguments {
        flags: u64::from(flags.cast_unsigned()),
        exit_signal: u64::from(libc::SIGCHLD.cast_unsigned()),
        ..CloneArguments::default()
    };
    #[expect(unsafe_code, reason = "no crate offers a fork into new namespaces")]
    // SAFETY: without CLONE_VM this is a fork. The guardian has no other thread that could hold a lock now.
    let result =
        unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<CloneArguments>()) };
    side(result)
}

/// Forks.
pub(super) fn fork() -> io::Result<Side> {
    #[expect(unsafe_code, reason = "the first process stays to reap, so the program needs one of its own")]
    // SAFETY: the process has one thread.
    let result = unsafe { libc::fork() };
    side(c_long::from(result))
}

fn side(result: c_long) -> io::Result<Side> {
    match i32::try_from(result).unwrap_or(-1) {
        0 => Ok(Side::Child),
        pid if pid > 0 => Ok(Side::Parent(Pid::from_raw(pid).expect("greater than 0 in this arm"))),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sets attributes of a mount, and of all below it if `recursive`.
pub(super) fn set_mount(mount: BorrowedFd<'_>, set: u64, recursive: bool) -> io::Result<()> {
    let attributes = MountAttributes { set, ..MountAttributes::default() };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    #[expect(unsafe_code, reason = "no crate offers mount_setattr, and only it reaches mounts below mounts")]
    // SAFETY: the path is a C string, and the structure has the size that is given.
    let result = unsafe {
        let attributes = &raw const attributes;
        let size = size_of::<MountAttributes>();
        libc::syscall(libc::SYS_mount_setattr, mount.as_raw_fd(), c"".as_ptr(), flags, attributes, size)
    };
    checked(result)
}

/// Marks every file but standard input, output and error to be closed by the next program.
pub(super) fn close_others_on_exec() -> io::Result<()> {
    close_range(3, libc::CLOSE_RANGE_CLOEXEC)
}

/// Closes every file from this number on.
pub(super) fn close_from(first: u32) -> io::Result<()> {
    close_range(first, 0)
}

fn close_range(first: u32, flags: u32) -> io::Result<()> {
    #[expect(unsafe_code, reason = "files can only be closed together by number")]
    // SAFETY: called right before a process stops using files it owns by number.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) };
    checked(result)
}

/// Runs an open program. Returns only if that fails.
pub(super) fn run(program: BorrowedFd<'_>, arguments: &[CString], environment: &[CString]) -> io::Error {
    let list = |texts: &[CString]| -> Vec<*const c_char> {
        texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (arguments, environment) = (list(arguments), list(environment));
    #[expect(unsafe_code, reason = "only execveat runs the very file that was checked")]
    // SAFETY: both lists end in null and point to C strings that outlive the call.
    unsafe {
        let (empty, flags) = (c"".as_ptr(), libc::AT_EMPTY_PATH);
        let program = program.as_raw_fd();
        libc::syscall(libc::SYS_execveat, program, empty, arguments.as_ptr(), environment.as_ptr(), flags);
    }
    io::Error::last_os_error()
}

/// Makes signals behave as programs expect them: none blocked, and a broken pipe ends a program.
pub(super) fn usual_signals() {
    #[expect(
        unsafe_code,
        reason = "the standard library ignores SIGPIPE, and programs must not inherit that"
    )]
    // SAFETY: no handler is installed, and the set is initialised before it is used.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Installs a filter of system calls for good.
pub(super) fn install_filter(filter: &mut [libc::sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(io::Error::other)?,
        filter: filter.as_mut_ptr(),
    };
    #[expect(unsafe_code, reason = "the filter is given to the kernel by address")]
    // SAFETY: the kernel copies the filter, whose length is that of the slice.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    checked(result)
}

/// Gives a socket of the network namespace what it needs to reach itself: brings `lo` up.
pub(super) fn loopback_up(socket: BorrowedFd<'_>) -> io::Result<()> {
    let name = |target: &mut [c_char], name: &CStr| {
        for (to, from) in target.iter_mut().zip(name.to_bytes_with_nul()) {
            *to = from.cast_signed() as c_char;
        }
    };
    #[expect(unsafe_code, reason = "an interface is brought up by ioctl")]
    // SAFETY: the request is zeroed, and its flags are the field that this call reads.
    let result = unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        name(&mut request.ifr_name, c"lo");
        request.ifr_ifru.ifru_flags = libc::IFF_UP as i16;
        libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request)
    };
    checked(c_long::from(result))
}

/// Ends this process without running anything that was copied from the guardian.
pub(super) fn exit(code: c_int) -> ! {
    #[expect(unsafe_code, reason = "exit handlers of the guardian are not ours to run")]
    // SAFETY: ends the process.
    unsafe {
        libc::_exit(code)
    }
}

fn checked(result: c_long) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
