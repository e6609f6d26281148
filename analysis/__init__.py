"""From a run directory to a report: readings, slopes, verdicts, the comparison with the incident, figures."""

import os

# The judge multiplies many small matrices: BLAS threads only get into each other's way, and take a core from the run.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
