//! What this process costs. What a system does not tell is `None`.

use std::time::Duration;

/// Processor time of all threads so far.
#[cfg(unix)]
pub(super) fn processor_time() -> Option<Duration> {
    of(rustix::time::ClockId::ProcessCPUTime)
}

/// Processor time of this thread so far.
#[cfg(unix)]
pub(super) fn thread_time() -> Option<Duration> {
    of(rustix::time::ClockId::ThreadCPUTime)
}

#[cfg(unix)]
fn of(clock: rustix::time::ClockId) -> Option<Duration> {
    rustix::time::clock_gettime(clock).try_into().ok()
}

/// Memory that is really there, in bytes.
#[cfg(target_os = "linux")]
pub(super) fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kibibytes.checked_mul(1_024)
}

/// The processors that this process may use.
#[cfg(target_os = "linux")]
pub(super) fn processors() -> std::io::Result<Vec<usize>> {
    let set = rustix::thread::sched_getaffinity(None)?;
    let all = 0..rustix::thread::CpuSet::MAX_CPU;
    Ok(all.filter(|processor| set.is_set(*processor)).collect())
}

/// Binds this thread to a processor.
#[cfg(target_os = "linux")]
pub(super) fn bind(processor: usize) -> std::io::Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    set.set(processor);
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

/// The system and its version.
#[cfg(unix)]
pub(super) fn system() -> Option<String> {
    let name = rustix::system::uname();
    let (system, release) = (name.sysname(), name.release());
    Some(format!(
        "{} {}",
        system.to_string_lossy(),
        release.to_string_lossy()
    ))
}

/// Takes as many descriptors as the system gives to whoever asks: each connection has one. Gives how many, if there is
/// a bound.
#[cfg(unix)]
pub(crate) fn raise_descriptor_limit() -> Option<u64> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Those that are missing are failures of connections, which are counted.
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current
}

#[cfg(not(unix))]
pub(super) fn processor_time() -> Option<Duration> {
    None
}

#[cfg(not(unix))]
pub(super) fn thread_time() -> Option<Duration> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(super) fn resident_memory() -> Option<u64> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(super) fn processors() -> std::io::Result<Vec<usize>> {
    Err(std::io::Error::other(
        "this system does not say which processors there are",
    ))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn bind(_processor: usize) -> std::io::Result<()> {
    Err(std::io::Error::other("this system does not bind threads"))
}

#[cfg(not(unix))]
pub(super) fn system() -> Option<String> {
    None
}

#[cfg(not(unix))]
pub(crate) fn raise_descriptor_limit() -> Option<u64> {
    None
}
