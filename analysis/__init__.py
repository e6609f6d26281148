"""From a run directory to a report: readings, slopes, verdicts, the comparison with the incident, figures."""

import os

from soak.errors import end_quietly_by_ctrl_c

# The judge multiplies many small matrices: BLAS threads only get into each other's way, and take a core from the run.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
end_quietly_by_ctrl_c()  # the import of what a command needs takes up to a second
