"""Memory known to Prometheus: its series are fetched, put together as processes with lives and requests, and judged."""
