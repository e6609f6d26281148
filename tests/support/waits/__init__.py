"""Programs whose tasks wait: legitimately, or for what nothing can set. Run by the probe's own interpreters."""
