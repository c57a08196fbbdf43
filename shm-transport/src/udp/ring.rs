//! One io_uring: multishot receive into provided buffers, sends, the doorbell's futex and the timeout in one wait (`rse:U5`).

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use io_uring::types::{CancelBuilder, Fixed, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use nix::libc;

use super::buffers::{Buffers, GROUP};
use super::doorbell::{ASLEEP, Doorbell};
use super::places::{Places, empty_header};
use super::wire::{CONTROL_BYTES, NAME_BYTES, get_address, get_notes};
use super::{Counters, UdpOptions, deliver};

/// Marks of completions that are not those of a place.
const RECEIVE: u64 = u64::MAX;
const BELL: u64 = u64::MAX - 1;
/// The only registered file.
const SOCKET: Fixed = Fixed(0);
/// `struct io_uring_recvmsg_out`: lengths of name, control and payload, and flags, u32 each.
const OUT_BYTES: usize = 16;
/// What a buffer holds before its payload.
pub(super) const HEAD_BYTES: usize = OUT_BYTES + NAME_BYTES + CONTROL_BYTES;
/// FUTEX2_SIZE_U32: 32 bits, not private.
const FUTEX_SIZE_U32: u32 = 2;
const SQPOLL_IDLE_MS: u32 = 50;
const NS_PER_S: u64 = 1_000_000_000;

/// The ring and all memory the kernel works on. The ring is the first field: it closes before the memory goes.
pub(super) struct Ring {
    ring: IoUring,
    socket: UdpSocket,
    doorbell: Arc<Doorbell>,
    /// Lengths of name and control of a receive; the kernel copies it when it takes the request.
    template: Box<libc::msghdr>,
    buffers: Buffers,
    places: Places,
    /// Filled buffers not yet taken: number and bytes.
    arrived: VecDeque<(u16, usize)>,
    receiving: bool,
    listening: bool,
    zero_copy: bool,
    /// Submissions the kernel has not been told of.
    unsubmitted: bool,
    overrun: u32,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").field("socket", &self.socket).field("places", &self.places).finish_non_exhaustive()
    }
}

/// Asks the kernel for a ring.
pub(super) fn probe(options: &UdpOptions, entries: u32) -> Result<IoUring, String> {
    if let Some(errno) = options.refuse {
        return Err(refusal(errno));
    }
    let mut builder = IoUring::builder();
    builder.dontfork().setup_single_issuer().setup_cqsize(entries * 4);
    if options.sqpoll {
        builder.setup_sqpoll(SQPOLL_IDLE_MS);
    } else {
        builder.setup_defer_taskrun().setup_taskrun_flag();
    }
    let ring: IoUring = builder.build(entries).map_err(|error| refusal(error.raw_os_error().unwrap_or(0)))?;
    let mut probe = io_uring::Probe::new();
    ring.submitter().register_probe(&mut probe).map_err(|error| refusal(error.raw_os_error().unwrap_or(0)))?;
    if !probe.is_supported(opcode::FutexWait::CODE) {
        return Err("the kernel is older than 6.7: its io_uring cannot wait on a futex".to_owned());
    }
    Ok(ring)
}

/// Why the kernel said no, with what mends it.
fn refusal(errno: i32) -> String {
    let disabled = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    match errno {
        libc::EPERM | libc::EACCES if disabled.trim() == "2" => {
            "kernel.io_uring_disabled = 2; to use it: sysctl kernel.io_uring_disabled=0".to_owned()
        }
        libc::EPERM | libc::EACCES if disabled.trim() == "1" => {
            "kernel.io_uring_disabled = 1 and this process may not; to use it: sysctl kernel.io_uring_disabled=0, or run it in \
             the group of kernel.io_uring_group"
                .to_owned()
        }
        libc::EPERM | libc::EACCES => {
            "io_uring_setup is forbidden (EPERM): a seccomp filter or security module; allow the calls io_uring_setup, \
             io_uring_enter and io_uring_register"
                .to_owned()
        }
        libc::ENOSYS => "the kernel has no io_uring (ENOSYS), or a seccomp filter hides it".to_owned(),
        libc::EINVAL => "the kernel is older than 6.1: its io_uring has no deferred task work (EINVAL)".to_owned(),
        libc::ENOMEM => "no memory may be locked for io_uring (ENOMEM); raise LimitMEMLOCK".to_owned(),
        errno => format!("io_uring_setup: {}", io::Error::from_raw_os_error(errno)),
    }
}

