"""Arms that run elsewhere: read by the metrics that they export themselves, and neither started nor stopped."""
