"""What every room stands on: errors, registry, random streams, typed configuration, the run folder."""
