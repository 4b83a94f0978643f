"""L1 to L2: one file per physical effect; only steps sees products."""
