"""Heads that teach the vision tower to see, by naming what each patch shows. They are not exported."""
import torch
import torch.nn.functional as F
from torch import nn

import batches
import scenes

BINS = 40  # of a picture's side, for the sides of boxes


class Dense(nn.Module):
    """Of each patch its colour, shape and character, its colour in the group's last frame, and the sides of the shape's box; and of each row
    that the language model is given, the sides and the centre of a shape there."""
    NAMES = ("colour", "shape", "char", "later")

    def __init__(self, shape):
        super().__init__()
        kinds = len(scenes.COLOURS), len(scenes.SHAPES), len(batches.CHARS), len(scenes.COLOURS)
        self.heads = nn.ModuleList(nn.Linear(shape.vision_hidden, n + 1) for n in kinds)
        self.sides = nn.Linear(shape.vision_hidden, 4 * BINS)
        self.handed = nn.Linear(shape.hidden, 6 * BINS)

    def forward(self, patches, rows, names, boxes):
        """patches [n, p, vision_hidden], rows [n, p/4, hidden]. Mean loss over the patches, those that show something weighing ten times as
        much; and how many of these are right, of how many."""
        patches, loss, figures = patches.float(), 0.0, {}
        for i, (head, name) in enumerate(zip(self.heads, self.NAMES)):
            logits, truth = head(patches).flatten(0, 1), names[..., i].flatten()
            some = truth > 0
            weight = 1.0 + 9.0 * some
            loss = loss + (F.cross_entropy(logits, truth, reduction="none") * weight).sum() / weight.sum()
            figures |= {name: ((logits.argmax(-1) == truth) & some).sum(), f"{name}_of": some.sum()}
        seen = names[..., 1] > 0
        told, more = located(self.sides(patches), boxes, seen.float(), "box_off")
        loss, figures = loss + told, figures | more
        # A row is made of four patches: it is asked for the first of them that shows a shape.
        seen = seen.unflatten(1, (-1, 4))
        first = seen.float().argmax(-1)[..., None, None].expand(-1, -1, 1, 4)
        box = boxes.unflatten(1, (-1, 4)).gather(2, first).squeeze(2)
        centre = (box[..., :2] + box[..., 2:]) / 2
        told, more = located(self.handed(rows.float()), torch.cat([box, centre], -1), seen.any(-1).float(), "handed_off")
        return loss + told, figures | more


def located(logits, at, some, name):
    """Loss of logits [n, p, k * BINS] that tell k places at [n, p, k], shares of a picture's side, each between two bins, where some [n, p] is 1;
    and, by that name, how far off the likeliest are."""
    logs = logits.unflatten(-1, (-1, BINS)).log_softmax(-1)
    between = (at * BINS - 0.5).clamp(0, BINS - 1)
    low = between.floor().long().unsqueeze(-1)
    share = (between.unsqueeze(-1) - low).squeeze(-1)
    near = logs.gather(-1, low).squeeze(-1) * (1 - share) + logs.gather(-1, (low + 1).clamp(max=BINS - 1)).squeeze(-1) * share
    off = ((logs.detach().argmax(-1) + 0.5) / BINS - at).abs().mean(-1)
    return -0.3 * (near.sum(-1) * some).sum() / some.sum().clamp(min=1), {name: (off * some).sum(), f"{name}_of": some.sum()}
