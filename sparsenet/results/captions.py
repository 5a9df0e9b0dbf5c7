"""What each figure of `sparsenet plot` shows, in a sentence for below it."""

from __future__ import annotations

_AFTER = "of Collins & Kohli (2014)."

CAPTIONS: dict[str, str] = {
    "tradeoff": "Accuracy against the memory of the weights, each layer in its best storage "
    "format, of every candidate of the search and along the accepted path, "
    f"after Figure 1 {_AFTER}",
    "filters": "Convolution filters of a dense and of a sparse network, and the pattern of the "
    f"sparse ones' nonzeros, after Figure 2 {_AFTER}",
    "convergence": "Training loss and accuracy as the training goes on, means over the repetitions "
    f"of each method in a band from the least to the greatest, after Figure 3 {_AFTER}",
    "layers": "Nonzero weights by layer of networks along the accepted path, a stack at each "
    "network's accuracy: on the left as counts, on the right so that all layers of a dense "
    f"network would be as high, after Figure 4 {_AFTER}",
    "threshold": "Accuracy against nonzero weights of thresholded networks and of those trained "
    f"under l0 constraints with the same counts, after Figure 5 {_AFTER}",
    "prune": "Accuracy against the part of the filters or weights that was set to zero without "
    "training, of each trained network, after Khan & Stavness (2020).",
    "sweep": "Accuracy against nonzero weights by method, means over seeds with bars of one "
    f"standard deviation, after Figure 6 {_AFTER}",
    "datasize": "Accuracy on held-out and on training data against the number of training "
    f"samples, means over seeds with bars of one standard deviation, after Figure 7 {_AFTER}",
    "ensemble": "Accuracy of ensembles of sparse networks and of their members alone against the "
    "number of members, means with bars of one standard deviation, and of one dense network, "
    f"after Table 1 {_AFTER}",
}
