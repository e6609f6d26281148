"""How fast the gateway, the sampling and the report are, each against a peer of the same run."""
