"""Data sets, which samples of them are used, and the batches a net is fed."""
