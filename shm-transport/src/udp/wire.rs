//! Addresses and control messages as the kernel lays them out, read and written as bytes: no pointer is followed here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use nix::libc;

/// Longest socket address: that of IPv6.
pub(super) const NAME_BYTES: usize = 28;
const NAME_BYTES_V4: usize = 16;
/// Room for the control messages of one receive: segment size and overrun count, each 16 + 4 bytes padded to 24, and some.
pub(super) const CONTROL_BYTES: usize = 64;
/// Header of a control message: length u64, level i32, type i32.
const HEADER: usize = 16;
/// Control message of a segmented send: header, u16, padding.
pub(super) const SEGMENT_BYTES: usize = 24;

/// Family of a socket; it decides how an address of IPv4 is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) const fn of(address: &SocketAddr) -> Self {
        match address {
            SocketAddr::V4(_) => Self::V4,
            SocketAddr::V6(_) => Self::V6,
        }
    }
}

/// Writes an address for a socket of `family`; the length, or `None` when such a socket cannot send there.
pub(super) fn put_address(to: &SocketAddr, family: Family, out: &mut [u8; NAME_BYTES]) -> Option<u32> {
    *out = [0; NAME_BYTES];
    out[2..4].copy_from_slice(&to.port().to_be_bytes());
    match (family, to) {
        (Family::V4, SocketAddr::V4(v4)) => {
            out[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
            out[4..8].copy_from_slice(&v4.ip().octets());
            Some(NAME_BYTES_V4 as u32)
        }
        (Family::V4, SocketAddr::V6(_)) => None,
        (Family::V6, to) => {
            let (ip, flow, scope) = match to {
                SocketAddr::V4(v4) => (v4.ip().to_ipv6_mapped(), 0, 0),
                SocketAddr::V6(v6) => (*v6.ip(), v6.flowinfo(), v6.scope_id()),
            };
            out[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
            out[4..8].copy_from_slice(&flow.to_ne_bytes());
            out[8..24].copy_from_slice(&ip.octets());
            out[24..28].copy_from_slice(&scope.to_ne_bytes());
            Some(NAME_BYTES as u32)
        }
    }
}

/// Reads an address; one of IPv4 in the form of IPv6 comes back as IPv4, so that a peer has one address.
pub(super) fn get_address(name: &[u8]) -> Option<SocketAddr> {
    let family = u16::from_ne_bytes(name.get(..2)?.try_into().ok()?);
    let port = u16::from_be_bytes(name.get(2..4)?.try_into().ok()?);
    match i32::from(family) {
        libc::AF_INET => {
            let ip: [u8; 4] = name.get(4..8)?.try_into().ok()?;
            Some(SocketAddr::new(Ipv4Addr::from(ip).into(), port))
        }
        libc::AF_INET6 => {
            let ip: [u8; 16] = name.get(8..24)?.try_into().ok()?;
            let scope = u32::from_ne_bytes(name.get(24..28)?.try_into().ok()?);
            Some(match Ipv6Addr::from(ip).to_canonical() {
                IpAddr::V4(v4) => SocketAddr::new(v4.into(), port),
                IpAddr::V6(v6) => SocketAddrV6::new(v6, port, 0, scope).into(),
            })
        }
        _ => None,
    }
}

/// The control message that makes segments of `segment` bytes of a send.
pub(super) fn put_segment(segment: u16) -> [u8; SEGMENT_BYTES] {
    let mut out = [0; SEGMENT_BYTES];
    out[..8].copy_from_slice(&((HEADER + 2) as u64).to_ne_bytes());
    out[8..12].copy_from_slice(&libc::SOL_UDP.to_ne_bytes());
    out[12..16].copy_from_slice(&libc::UDP_SEGMENT.to_ne_bytes());
    out[16..18].copy_from_slice(&segment.to_ne_bytes());
    out
}

/// What the control messages of a receive say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Notes {
    /// Size of the datagrams in the buffer, the last may be shorter; `None` = it is one datagram.
    pub(super) segment: Option<usize>,
    /// Datagrams the socket has dropped since it was opened.
    pub(super) overrun: Option<u32>,
}

/// Reads control messages; total.
pub(super) fn get_notes(mut control: &[u8]) -> Notes {
    let mut notes = Notes::default();
    while control.len() >= HEADER {
        let word = |at: usize| i32::from_ne_bytes([control[at], control[at + 1], control[at + 2], control[at + 3]]);
        let length = u64::from_ne_bytes(control[..8].try_into().unwrap_or_default());
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length < HEADER || length > control.len() {
            break;
        }
        if length >= HEADER + 4 {
            let value = word(HEADER);
            match (word(8), word(12)) {
                (libc::SOL_UDP, libc::UDP_GRO) if value > 0 => notes.segment = Some(value as usize),
                (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => notes.overrun = Some(value as u32),
                _ => {}
            }
        }
        control = control.get(length.next_multiple_of(8)..).unwrap_or_default();
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn addresses_survive(v4: [u8; 4], v6: [u8; 16], port: u16) {
            let mut out = [0; NAME_BYTES];
            let four = SocketAddr::new(Ipv4Addr::from(v4).into(), port);
            for family in [Family::V4, Family::V6] {
                let length = put_address(&four, family, &mut out).expect("both can") as usize;
                prop_assert_eq!(get_address(&out[..length]), Some(four));
            }
            let six = SocketAddr::new(IpAddr::V6(v6.into()).to_canonical(), port);
            let length = put_address(&six, Family::V6, &mut out).expect("it can") as usize;
            prop_assert_eq!(get_address(&out[..length]), Some(six));
            prop_assert_eq!(put_address(&six, Family::V4, &mut out).is_none(), six.is_ipv6());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100), length in 0u64..40) {
            let _ = (get_notes(&bytes), get_address(&bytes));
            let mut bent = bytes;
            if bent.len() >= 8 {
                bent[..8].copy_from_slice(&length.to_ne_bytes());
            }
            let _ = get_notes(&bent);
        }
    }

    #[test]
    fn control_messages_are_told_apart() {
        let message = |level: i32, kind: i32, value: i32| {
            let mut out = [0u8; 24];
            out[..8].copy_from_slice(&20u64.to_ne_bytes());
            out[8..12].copy_from_slice(&level.to_ne_bytes());
            out[12..16].copy_from_slice(&kind.to_ne_bytes());
            out[16..20].copy_from_slice(&value.to_ne_bytes());
            out
        };
        let mut both = message(libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 7).to_vec();
        both.extend(message(libc::SOL_UDP, libc::UDP_GRO, 1_448));
        assert_eq!(get_notes(&both), Notes { segment: Some(1_448), overrun: Some(7) });
        assert_eq!(get_notes(&both[..47]), Notes { segment: Some(1_448), overrun: Some(7) }, "padding may be cut off");
        assert_eq!(get_notes(&both[..43]), Notes { segment: None, overrun: Some(7) });
        assert_eq!(get_notes(&message(libc::SOL_UDP, libc::UDP_GRO, -1)), Notes::default());
    }
}