impl Ring {
    pub(super) fn new(
        ring: IoUring,
        socket: UdpSocket,
        doorbell: Arc<Doorbell>,
        buffers: Buffers,
        places: Places,
        zero_copy: bool,
    ) -> io::Result<Self> {
        ring.submitter().register_files(&[socket.as_raw_fd()])?;
        let mut template = Box::new(empty_header());
        template.msg_namelen = NAME_BYTES as u32;
        template.msg_controllen = CONTROL_BYTES;
        let arrived = VecDeque::with_capacity(usize::from(buffers.count()));
        let mut this = Self {
            ring,
            socket,
            doorbell,
            template,
            buffers,
            places,
            arrived,
            receiving: false,
            listening: false,
            zero_copy,
            unsubmitted: false,
            overrun: 0,
        };
        this.buffers.register(&this.ring)?;
        this.arm();
        this.ring.submit()?;
        this.unsubmitted = false;
        Ok(this)
    }

    pub(super) fn places(&mut self) -> &mut Places {
        &mut self.places
    }

    fn push(&mut self, entry: &squeue::Entry) -> bool {
        // SAFETY: what an entry points at lives as long as the ring: template, heads and payloads of the places (fixed until
        // `done`), the doorbell behind its `Arc`; `Drop` ends all requests before any of it goes.
        // Test: udp::tests::an_open_ring_can_be_dropped_at_any_time.
        let pushed = unsafe { self.ring.submission().push(entry) }.is_ok();
        self.unsubmitted |= pushed;
        pushed
    }

    /// Asks for datagrams again if the last request is over.
    fn arm(&mut self) {
        if !self.receiving {
            let entry = opcode::RecvMsgMulti::new(SOCKET, &raw const *self.template, GROUP).build().user_data(RECEIVE);
            self.receiving = self.push(&entry);
        }
    }

    fn push_sends(&mut self) {
        while let Some(at) = self.places.take() {
            let header = self.places.header(at);
            let entry = if self.zero_copy {
                opcode::SendMsgZc::new(SOCKET, header).build()
            } else {
                opcode::SendMsg::new(SOCKET, header).build()
            };
            if !self.push(&entry.user_data(u64::from(at))) {
                self.places.untake(at);
                return;
            }
        }
    }

    pub(super) fn wait(&mut self, timeout_ns: u64, counters: &mut Counters) {
        self.reap(counters);
        self.arm();
        self.push_sends();
        if !self.listening {
            let word = self.doorbell.futex();
            let all = u64::from(u32::MAX);
            let entry = opcode::FutexWait::new(word, ASLEEP, all, FUTEX_SIZE_U32).build().user_data(BELL);
            // Asked for while the word says asleep, or it would end at once.
            let dozing = self.doorbell.doze();
            self.listening = dozing && self.push(&entry);
            if !dozing {
                return self.submit(counters);
            }
        } else if !self.doorbell.doze() {
            return self.submit(counters);
        }
        if self.arrived.is_empty() && timeout_ns > 0 {
            let time = Timespec::new().sec(timeout_ns / NS_PER_S).nsec((timeout_ns % NS_PER_S) as u32);
            let args = if timeout_ns == u64::MAX { SubmitArgs::new() } else { SubmitArgs::new().timespec(&time) };
            counters.calls += 1;
            // Its errors are reasons to come round: time over, interrupted, completions to be read first.
            let _ = self.ring.submitter().submit_with_args(1, &args);
            self.unsubmitted = !self.ring.submission().is_empty();
        } else {
            self.submit(counters);
        }
        self.doorbell.rise();
        self.reap(counters);
    }

    fn submit(&mut self, counters: &mut Counters) {
        if self.unsubmitted {
            counters.calls += 1;
            let _ = self.ring.submit();
            self.unsubmitted = !self.ring.submission().is_empty();
        }
    }

    pub(super) fn flush(&mut self, counters: &mut Counters) {
        self.push_sends();
        self.submit(counters);
        self.reap(counters);
    }

    /// Lets the kernel make the completions it has put off; a system call only when there are some.
    fn run_deferred(&mut self, counters: &mut Counters) {
        if self.ring.submission().taskrun() {
            counters.calls += 1;
            self.get_events();
        }
    }

