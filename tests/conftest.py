"""What every test gets: one thread, which is several times faster for small tensors."""

import os

# Read by OpenMP when torch is first imported, and inherited by the commands that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
