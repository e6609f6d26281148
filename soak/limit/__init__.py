"""A real memory limit for each life of an arm: the first mechanism of this machine that works."""
