"""What was read last goes in; the progress line and the metrics of Prometheus come out."""
