//! The socket under both ways of moving datagrams.

use std::net::UdpSocket;

use nix::sys::socket::{setsockopt, sockopt};

use super::wire::Family;
use super::{UdpError, UdpOptions};

/// Bytes of receive queue asked for; the kernel grants at most `net.core.rmem_max`.
const RECEIVE_QUEUE_BYTES: usize = 4 << 20;

/// Opens and binds it. `blocking`: the ring parks what cannot be done at once only on a blocking socket.
pub(super) fn open(options: &UdpOptions, blocking: bool) -> Result<(UdpSocket, Family), UdpError> {
    let bind = options.bind;
    let failed = |what| move |source: std::io::Error| UdpError::Socket { bind, what, source };
    let socket = UdpSocket::bind(bind).map_err(failed("cannot listen; is the address ours and the port free?"))?;
    socket.set_nonblocking(!blocking).map_err(failed("cannot set it non-blocking"))?;
    let set = |result: nix::Result<()>, what| result.map_err(|errno| failed(what)(errno.into()));
    let tos = i32::from(options.dscp.min(63)) << 2;
    let family = Family::of(&bind);
    if tos != 0 {
        match family {
            Family::V4 => set(setsockopt(&socket, sockopt::Ipv4Tos, &tos), "cannot set its DSCP")?,
            Family::V6 => set(setsockopt(&socket, sockopt::Ipv6TClass, &tos), "cannot set its DSCP")?,
        }
    }
    if options.gro {
        set(setsockopt(&socket, sockopt::UdpGroSegment, &true), "cannot set UDP_GRO; set link.gro = false")?;
    }
    set(setsockopt(&socket, sockopt::RxqOvfl, &1), "cannot ask for its overrun count")?;
    // Less than asked for is what the host allows; the overrun count shows when it is too little.
    let _ = setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_QUEUE_BYTES);
    Ok((socket, family))
}
