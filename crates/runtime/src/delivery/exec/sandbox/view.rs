//! The files a confined program sees: a root of its own, made of pieces of the machine's.
//!
//! All pieces are opened first, as detached mounts. Then the root is changed and the old one let go, and only then are the
//! pieces put in their places: whatever symbolic links lie in them, no path leads out any more.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags,
    UnmountFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen, mount_change, move_mount, open_tree,
    unmount,
};

use super::confinement::{Confinement, Place};
use super::kernel::{self, MOUNT_NO_DEVICES, MOUNT_NO_EXEC, MOUNT_NO_SETUID, MOUNT_READ_ONLY};
use crate::delivery::exec::outcome::SpawnFailure;

pub(super) type Failure = (SpawnFailure, String);

/// Where the system keeps its programs and libraries. What is a link stays one.
const SYSTEM: [&str; 10] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/gnu/store",
    "/run/current-system",
];
/// What programs look up about the machine; no keys and no passwords among it.
const SETTINGS: [&str; 30] = [
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "crypto-policies",
    "fonts",
    "gai.conf",
    "group",
    "host.conf",
    "hostname",
    "hosts",
    "inputrc",
    "java",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.conf",
    "localtime",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "passwd",
    "pki/ca-trust",
    "pki/tls/certs",
    "profile",
    "protocols",
    "resolv.conf",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
];
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];
const DEVICE_LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("shm", "/tmp"),
];
const TEMPORARY_FILES_MAX: &str = "100000";

/// Something that will be put in its place.
struct Piece {
    at: PathBuf,
    what: What,
}

enum What {
    Mount { mount: OwnedFd, folder: bool },
    Link(PathBuf),
}

/// A root that is ready to be entered.
pub(super) struct View {
    pieces: Vec<Piece>,
    proc: OwnedFd,
    root: OwnedFd,
    cwd: PathBuf,
}

impl View {
    /// Opens all pieces, in the machine's own view. `programs` are further files to be seen where they are.
    pub(super) fn open(confinement: &Confinement, cwd: &Path, programs: &[PathBuf]) -> Result<Self, Failure> {
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
            .map_err(refused("the mounts"))?;
        let mut pieces = Vec::new();
        for path in SYSTEM.map(PathBuf::from) {
            pieces.extend(system(path)?);
        }
        for path in SETTINGS.map(|name| Path::new("/etc").join(name)) {
            pieces.extend(if_there(&path, &path, Access::Read)?);
        }
        let temporary = confinement.limits.file_bytes.to_string();
        let [size, files] = [("size", temporary.as_str()), ("nr_inodes", TEMPORARY_FILES_MAX)];
        let tmp = fresh("tmpfs", &[size, files, ("mode", "1777")], MountAttrFlags::empty())?;
        pieces.push(Piece::folder("/tmp", tmp));
        for path in DEVICES.map(|name| Path::new("/dev").join(name)) {
            pieces.extend(if_there(&path, &path, Access::Device)?);
        }
        for (name, target) in DEVICE_LINKS {
            pieces.push(Piece { at: Path::new("/dev").join(name), what: What::Link(target.into()) });
        }
        for path in programs {
            pieces.extend(if_there(path, path, Access::Read)?);
        }
        pieces.extend(declared(confinement)?);
        Ok(Self {
            pieces,
            proc: fresh("proc", &[], MountAttrFlags::MOUNT_ATTR_NOEXEC)?,
            root: fresh("tmpfs", &[("size", "32m"), ("mode", "755")], MountAttrFlags::empty())?,
            cwd: cwd.to_owned(),
        })
    }

