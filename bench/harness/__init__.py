"""How is measured: what to time goes in, ratios with their intervals come out."""
