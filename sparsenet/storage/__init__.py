"""What weights take in memory: formats, accounting and its report."""