    /// Makes it the root of this process and lets the machine's go. `folder` is any folder, to stand on meanwhile.
    pub(super) fn enter(&self, folder: &Path) -> Result<(), Failure> {
        let enter = || -> io::Result<()> {
            attach(&self.root, folder)?;
            rustix::process::chdir(folder)?;
            rustix::process::pivot_root(".", ".")?;
            unmount(".", UnmountFlags::DETACH)?;
            rustix::process::chdir("/")?;
            fs::create_dir("/proc")?;
            attach(&self.proc, Path::new("/proc"))
        };
        enter().map_err(|error| refused("a root of its own")(error.into_errno()))?;
        for piece in &self.pieces {
            piece.put().map_err(|error| {
                (
                    SpawnFailure::Sandbox,
                    format!("{} can not be shown to the program: {error}", piece.at.display()),
                )
            })?;
        }
        fs::create_dir_all(&self.cwd).map_err(|error| {
            (SpawnFailure::Folder, format!("`cwd` {} can not be used: {error}", self.cwd.display()))
        })
    }

    /// Takes away the right to change the root itself and `/proc`, and goes to the working folder.
    pub(super) fn seal(&self) -> Result<(), Failure> {
        let seal = || -> io::Result<()> {
            kernel::set_mount(self.proc.as_fd(), MOUNT_READ_ONLY | MOUNT_NO_SETUID | MOUNT_NO_EXEC, true)?;
            kernel::set_mount(self.root.as_fd(), MOUNT_READ_ONLY | MOUNT_NO_SETUID | MOUNT_NO_DEVICES, false)
        };
        seal().map_err(|error| refused("a read-only root")(error.into_errno()))?;
        rustix::process::chdir(&self.cwd).map_err(|error| {
            (SpawnFailure::Folder, format!("`cwd` {} can not be used: {error}", self.cwd.display()))
        })
    }
}

trait IntoErrno {
    fn into_errno(self) -> rustix::io::Errno;
}

impl IntoErrno for io::Error {
    fn into_errno(self) -> rustix::io::Errno {
        rustix::io::Errno::from_io_error(&self).unwrap_or(rustix::io::Errno::IO)
    }
}

impl Piece {
    fn folder(at: impl Into<PathBuf>, mount: OwnedFd) -> Self {
        Self { at: at.into(), what: What::Mount { mount, folder: true } }
    }

