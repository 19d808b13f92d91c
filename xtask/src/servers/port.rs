//! Free ports of 127.0.0.1.

use std::net::{Ipv4Addr, TcpListener};

use crate::shell::Result;

/// The first of `count` consecutive free ports.
pub(super) fn free(count: u16) -> Result<u16> {
    for _ in 0..50 {
        let Ok(first) = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)) else {
            continue;
        };
        let Ok(address) = first.local_addr() else {
            continue;
        };
        let port = address.port();
        let rest: Vec<_> = (1..count)
            .map_while(|offset| port.checked_add(offset))
            .map_while(|next| TcpListener::bind((Ipv4Addr::LOCALHOST, next)).ok())
            .collect();
        if rest.len() + 1 == usize::from(count) {
            return Ok(port);
        }
    }
    Err(format!("no {count} consecutive free ports on 127.0.0.1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ports_can_be_bound() {
        let port = free(3).unwrap();
        for offset in 0..3 {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port + offset)).unwrap();
        }
    }
}
