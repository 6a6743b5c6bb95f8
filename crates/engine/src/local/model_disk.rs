//! A disk in memory that behaves as badly as a real one may: what is not synced survives a power loss in part or not at all,
//! directory entries too; a sync can fail and lose what it should have kept, while reads go on showing it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{Access, Disk, DiskFile, Guard, Locked};

const SECTOR: usize = 512;
/// What is written past the page cache begins and ends at multiples of it.
const BLOCK: u64 = 4096;

/// A model of a disk. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct ModelDisk {
    world: Arc<Mutex<World>>,
}

/// What goes wrong, and when. Operations that change something are counted from 1.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// The power goes before this operation; it and all later ones fail.
    pub power_loss_at: Option<u64>,
    /// This sync of a file fails, counted among syncs from 1.
    pub failing_sync: Option<u64>,
    /// How many bytes fit.
    pub bytes_max: Option<u64>,
    /// Reads and writes past the page cache are not supported.
    pub no_device_reads: bool,
    /// The disk lies: it says that bytes of files are safe, and they are not. Out of promise; a simulation that does not
    /// notice is worth nothing.
    pub lying_syncs: bool,
    /// The same of directory entries.
    pub lying_directory_syncs: bool,
}

#[derive(Debug, Default)]
struct World {
    files: Vec<Content>,
    /// What readers see.
    names: BTreeMap<PathBuf, usize>,
    /// What survives a power loss for certain.
    durable_names: BTreeMap<PathBuf, usize>,
    /// Changes of names since, in order, by directory.
    pending: Vec<Change>,
    locked: BTreeSet<PathBuf>,
    faults: Faults,
    operations: u64,
    syncs: u64,
    /// A fault has struck since the faults were set.
    struck: bool,
}

#[derive(Debug, Clone)]
enum Change {
    Set(PathBuf, usize),
    /// A further name.
    Link(PathBuf, usize),
    Remove(PathBuf),
}

/// The bytes of one file: as the page cache shows them, and as the device has them.
#[derive(Debug, Default, Clone)]
struct Content {
    cached: Vec<u8>,
    device: Vec<u8>,
    dirty: BTreeSet<usize>,
    unreadable: BTreeSet<usize>,
}

impl Default for ModelDisk {
    fn default() -> Self {
        Self::new(Faults::default())
    }
}

impl ModelDisk {
    /// Returns an empty disk.
    pub fn new(faults: Faults) -> Self {
        Self { world: Arc::new(Mutex::new(World { faults, ..World::default() })) }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what goes wrong from now on; the counts start again.
    pub fn set_faults(&self, faults: Faults) {
        let mut world = self.world();
        world.faults = faults;
        world.operations = 0;
        world.syncs = 0;
        world.struck = false;
    }

    /// Tells whether the power went or a sync failed since the faults were set.
    pub fn has_struck(&self) -> bool {
        self.world().struck
    }

    /// Returns how many bytes all files take.
    pub fn used_bytes(&self) -> u64 {
        self.world().used()
    }

    /// Returns a hash of all names and bytes, as readers see them.
    pub fn digest(&self) -> u64 {
        let world = self.world();
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        for (path, &file) in &world.names {
            hasher.update(path.as_os_str().as_encoded_bytes());
            hasher.update(&(world.files[file].cached.len() as u64).to_le_bytes());
            hasher.update(&world.files[file].cached);
        }
        hasher.digest()
    }

    /// Returns how many operations have changed something since the faults were set.
    pub fn operations(&self) -> u64 {
        self.world().operations
    }

    /// Returns how many syncs of files there were since the faults were set.
    pub fn syncs(&self) -> u64 {
        self.world().syncs
    }

    /// Returns the disk as it is after a power loss now: synced bytes, and a part of the others that `seed` chooses.
    pub fn after_power_loss(&self, seed: u64) -> Self {
        let world = self.world();
        let mut chance = Chance(seed);
        let mut names = world.durable_names.clone();
        let kept = chance.below(world.pending.len() as u64 + 1) as usize;
        for change in &world.pending[..kept] {
            apply(&mut names, change);
        }
        let files = world.files.iter().map(|content| content.after_power_loss(&mut chance)).collect();
        let after = World { files, durable_names: names.clone(), names, ..World::default() };
        Self { world: Arc::new(Mutex::new(after)) }
    }

    /// Returns the bytes of a file as readers see them.
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let world = self.world();
        world.names.get(path).map(|&file| world.files[file].cached.clone())
    }

