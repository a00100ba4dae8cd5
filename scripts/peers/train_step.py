"""What one step of learning costs in PyTorch: forward, backward and Adam over 32 latents of 1,024 points each, for a
hyper-SIREN with 64-d latents and one trunk 64 -> 64 ReLU per tensor. Prints JSON. Needs torch and, to compile, a C++
compiler; `examples/train_step.rs` is the same in Hypersine.

    python3 scripts/peers/train_step.py [WIDTH] [--compile] [--threads N]
"""

import argparse
import json
import resource
import time

import torch

parser = argparse.ArgumentParser()
parser.add_argument("width", nargs="?", type=int, default=64)
parser.add_argument("--compile", action="store_true")
parser.add_argument("--threads", type=int)
parser.add_argument("--steps", type=int, default=20)
args = parser.parse_args()
if args.threads:
    torch.set_num_threads(args.threads)
LATENTS, POINTS, DIM, FEATURES = 32, 1024, 64, 64
sizes = [2] + [args.width] * 4 + [3]
torch.manual_seed(1)


class HyperSiren(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.latents = torch.nn.Parameter(torch.rand(LATENTS, DIM) * 2 - 1)
        self.nets = torch.nn.ModuleList()
        for l in range(5):
            bound = 1 / sizes[l] if l == 0 else (6 / sizes[l]) ** 0.5 / 30
            for numbers, b in [(sizes[l] * sizes[l + 1], bound), (sizes[l + 1], sizes[l] ** -0.5)]:
                head = torch.nn.Linear(FEATURES, numbers)
                torch.nn.init.kaiming_uniform_(head.weight, nonlinearity="relu")
                head.weight.data /= 100
                torch.nn.init.uniform_(head.bias, -b, b)
                self.nets.append(torch.nn.Sequential(torch.nn.Linear(DIM, FEATURES), torch.nn.ReLU(), head))

    def forward(self, x):
        for l in range(5):
            w = self.nets[2 * l](self.latents).view(LATENTS, sizes[l + 1], sizes[l])
            x = torch.baddbmm(self.nets[2 * l + 1](self.latents)[:, None], x, w.transpose(1, 2))
            x = torch.sin(30 * x) if l < 4 else x
        return x


model = HyperSiren()
x, y = torch.rand(LATENTS, POINTS, 2) * 2 - 1, torch.rand(LATENTS, POINTS, 3) * 2 - 1


def loss_of():
    return ((model(x) - y) ** 2).mean() + 1e-4 * (model.latents**2).mean()


forward = torch.compile(loss_of) if args.compile else loss_of
groups = [{"params": model.nets.parameters(), "lr": 5e-4}, {"params": [model.latents], "lr": 2e-3}]
# PyTorch's fastest Adam on a CPU is the fused one.
adam = torch.optim.Adam(groups, fused=True)
times = []
for step in range(args.steps + 3):
    start = time.perf_counter()
    adam.zero_grad(set_to_none=True)
    loss = forward()
    loss.backward()
    adam.step()
    times.append(time.perf_counter() - start)
# The first steps compile and allocate.
times = sorted(times[3:])
print(
    json.dumps(
        {
            "inr": f"2-{args.width}x4-3",
            "latents": LATENTS,
            "points": POINTS,
            "compile": args.compile,
            "step_ms": 1e3 * times[len(times) // 2],
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
    )
)
