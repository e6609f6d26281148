"""Containers by the command lines of podman and docker: what is there, what runs, and how an arm is started as one."""
