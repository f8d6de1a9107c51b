//! A network for one rig: each part in a namespace of its own on one bridge, whose links and ways can be cut.
//!
//! A link that is down and a way that swallows packets are two faults: the first is told to the kernel, the second to
//! nobody.

use std::hash::{BuildHasher as _, RandomState};
use std::process::{Command, Stdio};

use crate::hosts::{Host, Hosts};

const HINT: &str =
    "network namespaces need root, and Debian's iproute2 and iptables (`cargo xtask test` installs them)";
/// Networks that may be there at once: 198.18.0.0/15 is for tests (RFC 2544).
const NETWORKS: u64 = 512;

/// A machine of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    Probe,
    Aggregator,
    Web,
    Nats,
    /// The test itself with its site, on the bridge.
    Site,
}

const WITH_NAMESPACE: [Node; 4] = [Node::Probe, Node::Aggregator, Node::Web, Node::Nats];

/// A bridge and the namespaces on it; gone when it is dropped.
#[derive(Debug)]
pub(super) struct Network {
    /// What all names of it start with, and the first three numbers of its addresses.
    name: String,
    prefix: String,
}

impl Network {
    /// Makes one.
    pub(super) fn make() -> Self {
        let start = RandomState::new().hash_one(std::process::id());
        let free = (0..50).map(|n| start.wrapping_add(n * 31) % NETWORKS).find_map(Self::make_as);
        free.unwrap_or_else(|| panic!("no bridge could be made: {HINT}"))
    }

    fn make_as(number: u64) -> Option<Self> {
        let (name, prefix) = (format!("spk{number}"), format!("198.{}.{}", 18 + number / 256, number % 256));
        let bridge = Command::new("ip")
            .args(["link", "add", "name", &name, "type", "bridge", "forward_delay", "0"])
            .stderr(Stdio::null())
            .status();
        assert!(bridge.is_ok(), "`ip` can't be started: {HINT}");
        if !bridge.is_ok_and(|status| status.success()) {
            return None;
        }
        let network = Self { name, prefix };
        ip(&format!("addr add {}/24 dev {}", network.address(Node::Site), network.name));
        ip(&format!("link set {} up", network.name));
        for node in WITH_NAMESPACE {
            let (namespace, outside) = (network.namespace(node), network.link(node));
            ip(&format!("netns add {namespace}"));
            ip(&format!("link add {outside} type veth peer name eth0 netns {namespace}"));
            ip(&format!("link set {outside} master {} up", network.name));
            ip(&format!("-n {namespace} addr add {}/24 dev eth0", network.address(node)));
            ip(&format!("-n {namespace} link set eth0 up"));
            ip(&format!("-n {namespace} link set lo up"));
        }
        Some(network)
    }

    /// Where a node is.
    pub(super) fn address(&self, node: Node) -> String {
        format!("{}.{}", self.prefix, node as u8 + 2)
    }

    fn namespace(&self, node: Node) -> String {
        format!("{}-{}", self.name, node as u8)
    }

    fn link(&self, node: Node) -> String {
        format!("{}-{}", self.name, node as u8)
    }

    /// A host for each part.
    pub(super) fn hosts(&self) -> Hosts {
        let host = |node| Host { ip: self.address(node), namespace: Some(self.namespace(node)) };
        Hosts {
            probe: host(Node::Probe),
            aggregator: host(Node::Aggregator),
            web: host(Node::Web),
            nats: host(Node::Nats),
        }
    }

    /// Takes a node's link down or up.
    pub(super) fn set_link(&self, node: Node, state: &str) {
        ip(&format!("link set {} {state}", self.link(node)));
    }

    /// Swallows everything between two nodes, or ends that.
    pub(super) fn set_black_hole(&self, node: Node, other: Node, is_there: bool) {
        let action = if is_there { "-I" } else { "-D" };
        let other = self.address(other);
        for (chain, side) in [("INPUT", "-s"), ("OUTPUT", "-d")] {
            self.run(node, &format!("iptables -w {action} {chain} {side} {other} -j DROP"));
        }
    }

    /// How much of a connection's bytes the kernel keeps for a node's programs: as little as it can.
    pub(super) fn shrink_buffers(&self, node: Node) {
        for kind in ["rmem", "wmem"] {
            self.run(node, &format!("echo 4096 8192 16384 > /proc/sys/net/ipv4/tcp_{kind}"));
        }
    }

    /// Whether one node gets through to another.
    pub(super) fn reaches(&self, node: Node, other: Node, port: u16) -> bool {
        let connect = format!("timeout 1 bash -c 'exec 3<>/dev/tcp/{}/{port}'", self.address(other));
        self.shell(node, &connect).stderr(Stdio::null()).status().expect("start ip").success()
    }

    fn run(&self, node: Node, line: &str) {
        assert!(self.shell(node, line).status().expect("start ip").success(), "{line}: {HINT}");
    }

    fn shell(&self, node: Node, line: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(node), "sh", "-c", line]);
        command
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for node in WITH_NAMESPACE {
            // The link in it goes with it, once its last process has ended.
            let _gone_already = Command::new("ip").args(["netns", "del", &self.namespace(node)]).status();
            let _gone_already =
                Command::new("ip").args(["link", "del", &self.link(node)]).stderr(Stdio::null()).status();
        }
        let _gone_already = Command::new("ip").args(["link", "del", &self.name]).status();
    }
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status();
    assert!(status.is_ok_and(|status| status.success()), "ip {arguments}: {HINT}");
}
