"""A recording goes in; the additions to Locust's web UI come out: a tab, a page, downloads, a login."""
