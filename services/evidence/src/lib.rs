//! What makes the log provable: keys, signed checkpoints, attestations, bundles and their verification.
