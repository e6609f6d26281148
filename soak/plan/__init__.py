"""A profile goes in; the processes, ports and instants of its run come out. Nothing is started."""
