"""What the master does for all. Each duty is idempotent and guarded by the storage, so that two masters do no harm."""
