"""The report as one page: report.html, self-contained, for whoever signs the release."""
