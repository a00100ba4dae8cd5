"""PyTorch as a peer of `hypersine bench --peers`: the harness starts this, and the two take turns.

It reads a command on each line of stdin and answers with a line of JSON on stdout:

    about                       what this is: {"name", "modes"}, a mode being {"on", "device", "mode", "called", "half"}: beside
                                which devices ("cpu", "gpu", "software") it stands, the words for load, what people call
                                it, and whether it computes in f16
    load NAME MODE DEVICE FILE  a SIREN and its points, as FILE (JSON) describes them: "layers" ([outputs, inputs] each), "omega",
                                "weights" and "coordinates" (files of little-endian 32-bit floats: each layer's weight,
                                [outputs][inputs], and bias; [points][inputs])
    poison NAME                 the outputs become NaN
    run NAME REPEATS            {"seconds"} of all repeats
    store NAME FILE             the outputs as little-endian 32-bit floats
    drop NAME                   it is needed no longer

Words are parted by tabs.

Needs torch. TF32 is off.
"""

import array
import json
import os
import sys
import time

import torch

# How torch compiles, the type of its numbers, and what people call it.
MODES = {
    "eager": (None, torch.float32, "eager"),
    "compile": ("default", torch.float32, "compile"),
    "graph": ("reduce-overhead", torch.float32, "CUDA graphs"),
    "half": (None, torch.float16, "eager f16"),
    "half-compile": ("default", torch.float16, "compile f16"),
}


def floats(path):
    values = array.array("f")
    with open(path, "rb") as file:
        values.frombytes(file.read())
    if sys.byteorder == "big":
        values.byteswap()
    return torch.tensor(values)


class Siren(torch.nn.Module):
    """sin(omega (W x + b)) in the hidden layers, then a linear one."""

    def __init__(self, layers, omega):
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Linear(i, o) for o, i in layers)
        self.omega = omega

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = torch.sin(self.omega * layer(x))
        return self.layers[-1](x)


class Subject:
    def __init__(self, mode, device, path):
        with open(path) as file:
            about = json.load(file)
        compile_mode, kind, _ = MODES[mode]
        model = Siren(about["layers"], about["omega"])
        numbers, first = floats(about["weights"]), 0
        for layer in model.layers:
            for tensor in (layer.weight, layer.bias):
                tensor.data = numbers[first : first + tensor.numel()].view(tensor.shape).clone()
                first += tensor.numel()
        self.model = model.to(device, kind)
        if compile_mode:
            self.model = torch.compile(self.model, mode=compile_mode)
        self.x = floats(about["coordinates"]).view(-1, about["layers"][0][1]).to(device, kind)
        self.device, self.y = device, None

    def wait(self):
        if self.device == "cuda":
            torch.cuda.synchronize()

    def run(self, repeats):
        self.wait()
        start = time.perf_counter()
        for _ in range(repeats):
            self.y = self.model(self.x)
        self.wait()
        return time.perf_counter() - start

    def store(self, path):
        values = array.array("f", self.y.float().cpu().flatten().tolist())
        if sys.byteorder == "big":
            values.byteswap()
        with open(path, "wb") as file:
            values.tofile(file)


def answer(subjects, words):
    command, *rest = words
    if command == "about":
        name = f"PyTorch {torch.__version__} on {torch.get_num_threads()} threads"
        ways = [("cpu", "cpu", "eager"), ("cpu", "cpu", "compile")]
        if torch.cuda.is_available():
            name += ", " + torch.cuda.get_device_name()
            ways += [("gpu", "cuda", mode) for mode in MODES]
        modes = [
            {"on": on, "device": device, "mode": mode, "called": f"PyTorch {MODES[mode][2]}", "half": mode.startswith("half")}
            for on, device, mode in ways
        ]
        return {"name": name, "modes": modes}
    if command == "load":
        name, mode, device, path = rest
        subjects[name] = Subject(mode, device, path)
    elif command == "poison":
        # What a run returns is another tensor: there is nothing else to write into.
        subjects[rest[0]].y = torch.full((1,), float("nan"))
    elif command == "run":
        return {"seconds": subjects[rest[0]].run(int(rest[1]))}
    elif command == "store":
        subjects[rest[0]].store(rest[1])
    elif command == "drop":
        subjects.pop(rest[0], None)
    return {}


def main():
    # One thread per core that this process may use, as Hypersine does.
    if hasattr(os, "sched_getaffinity"):
        torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.set_grad_enabled(False)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    # What libraries print must not mix with the answers.
    out, sys.stdout = sys.stdout, sys.stderr
    subjects = {}
    for line in sys.stdin:
        try:
            reply = answer(subjects, line.rstrip("\n").split("\t"))
        except Exception as error:  # Whatever it was, the harness is to hear of it.
            reply = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        print(json.dumps(reply), file=out, flush=True)


main()