    /// Changes a file's bytes behind everybody's back, on the device and in the cache: rot.
    pub fn tamper(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut world = self.world();
        let Some(&file) = world.names.get(path) else { return };
        let content = &mut world.files[file];
        change(&mut content.cached);
        content.device = content.cached.clone();
        content.dirty.clear();
    }

    /// Makes the device refuse to read the 4096 bytes around a place.
    pub fn make_unreadable(&self, path: &Path, offset: u64) {
        let mut world = self.world();
        let Some(&file) = world.names.get(path) else { return };
        world.files[file].unreadable.insert(offset as usize / 4096);
    }

    /// Returns the paths of all files.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.world().names.keys().cloned().collect()
    }
}

impl World {
    fn operation(&mut self) -> io::Result<()> {
        self.operations += 1;
        match self.faults.power_loss_at {
            Some(at) if self.operations >= at => {
                self.struck = true;
                Err(io::Error::other("the power is gone"))
            }
            _ => Ok(()),
        }
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.names, &change);
        self.pending.push(change);
    }

    fn used(&self) -> u64 {
        self.names.values().map(|&file| self.files[file].cached.len() as u64).sum()
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn apply(names: &mut BTreeMap<PathBuf, usize>, change: &Change) {
    match change {
        Change::Set(path, file) => {
            // A rename: the old name goes. Only files that are renamed no more get a further one.
            names.retain(|_, named| named != file);
            names.insert(path.clone(), *file);
        }
        Change::Link(path, file) => {
            names.insert(path.clone(), *file);
        }
        Change::Remove(path) => {
            names.remove(path);
        }
    }
}

impl Content {
    fn after_power_loss(&self, chance: &mut Chance) -> Self {
        let mut device = self.device.clone();
        for &sector in &self.dirty {
            if chance.below(2) == 0 {
                continue;
            }
            let start = sector * SECTOR;
            let Some(bytes) = self.cached.get(start..self.cached.len().min(start + SECTOR)) else { continue };
            if device.len() < start + bytes.len() {
                device.resize(start + bytes.len(), 0);
            }
            device[start..start + bytes.len()].copy_from_slice(bytes);
        }
        Self { cached: device.clone(), device, dirty: BTreeSet::new(), unreadable: self.unreadable.clone() }
    }

    fn flush(&mut self) {
        for sector in std::mem::take(&mut self.dirty) {
            let start = sector * SECTOR;
            let end = self.cached.len().min(start + SECTOR);
            if self.device.len() < end {
                self.device.resize(end, 0);
            }
            if start < end {
                self.device[start..end].copy_from_slice(&self.cached[start..end]);
            }
        }
        if self.device.len() < self.cached.len() {
            self.device.resize(self.cached.len(), 0);
        }
    }

    fn read(&self, bytes: &[u8], offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let start = (offset as usize).min(bytes.len());
        let count = buffer.len().min(bytes.len() - start);
        if count > 0
            && (start / 4096..=(start + count - 1) / 4096).any(|block| self.unreadable.contains(&block))
        {
            return Err(io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error()));
        }
        buffer[..count].copy_from_slice(&bytes[start..start + count]);
        Ok(count)
    }
}

