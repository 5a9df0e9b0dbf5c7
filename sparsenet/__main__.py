"""`python -m sparsenet`."""

from sparsenet.cli.main import main

main()
