//! The DNS server that the system is set up to ask first.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::{fs, io};

const PATH: &str = "/etc/resolv.conf";
const PORT: u16 = 53;

/// Why it is not known.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The file can't be read; not every system has it.
    #[error("can't read {PATH}: name the server in the URL, such as dns://192.0.2.1/shop.example")]
    Unreadable(#[source] io::Error),
    /// The file names none.
    #[error("{PATH} names no server: name it in the URL, such as dns://192.0.2.1/shop.example")]
    None,
}

/// The first server of `/etc/resolv.conf`, as it is now.
pub(in super::super) fn system_server() -> Result<SocketAddr, ServerError> {
    let text = fs::read_to_string(Path::new(PATH)).map_err(ServerError::Unreadable)?;
    first_server(&text).map(|address| SocketAddr::new(address, PORT)).ok_or(ServerError::None)
}

fn first_server(text: &str) -> Option<IpAddr> {
    let servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    // An IPv6 address may carry the name of an interface, which no connection here is bound to.
    servers.filter_map(|rest| rest.split_whitespace().next()?.split('%').next()?.parse().ok()).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_server_that_is_an_address_counts() {
        let text =
            "# comment\nsearch example\nnameserver\nnameserver x\n nameserver 192.0.2.53 # first\nnameserver ::1\n";
        assert_eq!(first_server(text), "192.0.2.53".parse().ok());
        assert_eq!(first_server("nameserver fe80::1%eth0"), "fe80::1".parse().ok());
        assert_eq!(first_server("search example"), None);
    }
}
