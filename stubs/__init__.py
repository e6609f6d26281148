"""The upstream services the gateway calls: seeded sizes, latencies and faults."""
