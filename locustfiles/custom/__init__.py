"""A custom locustfile goes in; it is driven, counted and recorded as the planned load is."""
