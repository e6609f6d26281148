"""A plan goes in; its processes come up, are looked after and go down, and a recording comes out."""
