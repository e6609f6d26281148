"""The run's orders and the workers' reports go in; messages to the workers, and a row a second and arm, come out."""
