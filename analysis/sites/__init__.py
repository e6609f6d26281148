"""Where what an arm retains was allocated: the traces of a replay go in, sites with rates per request come out."""
