"""A recording goes in; the verdict on each arm, the gates and the sign-off come out."""
