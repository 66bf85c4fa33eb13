"""Records what a card does, to replay it: a training step of this small network is thousands of kernels of a few microseconds each, which
Python starts at a fraction of the pace at which a card can do them."""
import collections

import torch


class Recorder:
    """Does a piece of work that is given batches of few forms. The first batch of a form is worked on as it is; the second is recorded as a CUDA
    graph, and those after it are copied to where that one stood, and the graph is replayed.

    The work must leave its results in tensors that are there before it, wait for nothing that the card does, and ask for nothing but
    the batch and its form."""

    def __init__(self, work):
        self.work, self.pool, self.met, self.graphs = work, None, collections.Counter(), {}

    def __call__(self, batch):
        form = tuple((k, tuple(v.shape if torch.is_tensor(v) else v or ())) for k, v in batch.items())  # pinning makes lists of tuples
        if form not in self.graphs:
            self.met[form] += 1
            if self.met[form] == 1:
                return self.work(batch)
            self.graphs[form] = self.record(batch)
        graph, place = self.graphs[form]
        for k, v in place.items():
            v.copy_(batch[k], non_blocking=True)
        graph.replay()

    def record(self, batch):
        place = {k: v.clone() for k, v in batch.items() if torch.is_tensor(v)}
        graph = torch.cuda.CUDAGraph()
        # Only one graph runs at a time and none leaves anything behind, so they share their memory. Another thread pins batches meanwhile.
        with torch.cuda.graph(graph, pool=self.pool, capture_error_mode="thread_local"):
            self.work({**batch, **place})
        self.pool = graph.pool()
        return graph, place