    fn get_events(&self) {
        const GETEVENTS: u32 = 1;
        // SAFETY: no argument is passed. Test: udp::tests::both_ways_carry_datagrams (its receiver spins).
        let _ = unsafe { self.ring.submitter().enter::<libc::sigset_t>(0, 0, GETEVENTS, None) };
    }

    fn reap(&mut self, counters: &mut Counters) {
        loop {
            // One at a time: what follows needs the whole of `self`. The queue is memory, this is no call.
            let Some(entry) = self.ring.completion().next() else { return };
            let (result, flags) = (entry.result(), entry.flags());
            match entry.user_data() {
                RECEIVE => self.received(result, flags, counters),
                BELL => self.listening = false,
                at => self.sent(at as u16, result, flags, counters),
            }
        }
    }

    fn received(&mut self, result: i32, flags: u32, counters: &mut Counters) {
        self.receiving = cqueue::more(flags);
        counters.starved += u64::from(result == -libc::ENOBUFS);
        let Some(id) = cqueue::buffer_select(flags) else { return };
        match usize::try_from(result) {
            // At most as many as there are buffers, so there is room: nothing is allocated.
            Ok(length) => self.arrived.push_back((id, length)),
            Err(_) => self.buffers.give(id),
        }
    }

    fn sent(&mut self, at: u16, result: i32, flags: u32, counters: &mut Counters) {
        let notice = cqueue::notif(flags);
        if !notice {
            self.places.ended(at, i64::from(result), counters);
        }
        // Without a copy the place stays the kernel's until its notice.
        if !cqueue::more(flags) {
            self.places.done(at);
        }
    }

    /// Frees places whose sends have ended; hands over what waits if that is not enough.
    pub(super) fn make_room(&mut self, needed: usize, counters: &mut Counters) {
        self.reap(counters);
        if !self.places.has_free(needed) {
            self.flush(counters);
            self.run_deferred(counters);
            self.reap(counters);
        }
    }

    pub(super) fn receive(
        &mut self,
        limit: usize,
        counters: &mut Counters,
        take: &mut dyn FnMut(SocketAddr, &mut [u8]),
    ) -> usize {
        self.run_deferred(counters);
        self.reap(counters);
        let mut taken = 0;
        while taken < limit {
            let Some((id, length)) = self.arrived.pop_front() else { break };
            taken += self.open(id, length, counters, take);
            self.buffers.give(id);
        }
        if !self.receiving {
            self.arm();
            self.submit(counters);
        }
        taken
    }

    /// Takes what lies in a buffer: `io_uring_recvmsg_out`, name, control, payload.
    fn open(
        &mut self,
        id: u16,
        length: usize,
        counters: &mut Counters,
        take: &mut dyn FnMut(SocketAddr, &mut [u8]),
    ) -> usize {
        let Some((head, payload)) =
            self.buffers.filled(id, length).and_then(|bytes| bytes.split_at_mut_checked(HEAD_BYTES))
        else {
            return 0;
        };
        let number = |at: usize| u32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (control_length, payload_length, flags) = (number(4) as usize, number(8) as usize, number(12) as i32);
        let control = &head[OUT_BYTES + NAME_BYTES..];
        let notes = get_notes(&control[..control_length.min(CONTROL_BYTES)]);
        counters.overrun += u64::from(notes.overrun.map_or(0, |now| now.wrapping_sub(self.overrun)));
        self.overrun = notes.overrun.unwrap_or(self.overrun);
        if flags & libc::MSG_TRUNC != 0 || payload_length > payload.len() {
            counters.truncated += 1;
            return 0;
        }
        let Some(from) = get_address(&head[OUT_BYTES..]) else { return 0 };
        deliver(from, &mut payload[..payload_length], notes.segment, counters, take)
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // The kernel must have let go of buffers, places and doorbell before they are unmapped.
        let patience = Timespec::new().sec(1);
        let _ = self.ring.submitter().register_sync_cancel(Some(patience), CancelBuilder::any());
        // What was cancelled lets go of the socket when its completion is made. Without this the ring would hold the socket until
        // the kernel takes the ring itself apart, some time after this process went on, and the port with it.
        self.get_events();
        let _ = self.ring.submitter().unregister_files();
        let _ = self.ring.submitter().unregister_buf_ring(GROUP);
    }
}
