"""The load of a replay: the same requests, closed-loop and by their number, between points at which nothing is sent."""
