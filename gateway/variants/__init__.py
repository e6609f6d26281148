"""The three gateways: upstream services go in, a ``Gateway`` that answers requests comes out."""