    fn put(&self) -> io::Result<()> {
        if let Some(parent) = self.at.parent() {
            fs::create_dir_all(parent)?;
        }
        match &self.what {
            What::Link(target) => std::os::unix::fs::symlink(target, &self.at),
            What::Mount { mount, folder } => {
                match folder {
                    true => fs::create_dir_all(&self.at)?,
                    false if !self.at.exists() => drop(fs::File::create_new(&self.at)?),
                    false => {}
                }
                attach(mount, &self.at)
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
    Device,
}

fn system(path: PathBuf) -> Result<Option<Piece>, Failure> {
    match fs::symlink_metadata(&path) {
        Ok(about) if about.is_symlink() => {
            let target = fs::read_link(&path).map_err(|error| unseen(&path, &error))?;
            Ok(Some(Piece { at: path, what: What::Link(target) }))
        }
        _ => if_there(&path, &path, Access::Read),
    }
}

fn if_there(source: &Path, at: &Path, access: Access) -> Result<Option<Piece>, Failure> {
    if source.exists() { piece(source, at, access).map(Some) } else { Ok(None) }
}

/// The declared places, outer ones first, and what must stay hidden in them.
fn declared(confinement: &Confinement) -> Result<Vec<Piece>, Failure> {
    let hidden: Vec<PathBuf> = confinement
        .hidden
        .iter()
        .filter(|path| path.exists())
        .map(|path| path.canonicalize().map_err(|error| unseen(path, &error)))
        .collect::<Result<_, _>>()?;
    let readable = confinement.readable.iter().map(|place| (place, Access::Read));
    let writable = confinement.writable.iter().map(|place| (place, Access::Write));
    let mut places: Vec<_> = readable.chain(writable).collect();
    places.sort_by_key(|(place, _)| place.path.components().count());
    let mut pieces = Vec::new();
    for (place, access) in places {
        let led_to = leads_to(place)?;
        let shown = place.path.display();
        if hidden.iter().any(|hidden| led_to.starts_with(hidden)) {
            let message =
                format!("{shown} holds the server's own state or a secret of its: no program may see it");
            return Err((SpawnFailure::Sandbox, message));
        }
        pieces.push(piece(&led_to, &place.path, access)?);
        for inside in hidden.iter().filter_map(|hidden| hidden.strip_prefix(&led_to).ok()) {
            if access == Access::Write {
                let message = format!(
                    "{shown} contains {}, which holds the server's own state or a secret of its: declare a folder inside \
                     {shown} as writable, or move that elsewhere",
                    led_to.join(inside).display()
                );
                return Err((SpawnFailure::Sandbox, message));
            }
            pieces.push(nothing(&led_to.join(inside), &place.path.join(inside))?);
        }
    }
    Ok(pieces)
}

/// Where a declared place leads, if that is where it led when it was declared.
fn leads_to(place: &Place) -> Result<PathBuf, Failure> {
    let now = place.path.canonicalize().map_err(|error| unseen(&place.path, &error))?;
    // One that was not there when it was declared may have been made since, but not as a link to somewhere else.
    let then = match &place.led_to {
        Some(then) => Some(then.clone()),
        None => place
            .path
            .parent()
            .zip(place.path.file_name())
            .and_then(|(parent, name)| Some(parent.canonicalize().ok()?.join(name))),
    };
    let plain = !place.path.components().any(|part| part == Component::ParentDir);
    match then {
        Some(then) if then != now && plain => {
            let message = format!(
                "{} leads to {} now, and led to {} when the definitions were installed: look at it, then restart the \
                 server or run `cantus apply` to accept it",
                place.path.display(),
                now.display(),
                then.display()
            );
            Err((SpawnFailure::Changed, message))
        }
        _ => Ok(now),
    }
}

/// An empty folder or file to cover what must not be seen.
fn nothing(hidden: &Path, at: &Path) -> Result<Piece, Failure> {
    if hidden.is_dir() {
        let empty = fresh("tmpfs", &[("size", "4k"), ("mode", "0")], MountAttrFlags::MOUNT_ATTR_RDONLY)?;
        return Ok(Piece::folder(at, empty));
    }
    piece(Path::new("/dev/null"), at, Access::Device)
}

fn piece(source: &Path, at: &Path, access: Access) -> Result<Piece, Failure> {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let mount = open_tree(CWD, source, flags).map_err(|error| unseen(source, &error.into()))?;
    let attributes = match access {
        Access::Read => MOUNT_READ_ONLY | MOUNT_NO_SETUID | MOUNT_NO_DEVICES,
        Access::Write => MOUNT_NO_SETUID | MOUNT_NO_DEVICES,
        Access::Device => MOUNT_NO_SETUID | MOUNT_NO_EXEC,
    };
    kernel::set_mount(mount.as_fd(), attributes, true)
        .map_err(|error| refused("mounts without rights")(error.into_errno()))?;
    Ok(Piece { at: at.to_owned(), what: What::Mount { mount, folder: source.is_dir() } })
}

/// A new file system.
fn fresh(kind: &'static str, settings: &[(&str, &str)], more: MountAttrFlags) -> Result<OwnedFd, Failure> {
    let make = || -> rustix::io::Result<OwnedFd> {
        let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
        for (name, value) in settings {
            fsconfig_set_string(context.as_fd(), *name, *value)?;
        }
        fsconfig_create(context.as_fd())?;
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | more;
        fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
    };
    make().map_err(refused(kind))
}

fn attach(mount: &OwnedFd, at: &Path) -> io::Result<()> {
    Ok(move_mount(mount.as_fd(), "", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}

fn unseen(path: &Path, error: &io::Error) -> Failure {
    let message = match error.kind() {
        io::ErrorKind::NotFound => {
            format!("{} is declared for the program and is not there: make it", path.display())
        }
        _ => format!("{} can not be shown to the program: {error}", path.display()),
    };
    (SpawnFailure::Sandbox, message)
}

/// The kernel does not give what a sandbox is made of.
fn refused(what: &'static str) -> impl Fn(rustix::io::Errno) -> Failure {
    move |error| {
        let error = io::Error::from(error);
        (SpawnFailure::Sandbox, super::start::kernel_refuses(&format!("{what}: {error}")))
    }
}
