"""A series of readings goes in; at most a hundred points, with the regressors of the load, come out."""
