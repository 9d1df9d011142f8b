//! What options were before they are changed: a change that fails half-way is taken back.

use std::io;
use std::time::Duration;

use socket2::Socket;

use super::{SocketOptions, named};

/// The options that somebody changes, as they are.
///
/// Without the sizes of buffers on Linux, which are changed last, and which it rounds and does not refuse. Other systems may
/// refuse the second.
pub(super) struct Before {
    v6: bool,
    nodelay: Option<bool>,
    keepalive: Option<Keepalive>,
    linger: Option<Option<Duration>>,
    ttl: Option<u32>,
    traffic_class: Option<u32>,
    #[cfg(target_os = "linux")]
    linux: Linux,
    #[cfg(not(target_os = "linux"))]
    receive_buffer: Option<usize>,
}

/// Times are `None` where the system cannot be asked.
struct Keepalive {
    on: bool,
    times: Option<(Duration, Duration, u32)>,
}

#[cfg(target_os = "linux")]
struct Linux {
    priority: Option<u32>,
    user_timeout: Option<Option<Duration>>,
    device: Option<Option<Vec<u8>>>,
}

/// Asks for what is said.
fn ask<T, U>(
    option: &str,
    said: Option<&T>,
    get: impl FnOnce() -> io::Result<U>,
) -> io::Result<Option<U>> {
    said.map(|_| named(option, get())).transpose()
}

impl Before {
    pub(super) fn of(options: &SocketOptions, socket: &Socket, v6: bool) -> io::Result<Self> {
        let keepalive = || {
            Ok(Keepalive {
                on: socket.keepalive()?,
                times: times(socket)?,
            })
        };
        let hops = || match v6 {
            true => socket.unicast_hops_v6(),
            false => socket.ttl_v4(),
        };
        let class = || match v6 {
            true => traffic_class_v6(socket),
            false => socket.tos_v4(),
        };
        #[cfg(target_os = "linux")]
        let priority = || socket.priority();
        Ok(Self {
            v6,
            nodelay: ask("nodelay", options.nodelay.as_ref(), || socket.tcp_nodelay())?,
            keepalive: ask("keepalive", options.keepalive.as_ref(), keepalive)?,
            linger: ask("linger", options.linger.as_ref(), || socket.linger())?,
            ttl: ask("ttl", options.ttl.as_ref(), hops)?,
            traffic_class: ask("traffic_class", options.traffic_class.as_ref(), class)?,
            #[cfg(target_os = "linux")]
            linux: Linux {
                // The system derives it from an IPv4 class.
                priority: match options.traffic_class {
                    Some(_) => Some(named("traffic_class", priority())?),
                    None => ask("priority", options.priority.as_ref(), priority)?,
                },
                user_timeout: ask("user_timeout", options.user_timeout.as_ref(), || {
                    socket.tcp_user_timeout()
                })?,
                device: ask("device", options.device.as_ref(), || socket.device())?,
            },
            #[cfg(not(target_os = "linux"))]
            receive_buffer: ask("receive_buffer", options.receive_buffer.as_ref(), || {
                socket.recv_buffer_size()
            })?,
        })
    }

    /// Makes them what they were. Why it is done is the error that is told, so one of its own is not.
    pub(super) fn restore(&self, socket: &Socket) {
        if let Some(on) = self.nodelay {
            let _ = socket.set_tcp_nodelay(on);
        }
        if let Some(keepalive) = &self.keepalive {
            if let Some((idle, interval, count)) = keepalive.times {
                let _ = super::keepalive(socket, idle, interval, count);
            }
            let _ = socket.set_keepalive(keepalive.on);
        }
        if let Some(time) = self.linger {
            let _ = socket.set_linger(time);
        }
        if let Some(hops) = self.ttl {
            let _ = match self.v6 {
                true => socket.set_unicast_hops_v6(hops),
                false => socket.set_ttl_v4(hops),
            };
        }
        if let Some(class) = self
            .traffic_class
            .and_then(|class| u8::try_from(class).ok())
        {
            let _ = match self.v6 {
                true => super::traffic_class_v6(socket, class),
                false => socket.set_tos_v4(class.into()),
            };
        }
        #[cfg(target_os = "linux")]
        self.linux.restore(socket);
        #[cfg(not(target_os = "linux"))]
        if let Some(bytes) = self.receive_buffer {
            let _ = socket.set_recv_buffer_size(bytes);
        }
    }
}

#[cfg(target_os = "linux")]
impl Linux {
    fn restore(&self, socket: &Socket) {
        if let Some(priority) = self.priority {
            let _ = socket.set_priority(priority);
        }
        if let Some(time) = self.user_timeout {
            let _ = socket.set_tcp_user_timeout(time);
        }
        if let Some(name) = &self.device {
            let _ = socket.bind_device(name.as_deref());
        }
    }
}

#[cfg(any(
    target_os = "android",
    target_os = "freebsd",
    target_os = "ios",
    target_os = "linux",
    target_os = "macos",
    target_os = "netbsd",
))]
fn times(socket: &Socket) -> io::Result<Option<(Duration, Duration, u32)>> {
    let idle = socket.tcp_keepalive_time()?;
    let interval = socket.tcp_keepalive_interval()?;
    Ok(Some((idle, interval, socket.tcp_keepalive_retries()?)))
}

#[cfg(not(any(
    target_os = "android",
    target_os = "freebsd",
    target_os = "ios",
    target_os = "linux",
    target_os = "macos",
    target_os = "netbsd",
)))]
fn times(_: &Socket) -> io::Result<Option<(Duration, Duration, u32)>> {
    Ok(None)
}

#[cfg(any(
    target_os = "android",
    target_os = "freebsd",
    target_os = "linux",
    target_os = "macos",
))]
fn traffic_class_v6(socket: &Socket) -> io::Result<u32> {
    socket.tclass_v6()
}

#[cfg(not(any(
    target_os = "android",
    target_os = "freebsd",
    target_os = "linux",
    target_os = "macos",
)))]
fn traffic_class_v6(_: &Socket) -> io::Result<u32> {
    Err(io::ErrorKind::Unsupported.into())
}
