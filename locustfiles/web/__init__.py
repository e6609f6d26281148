"""A recording goes in; what is added to Locust's web UI comes out: a tab, a page, downloads, login."""
