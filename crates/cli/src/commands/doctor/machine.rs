//! Checks of this machine beyond the token and the space: what the state lies on, who can read it, how many files may be open.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::finding::Finding;

/// A server with many clients needs more than this many descriptors.
const OPEN_FILES_WANTED: u64 = 4_096;

/// File systems by the number the kernel gives them, and what is wrong with keeping state there.
const UNSAFE_FILE_SYSTEMS: &[(u64, &str, &str)] = &[
    (0x0102_1994, "tmpfs", "it is memory: everything is lost with the machine's power"),
    (0x8584_58f6, "ramfs", "it is memory: everything is lost with the machine's power"),
    (0x794c_7630, "overlayfs", "it goes with the container: give the state a volume"),
    (0x6969, "NFS", "a sync there is not what it is on a disk, and locks are not kept"),
    (0xff53_4d42, "CIFS", "a sync there is not what it is on a disk, and locks are not kept"),
    (0xfe53_4d42, "SMB", "a sync there is not what it is on a disk, and locks are not kept"),
    (0x0102_1997, "9p", "a sync there is not what it is on a disk"),
];

/// Looks at the folder where state is kept, and at this user's limits.
pub(super) fn look(data_dir: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    if data_dir.is_dir() {
        findings.extend(file_system(data_dir));
        findings.extend(readers(data_dir));
    }
    findings.push(open_files(rustix::process::getrlimit(rustix::process::Resource::Nofile).current));
    findings
}

fn file_system(folder: &Path) -> Option<Finding> {
    // The disk's own check says when the folder can not be looked at.
    let kind = rustix::fs::statfs(folder).ok()?.f_type as u64;
    Some(of_file_system(folder, kind))
}

fn of_file_system(folder: &Path, kind: u64) -> Finding {
    let shown = folder.display();
    match UNSAFE_FILE_SYSTEMS.iter().find(|(number, ..)| *number == kind) {
        Some((_, name, why)) => Finding::warn(
            "file system",
            format!("{shown} is on {name}: {why}"),
            "keep the state on a local disk: --data-dir FOLDER",
        ),
        None => Finding::ok("file system", format!("{shown} is on a file system that keeps what is synced")),
    }
}

fn readers(folder: &Path) -> Option<Finding> {
    let mode = std::fs::metadata(folder).ok()?.permissions().mode() & 0o777;
    let shown = folder.display();
    Some(match mode & 0o077 {
        0 => Finding::ok("data", format!("{shown} is for its owner only")),
        _ => Finding::warn(
            "data",
            format!("{shown} can be entered by others (mode {mode:o}): events can be read past every token"),
            format!("chmod 700 {shown}"),
        ),
    })
}

fn open_files(limit: Option<u64>) -> Finding {
    match limit {
        Some(limit) if limit < OPEN_FILES_WANTED => Finding::warn(
            "open files",
            format!("{limit} may be open; each connection and each program needs some"),
            format!("ulimit -n {OPEN_FILES_WANTED}, or LimitNOFILE={OPEN_FILES_WANTED} in the systemd unit"),
        ),
        Some(limit) => Finding::ok("open files", format!("{limit} may be open")),
        None => Finding::ok("open files", "no limit"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn state_in_memory_or_on_a_network_is_a_warning_and_a_disk_is_not() {
        let folder = Path::new("data");
        for (kind, name) in [(0x0102_1994, "tmpfs"), (0x6969, "NFS"), (0x794c_7630, "overlayfs")] {
            let finding = of_file_system(folder, kind);
            assert_eq!(finding.level, Level::Warn);
            assert!(finding.detail.contains(name), "{}", finding.detail);
        }
        assert_eq!(of_file_system(folder, 0xef53).level, Level::Ok);
    }

    #[test]
    fn a_folder_that_others_can_enter_is_a_warning_with_its_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let mode =
            |mode| std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        mode(0o755);
        let finding = readers(folder.path()).unwrap();
        assert_eq!(finding.level, Level::Warn);
        assert!(finding.remedy.unwrap().starts_with("chmod 700 "));
        mode(0o700);
        assert_eq!(readers(folder.path()).unwrap().level, Level::Ok);
    }

    #[test]
    fn few_descriptors_are_a_warning() {
        assert_eq!(open_files(Some(1_024)).level, Level::Warn);
        assert_eq!([open_files(Some(65_536)).level, open_files(None).level], [Level::Ok; 2]);
    }
}