impl Disk for ModelDisk {
    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut world = self.world();
        world.operation()?;
        let file = world.files.len();
        world.files.push(Content::default());
        world.change(Change::Set(path.to_owned(), file));
        Ok(Arc::new(ModelFile { disk: self.clone(), file }))
    }

    fn open(&self, path: &Path, _access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.world().find(path)?;
        Ok(Arc::new(ModelFile { disk: self.clone(), file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.operation()?;
        let file = world.find(from)?;
        world.change(Change::Set(to.to_owned(), file));
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.operation()?;
        let file = world.find(from)?;
        world.change(Change::Link(to.to_owned(), file));
        Ok(())
    }

    fn is_linked(&self, path: &Path) -> io::Result<bool> {
        let world = self.world();
        let file = world.find(path)?;
        Ok(world.names.values().filter(|named| **named == file).count() > 1)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.operation()?;
        world.find(path)?;
        world.change(Change::Remove(path.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.operation()?;
        if world.faults.lying_directory_syncs {
            return Ok(());
        }
        world.durable_names = world.names.clone();
        world.pending.clear();
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let world = self.world();
        let inside = world.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn free_bytes(&self, _dir: &Path) -> io::Result<u64> {
        let world = self.world();
        Ok(world.faults.bytes_max.map_or(u64::MAX, |bytes_max| bytes_max.saturating_sub(world.used())))
    }

    fn lock(&self, path: &Path) -> io::Result<Locked> {
        if !self.world().locked.insert(path.to_owned()) {
            return Ok(Locked::Taken(Some(std::process::id())));
        }
        Ok(Locked::Held(Box::new(ModelLock { disk: self.clone(), path: path.to_owned() })))
    }
}

#[derive(Debug)]
struct ModelLock {
    disk: ModelDisk,
    path: PathBuf,
}

impl Guard for ModelLock {}

impl Drop for ModelLock {
    fn drop(&mut self) {
        self.disk.world().locked.remove(&self.path);
    }
}

#[derive(Debug)]
struct ModelFile {
    disk: ModelDisk,
    file: usize,
}

impl DiskFile for ModelFile {
    fn pread(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let world = self.disk.world();
        let content = &world.files[self.file];
        content.read(&content.cached, offset, buffer)
    }

    fn pread_device(&self, offset: u64, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let mut world = self.disk.world();
        if world.faults.no_device_reads {
            return Ok(None);
        }
        // A direct read first writes out what is dirty, as real file systems do.
        world.files[self.file].flush();
        let content = &world.files[self.file];
        content.read(&content.device, offset, buffer).map(Some)
    }

    fn pwrite(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let mut world = self.disk.world();
        world.operation()?;
        let end = offset as usize + bytes.len();
        let grows = (end as u64).saturating_sub(world.files[self.file].cached.len() as u64);
        if world.faults.bytes_max.is_some_and(|bytes_max| world.used() + grows > bytes_max) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let content = &mut world.files[self.file];
        if content.cached.len() < end {
            content.cached.resize(end, 0);
        }
        content.cached[offset as usize..end].copy_from_slice(bytes);
        if !bytes.is_empty() {
            content.dirty.extend(offset as usize / SECTOR..=(end - 1) / SECTOR);
        }
        Ok(bytes.len())
    }

    fn pwrite_device(&self, offset: u64, bytes: &[u8]) -> io::Result<Option<usize>> {
        let is_aligned = offset.is_multiple_of(BLOCK) && (bytes.len() as u64).is_multiple_of(BLOCK);
        if self.disk.world().faults.no_device_reads || !is_aligned {
            return Ok(None);
        }
        // Until the next sync the device may have any of its sectors, as of all writes.
        self.pwrite(offset, bytes).map(Some)
    }

    fn fdatasync(&self) -> io::Result<()> {
        let mut world = self.disk.world();
        world.operation()?;
        world.syncs += 1;
        if world.faults.failing_sync == Some(world.syncs) {
            // The pages count as clean from now on, and the device does not have them.
            world.files[self.file].dirty.clear();
            world.struck = true;
            return Err(io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error()));
        }
        if !world.faults.lying_syncs {
            world.files[self.file].flush();
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.world().files[self.file].cached.len() as u64)
    }
}

/// Numbers from a seed (SplitMix64).
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound.max(1)
    }
}
