//! Landlock, where the kernel has it: a second wall around the view of the files, which also covers sockets and signals.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, Scope,
};

use super::confinement::{Confinement, Network};

/// The newest version whose rights are asked for; an older kernel gives what it knows.
const NEWEST: ABI = ABI::V6;

/// Lets this process and those it starts read and run what is in view, and write only where that was declared.
pub(super) fn restrict(confinement: &Confinement) -> Result<(), String> {
    rules(confinement).map_err(|error| format!("Landlock: {error}"))
}

fn rules(confinement: &Confinement) -> Result<(), RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .scope(Scope::AbstractUnixSocket | Scope::Signal)?;
    if confinement.network == Network::None {
        ruleset = ruleset.handle_access(AccessNet::from_all(NEWEST))?;
    }
    let all = AccessFs::from_all(NEWEST);
    let devices = AccessFs::from_read(NEWEST) | AccessFs::WriteFile;
    let mut created = ruleset.create()?;
    let writable = confinement.writable.iter().map(|place| (place.path.as_path(), all));
    let ours = [("/", AccessFs::from_read(NEWEST)), ("/tmp", all), ("/dev", devices)];
    for (path, access) in
        ours.map(|(path, access)| (std::path::Path::new(path), access)).into_iter().chain(writable)
    {
        // What is not in view needs no rule.
        let Ok(opened) = PathFd::new(path) else { continue };
        let access = if path.is_dir() { access } else { access & AccessFs::from_file(NEWEST) };
        created = created.add_rule(PathBeneath::new(opened, access))?;
    }
    created.restrict_self()?;
    Ok(())
}

/// Returns the version of Landlock this kernel has; 0 if none.
pub(super) fn version() -> i64 {
    const VERSION: u32 = 1;
    #[expect(unsafe_code, reason = "the crate does not tell which version the kernel has")]
    // SAFETY: with this flag the call reads no memory and only returns a number.
    let version =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, VERSION) };
    version.max(0)
}
