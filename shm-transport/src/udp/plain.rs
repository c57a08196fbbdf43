//! Plain sockets: `recvmmsg`, `sendmmsg` and `ppoll`. What runs where the kernel refuses the ring, and its baseline.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use memmap2::MmapMut;
use nix::libc;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use super::doorbell::Doorbell;
use super::places::{Places, empty_header};
use super::wire::{CONTROL_BYTES, NAME_BYTES, get_address, get_notes};
use super::{Counters, deliver};

/// Datagrams (or buffers of several) taken or sent by one system call.
const BATCH: usize = 32;

struct Head {
    bytes: libc::iovec,
    name: [u8; NAME_BYTES],
    control: [u8; CONTROL_BYTES],
}

/// A socket and the memory of its calls.
pub(super) struct Plain {
    socket: UdpSocket,
    doorbell: Arc<Doorbell>,
    messages: Box<[libc::mmsghdr]>,
    heads: Box<[Head]>,
    memory: MmapMut,
    buffer_bytes: usize,
    outgoing: Box<[libc::mmsghdr]>,
    going: Box<[u16]>,
    places: Places,
    overrun: u32,
}

impl std::fmt::Debug for Plain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plain").field("socket", &self.socket).field("places", &self.places).finish_non_exhaustive()
    }
}

impl Plain {
    pub(super) fn new(
        socket: UdpSocket,
        doorbell: Arc<Doorbell>,
        places: Places,
        buffer_bytes: usize,
    ) -> std::io::Result<Self> {
        doorbell.event().map_err(std::io::Error::from)?;
        let mut memory = MmapMut::map_anon(BATCH * buffer_bytes)?;
        let base = memory.as_mut_ptr();
        let heads: Box<[Head]> = (0..BATCH)
            .map(|at| Head {
                bytes: libc::iovec { iov_base: base.wrapping_add(at * buffer_bytes).cast(), iov_len: buffer_bytes },
                name: [0; NAME_BYTES],
                control: [0; CONTROL_BYTES],
            })
            .collect();
        let empty = libc::mmsghdr { msg_hdr: empty_header(), msg_len: 0 };
        Ok(Self {
            socket,
            doorbell,
            messages: vec![empty; BATCH].into(),
            heads,
            memory,
            buffer_bytes,
            outgoing: vec![empty; BATCH].into(),
            going: vec![0; BATCH].into(),
            places,
            overrun: 0,
        })
    }

    pub(super) fn places(&mut self) -> &mut Places {
        &mut self.places
    }

    pub(super) fn wait(&mut self, timeout_ns: u64, counters: &mut Counters) {
        self.flush(counters);
        if !self.doorbell.doze() {
            return;
        }
        if let Ok(event) = self.doorbell.event() {
            let flags = PollFlags::POLLIN;
            let mut both = [PollFd::new(self.socket.as_fd(), flags), PollFd::new(event.as_fd(), flags)];
            let timeout = (timeout_ns != u64::MAX).then(|| TimeSpec::from_duration(Duration::from_nanos(timeout_ns)));
            counters.calls += 1;
            let ready = ppoll(&mut both, timeout, None).unwrap_or(0);
            let rung = ready > 0 && both[1].any().unwrap_or(false);
            if rung {
                counters.calls += 1;
                let _ = event.read();
            }
        }
        self.doorbell.rise();
    }

    pub(super) fn receive(
        &mut self,
        limit: usize,
        counters: &mut Counters,
        take: &mut dyn FnMut(SocketAddr, &mut [u8]),
    ) -> usize {
        let mut taken = 0;
        while taken < limit {
            let wanted = (limit - taken).min(BATCH);
            let got = self.call(wanted, counters);
            for at in 0..got {
                let (message, head) = (&self.messages[at], &self.heads[at]);
                let control = &head.control[..message.msg_hdr.msg_controllen.min(CONTROL_BYTES)];
                let notes = get_notes(control);
                counters.overrun += u64::from(notes.overrun.map_or(0, |now| now.wrapping_sub(self.overrun)));
                self.overrun = notes.overrun.unwrap_or(self.overrun);
                if message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
                    counters.truncated += 1;
                    continue;
                }
                let Some(from) = get_address(&head.name) else { continue };
                let start = at * self.buffer_bytes;
                let length = (message.msg_len as usize).min(self.buffer_bytes);
                taken += deliver(from, &mut self.memory[start..start + length], notes.segment, counters, take);
            }
            if got < wanted {
                break;
            }
        }
        taken
    }

    fn call(&mut self, wanted: usize, counters: &mut Counters) -> usize {
        for (message, head) in self.messages.iter_mut().zip(&mut self.heads).take(wanted) {
            message.msg_hdr.msg_name = (&raw mut head.name).cast();
            message.msg_hdr.msg_namelen = NAME_BYTES as u32;
            message.msg_hdr.msg_iov = &raw mut head.bytes;
            message.msg_hdr.msg_iovlen = 1;
            message.msg_hdr.msg_control = (&raw mut head.control).cast();
            message.msg_hdr.msg_controllen = CONTROL_BYTES;
            message.msg_hdr.msg_flags = 0;
        }
        counters.calls += 1;
        // SAFETY: each of the first `wanted` headers points at a name, control bytes, and a buffer of `buffer_bytes` in
        // `memory`, all owned by `self`, which is borrowed exclusively, and none used elsewhere during the call.
        // Test: udp::tests::segments_arrive_as_datagrams.
        let got = unsafe {
            libc::recvmmsg(
                self.socket.as_raw_fd(),
                self.messages.as_mut_ptr(),
                wanted.min(BATCH) as u32,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        usize::try_from(got).unwrap_or(0)
    }

    pub(super) fn flush(&mut self, counters: &mut Counters) {
        while self.places.queued() > 0 {
            let mut count = 0;
            while count < BATCH {
                let Some(at) = self.places.take() else { break };
                // SAFETY: `header` points into the boxed heads of `places`. Test: udp::tests::segments_arrive_as_datagrams.
                self.outgoing[count].msg_hdr = unsafe { *self.places.header(at) };
                self.going[count] = at;
                count += 1;
            }
            counters.calls += 1;
            // SAFETY: each of the first `count` headers points at a name, control bytes and a payload owned by `places`, which
            // stay as they are until `done`. Test: udp::tests::segments_arrive_as_datagrams.
            let sent = unsafe {
                libc::sendmmsg(self.socket.as_raw_fd(), self.outgoing.as_mut_ptr(), count as u32, libc::MSG_DONTWAIT)
            };
            let (sent, errno) = match usize::try_from(sent) {
                Ok(sent) => (sent, 0),
                Err(_) => (0, nix::errno::Errno::last_raw()),
            };
            for at in 0..sent {
                self.places.ended(self.going[at], i64::from(self.outgoing[at].msg_len), counters);
                self.places.done(self.going[at]);
            }
            let stuck = matches!(errno, libc::EAGAIN | libc::ENOBUFS | libc::EINTR);
            // The first one not sent is refused for itself; what comes after it gets another call.
            let refused = usize::from(errno != 0 && !stuck);
            if refused == 1 {
                self.places.ended(self.going[0], -i64::from(errno), counters);
                self.places.done(self.going[0]);
            }
            for at in (sent + refused..count).rev() {
                self.places.untake(self.going[at]);
            }
            if stuck {
                return;
            }
        }
    }
}
