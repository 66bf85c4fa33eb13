"""Muon (https://kellerjordan.github.io/posts/muon/) as torch.optim.Muon has it with adjust_lr_fn="match_rms_adamw", but for matrices of one shape at
once, for a learning rate that may be a tensor, so that a card can record it, and in float32 where processors have no bfloat16 instructions
(torch's makes updates orthogonal in bfloat16 whatever it trains: on such processors 20 times as slowly)."""
import torch

EPSILON = 1e-7
COEFFICIENTS = 3.4445, -4.7750, 2.0315  # of the quintic iteration
ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    def __init__(self, params, lr, weight_decay=0.05, momentum=0.95, half=False):
        """half: bfloat16."""
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        self.half = half

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            alike = {}
            for p in group["params"]:
                if p.grad is not None:
                    alike.setdefault(p.shape, []).append(p)
            for shape, ps in alike.items():
                for p in ps:
                    if "momentum_buffer" not in self.state[p]:
                        self.state[p]["momentum_buffer"] = torch.zeros_like(p)
                grads, means = [p.grad for p in ps], [self.state[p]["momentum_buffer"] for p in ps]
                torch._foreach_lerp_(means, grads, 1 - group["momentum"])
                updates = torch.stack(torch._foreach_lerp(grads, means, group["momentum"]))
                updates = orthogonal(updates.bfloat16() if self.half else updates).to(grads[0].dtype)
                torch._foreach_mul_(ps, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_sub_(ps, list((updates * (group["lr"] * 0.2 * max(shape) ** 0.5)).unbind()))


def orthogonal(stack):
    """The matrices [n, rows, columns] with all singular values near 1."""
    a, b, c = COEFFICIENTS
    tall = stack.shape[1] > stack.shape[2]
    x = stack.mT if tall else stack
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=EPSILON)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
