"""The report's contents go in; JUnit XML and summary.json, for programs, come out."""
