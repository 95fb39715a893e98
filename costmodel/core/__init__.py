"""What every other package stands on: errors, registry, hashing, targets, metrics, schemas, isolated workers."""
