"""The workers' reports go in; orders to them, and one row a second of each arm, come out."""
