//! The system calls a confined program has no business with. They fail with EPERM, as for any unprivileged program.

use std::io;

use libc::sock_filter;

use super::kernel;

/// Doors out of a sandbox, and into the kernel's less walked rooms.
const REFUSED: &[libc::c_long] = &[
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    // The kernel itself.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_fanotify_init,
    libc::SYS_syslog,
    // The machine.
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
];
/// Sockets for local, IPv4 and IPv6 traffic, and for asking about interfaces. Others (such as vsock) know no namespaces.
const FAMILIES: [libc::c_int; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
const NAMESPACES: libc::c_int = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("name this architecture's audit number here");

/// Where the kernel shows a filter what was called.
const NUMBER: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;
const ARGUMENTS: u32 = 16;
/// Calls of the x32 interface have this bit and would walk past every number here.
const X32: u32 = 0x4000_0000;

/// Refuses such calls for this process and all it starts, for good.
pub(super) fn refuse() -> io::Result<()> {
    kernel::install_filter(&mut filter())
}

fn filter() -> Vec<sock_filter> {
    let mut filter = vec![
        load(ARCHITECTURE_AT),
        skip_if_equal(ARCHITECTURE, 1),
        answer(libc::SECCOMP_RET_KILL_PROCESS),
        load(NUMBER),
        skip_unless_at_least(X32, 1),
        answer(libc::SECCOMP_RET_KILL_PROCESS),
    ];
    for number in REFUSED {
        filter.extend([skip_unless_equal(call(*number), 1), refused(libc::EPERM)]);
    }
    // Its arguments are in memory, where a filter can not see them; the C library falls back to `clone`.
    filter.extend([skip_unless_equal(call(libc::SYS_clone3), 1), refused(libc::ENOSYS)]);
    let new_namespace =
        [load(ARGUMENTS), skip_unless_any(NAMESPACES.cast_unsigned(), 1), refused(libc::EPERM)];
    when_called(&mut filter, libc::SYS_clone, &new_namespace);
    // Typing into a terminal that somebody else reads.
    let types_ahead = [
        load(ARGUMENTS + 8),
        skip_if_equal(libc::TIOCSTI as u32, 1),
        skip_unless_equal(libc::TIOCLINUX as u32, 1),
        refused(libc::EPERM),
    ];
    when_called(&mut filter, libc::SYS_ioctl, &types_ahead);
    let [first, second, third, fourth] = FAMILIES.map(libc::c_int::cast_unsigned);
    let other_family = [
        load(ARGUMENTS),
        skip_if_equal(first, 4),
        skip_if_equal(second, 3),
        skip_if_equal(third, 2),
        skip_if_equal(fourth, 1),
        refused(libc::EAFNOSUPPORT),
    ];
    when_called(&mut filter, libc::SYS_socket, &other_family);
    filter.push(answer(libc::SECCOMP_RET_ALLOW));
    filter
}

/// Adds steps for one call; they end it or fall through.
fn when_called(filter: &mut Vec<sock_filter>, number: libc::c_long, steps: &[sock_filter]) {
    let length = u8::try_from(steps.len()).expect("a handful of steps");
    filter.push(skip_unless_equal(call(number), length + 1));
    filter.extend_from_slice(steps);
    filter.push(load(NUMBER));
}

fn call(number: libc::c_long) -> u32 {
    u32::try_from(number).expect("numbers of system calls are small")
}

fn load(offset: u32) -> sock_filter {
    step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0, 0)
}

fn answer(value: u32) -> sock_filter {
    step(libc::BPF_RET | libc::BPF_K, value, 0, 0)
}

fn refused(errno: libc::c_int) -> sock_filter {
    answer(libc::SECCOMP_RET_ERRNO | errno.cast_unsigned())
}

fn skip_if_equal(value: u32, steps: u8) -> sock_filter {
    step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value, steps, 0)
}

fn skip_unless_equal(value: u32, steps: u8) -> sock_filter {
    step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value, 0, steps)
}

fn skip_unless_at_least(value: u32, steps: u8) -> sock_filter {
    step(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, value, 0, steps)
}

fn skip_unless_any(bits: u32, steps: u8) -> sock_filter {
    step(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, bits, 0, steps)
}

fn step(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}
