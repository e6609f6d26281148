"""A soak run: configuration, plan, processes under a memory limit, sampler, command line."""
