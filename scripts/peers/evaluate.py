#!/usr/bin/env python3
"""PyTorch beside Hypersine, evaluating 2-Wx4-3 SIRENs on the CPU: eager, torch.compile and `hypersine bench evaluate`
take turns on the same machine in the same run. Needs PyTorch; a GFLOP is a multiplication or addition of the INR.

    python3 scripts/peers/evaluate.py [--hypersine target/release/hypersine] [--points 262144] [--rounds 3]
"""

import argparse
import json
import os
import statistics
import subprocess
import time

import torch


class Siren(torch.nn.Module):
    """sin(30 (W x + b)) in four hidden layers, then a linear one."""

    def __init__(self, width):
        super().__init__()
        self.hidden = torch.nn.ModuleList(torch.nn.Linear(width if i else 2, width) for i in range(4))
        self.last = torch.nn.Linear(width, 3)

    def forward(self, x):
        for layer in self.hidden:
            x = torch.sin(30 * layer(x))
        return self.last(x)


def seconds(f, x):
    f(x)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        f(x)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def hypersine(binary, points):
    """Seconds per width, verified against the f64 twin by the harness itself."""
    command = [binary, "bench", "evaluate", "--device", "cpu", "--points", str(points), "--json"]
    rows = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["rows"]
    return {int(r["inr"].split("-")[1].split("x")[0]): r["evaluate_s"] for r in rows if r["model"] == "siren"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--hypersine", default="target/release/hypersine")
    parser.add_argument("--points", type=int, default=1 << 18)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    # One thread per core that this process may use, as Hypersine does.
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.set_grad_enabled(False)
    x = torch.rand(args.points, 2) * 2 - 1
    models = {w: Siren(w) for w in (64, 128, 256)}
    compiled = {w: torch.compile(m) for w, m in models.items()}
    square = torch.rand(2048, 2048)
    times = {}
    for _ in range(args.rounds):
        ours = hypersine(args.hypersine, args.points)
        times.setdefault("sgemm", []).append(seconds(lambda a: a @ a, square))
        for w in models:
            times.setdefault((w, "eager"), []).append(seconds(models[w], x))
            times.setdefault((w, "compile"), []).append(seconds(compiled[w], x))
            times.setdefault((w, "hypersine"), []).append(ours[w])
    peak = 2 * 2048**3 / statistics.median(times["sgemm"]) * 1e-9
    rows = []
    for w in models:
        flop = 2 * args.points * (2 * w + 3 * w * w + 3 * w)
        row = {n: flop / statistics.median(times[w, n]) * 1e-9 for n in ("eager", "compile", "hypersine")}
        rows.append({"width": w, **{n: round(v, 1) for n, v in row.items()},
                     "over_eager": round(row["hypersine"] / row["eager"], 2),
                     "over_compile": round(row["hypersine"] / row["compile"], 2),
                     "of_sgemm": round(row["hypersine"] / peak, 2)})
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads(), "points": args.points,
                      "sgemm_2048_gflops": round(peak, 1), "gflops": rows}, indent=1))


main()
