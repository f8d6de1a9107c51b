//! Message ids that nobody else can publish first.
//!
//! JetStream compares message ids over a whole stream, whoever publishes: under an id that somebody foresaw and used
//! before, a frame would be acknowledged as a duplicate and be lost. So each id ends with digits that depend on a secret
//! of this process. A frame that is tried again has the same id. One that another process tries again, after a restart,
//! has not: the stream then keeps it twice, and the fold counts it once.

use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};
use spark_schemas::{MsgId, SEAL_LEN};

#[expect(clippy::expect_used, reason = "without randomness nothing may be published")]
static SECRET: LazyLock<[u8; 32]> = LazyLock::new(|| {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).expect("the operating system has randomness");
    secret
});

/// `id` as this process publishes it.
pub(super) fn sealed(id: &MsgId) -> String {
    let digest =
        Sha256::new().chain_update(*SECRET).chain_update(id.boot.0).chain_update(id.seq.to_be_bytes()).finalize();
    format!("{id}-{}", spark_core::hex(&digest[..SEAL_LEN / 2]))
}

#[cfg(test)]
mod tests {
    use spark_schemas::Boot;

    use super::*;

    #[test]
    fn a_sealed_id_stays_the_same_and_names_its_frame() {
        let id = |seq| MsgId { boot: Boot([7; 16]), seq };
        assert_eq!(sealed(&id(1)), sealed(&id(1)));
        assert_eq!(sealed(&id(1)).parse(), Ok(id(1)));
        let seal = |seq| sealed(&id(seq)).rsplit('-').next().map(str::to_owned);
        assert_ne!(seal(1), seal(2), "who saw one knows no other");
    }
}
