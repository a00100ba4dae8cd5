"""PyTorch as a peer of `hypersine bench --peers`: the harness starts this, and the two take turns.

It reads a command on each line of stdin and answers with a line of JSON on stdout:

    about                       what this is: {"name", "modes"}, a mode being {"on", "device", "mode", "called", "half", "tasks"}:
                                beside which devices ("cpu", "gpu", "software") it stands, the words for load, what people
                                call it, whether it computes in f16, and what it can do ("evaluate", "family",
                                "train-step"; only the first unless it says)
    load NAME MODE DEVICE FILE  what is to be done, as FILE (JSON) describes it, see below
    poison NAME                 the outputs become NaN, a run of training begins anew
    run NAME REPEATS            {"seconds"} of all repeats, and "peak_bytes" where it knows what was held
    store NAME FILE             the outputs as little-endian 32-bit floats. Of training: takes one more step, and stores all
                                parameters before it, Adam's two moments of each, and all parameters after it; answers
                                with the {"steps"} taken before
    drop NAME                   it is needed no longer

Words are parted by tabs. A file has

    "layers", "omega"   of the SIREN, [outputs, inputs] of each layer
    "weights"           a file of little-endian 32-bit floats: each layer's weight, [outputs][inputs], and bias
    "coordinates"       such a file, [points][inputs]

and where latents write the weights ("family", "train-step")

    "tensors"           [name, numbers] of each tensor in "weights": "trunk.T.I.weight" and ".bias" of trunk T's layer I,
                        "head.L.weight" and "head.L.bias" of layer L, or what writes those: ".map.weight", ".map.bias"
                        and, of low rank, ".base", ".factors.map.weight", ".factors.map.bias"
    "trunks"            the activation of each layer, "relu" or null
    "heads"             {"weight", "bias"} of each layer, each with a "kind" ("shared", "linear", "low-rank"), the "trunk" whose
                        features it reads, and of low rank "rank" and "multiplier"
    "latents", "z"      how many, and a file, [latents][numbers]
    "targets", "rate"   of training, whose coordinates are [latents][points][inputs]: a file, [latents][points][outputs],
                        and Adam's learning rate; the loss is the mean of squares

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
# Steps after which training begins anew.
MOST_STEPS = 50


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


class Family(torch.nn.Module):
    """z -> features of trunks -> the weights of each layer -> values: every latent's weights are written, then multiplied
    with its points in a batch."""

    def __init__(self, about, numbers):
        super().__init__()
        self.layers, self.omega, self.trunks, self.heads = (about[k] for k in ("layers", "omega", "trunks", "heads"))
        # Names of parameters have no dots.
        self.tensors = torch.nn.ParameterDict()
        for (name, count), values in zip(about["tensors"], numbers.split([n for _, n in about["tensors"]])):
            self.tensors[name.replace(".", "_")] = values.clone()

    def affine(self, name, x):
        bias = self.tensors[name + "_bias"]
        return torch.nn.functional.linear(x, self.tensors[name + "_weight"].view(bias.numel(), -1), bias)

    def features(self, z):
        for t, activations in enumerate(self.trunks):
            h = z
            for i, activation in enumerate(activations):
                h = self.affine(f"trunk_{t}_{i}", h)
                h = torch.relu(h) if activation else h
            yield h

    def source(self, name, about, features, outputs, inputs):
        """[latents, outputs, inputs]"""
        if about["kind"] == "shared":
            return self.tensors[name].view(1, outputs, inputs).expand(len(features[0]), -1, -1)
        h = features[about["trunk"]]
        if about["kind"] == "linear":
            return self.affine(name + "_map", h).view(-1, outputs, inputs)
        rank, base = about["rank"], self.tensors[name + "_base"].view(outputs, inputs)
        u, v = self.affine(name + "_factors_map", h).split([outputs * rank, rank * inputs], dim=1)
        m = torch.bmm(u.view(-1, outputs, rank), v.view(-1, rank, inputs)) / rank**0.5
        if about["multiplier"] == "tanh":
            return base * (1 + torch.tanh(m))
        if about["multiplier"] == "sigmoid":
            return base * (torch.sigmoid(m) + 0.5)
        weight = base * (1 + m)
        return weight * torch.rsqrt((weight * weight).sum(2, keepdim=True) + 1e-8)

    def forward(self, z, x):
        features = list(self.features(z))
        for l, ((outputs, inputs), head) in enumerate(zip(self.layers, self.heads)):
            weight = self.source(f"head_{l}_weight", head["weight"], features, outputs, inputs)
            bias = self.source(f"head_{l}_bias", head["bias"], features, outputs, 1)
            x = torch.baddbmm(bias.transpose(1, 2), x, weight.transpose(1, 2))
            x = torch.sin(self.omega * x) if l + 1 < len(self.layers) else x
        return x


class Subject:
    """Something that is run; subclasses have a `step`."""

    def __init__(self, device):
        self.device, self.y = device, None

    def wait(self):
        if self.device == "cuda":
            torch.cuda.synchronize()

    def run(self, repeats):
        self.wait()
        if self.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        start = time.perf_counter()
        for _ in range(repeats):
            self.step()
        self.wait()
        answer = {"seconds": time.perf_counter() - start}
        if self.device == "cuda":
            answer["peak_bytes"] = torch.cuda.max_memory_allocated()
        return answer

    def poison(self):
        # What a run returns is another tensor: there is nothing else to write into.
        self.y = torch.full((1,), float("nan"))

    def store(self, path):
        self.write(path, self.y)
        return {}

    def write(self, path, numbers):
        values = array.array("f", numbers.detach().float().cpu().flatten().tolist())
        if sys.byteorder == "big":
            values.byteswap()
        with open(path, "wb") as file:
            values.tofile(file)


class Evaluation(Subject):
    """One SIREN, or those of a family from their latents."""

    def __init__(self, about, mode, device):
        super().__init__(device)
        compile_mode, kind, _ = MODES[mode]
        numbers = floats(about["weights"])
        x = floats(about["coordinates"]).view(-1, about["layers"][0][1])
        if "heads" in about:
            model = Family(about, numbers)
            latents = about["latents"]
            self.inputs = [floats(about["z"]).view(latents, -1), x.expand(latents, -1, -1)]
        else:
            model, first = Siren(about["layers"], about["omega"]), 0
            for layer in model.layers:
                for tensor in (layer.weight, layer.bias):
                    tensor.data = numbers[first : first + tensor.numel()].view(tensor.shape).clone()
                    first += tensor.numel()
            self.inputs = [x]
        self.inputs = [tensor.to(device, kind) for tensor in self.inputs]
        self.model = model.to(device, kind)
        if compile_mode:
            self.model = torch.compile(self.model, mode=compile_mode)

    def step(self):
        self.y = self.model(*self.inputs)


class Training(Subject):
    """Forward, backward and Adam; gradients of the latents are worked out, too."""

    def __init__(self, about, mode, device):
        super().__init__(device)
        compile_mode, kind, _ = MODES[mode]
        self.numbers, latents = floats(about["weights"]), about["latents"]
        self.model = Family(about, self.numbers).to(device, kind)
        self.rate = about["rate"]
        self.z = floats(about["z"]).view(latents, -1).to(device, kind).requires_grad_()
        x = floats(about["coordinates"]).view(latents, -1, about["layers"][0][1]).to(device, kind)
        y = floats(about["targets"]).view(latents, -1, about["layers"][-1][0]).to(device, kind)

        def loss():
            return ((self.model(self.z, x) - y) ** 2).mean()

        self.loss = torch.compile(loss, mode=compile_mode) if compile_mode else loss
        self.poison()

    def run(self, repeats):
        # As the harness does: a network that has learned its few points by heart has gradients that are mostly rounding.
        if self.steps >= MOST_STEPS:
            self.poison()
        return super().run(repeats)

    def poison(self):
        parameters = list(self.model.parameters())
        with torch.no_grad():
            for p, values in zip(parameters, self.numbers.split([p.numel() for p in parameters])):
                p.copy_(values.view(p.shape))
        # PyTorch's fastest Adam.
        self.adam, self.steps = torch.optim.Adam(parameters, lr=self.rate, fused=True), 0

    def step(self):
        with torch.enable_grad():
            self.adam.zero_grad(set_to_none=True)
            self.z.grad = None
            self.loss().backward()
            self.adam.step()
        self.steps += 1

    def store(self, path):
        def parameters():
            return torch.cat([p.detach().flatten().clone() for p in self.model.parameters()])

        def moments(key):
            zero = torch.zeros((), device=self.device)
            of = [self.adam.state[p].get(key, zero.expand(p.shape)) for p in self.model.parameters()]
            return torch.cat([m.flatten().clone() for m in of])

        before, taken = [parameters(), moments("exp_avg"), moments("exp_avg_sq")], self.steps
        self.step()
        self.write(path, torch.cat([*before, parameters()]))
        return {"steps": taken}


def answer(subjects, words):
    command, *rest = words
    if command == "about":
        name = f"PyTorch {torch.__version__} on {torch.get_num_threads()} threads"
        ways = [("cpu", "cpu", "eager"), ("cpu", "cpu", "compile")]
        if torch.cuda.is_available():
            name += ", " + torch.cuda.get_device_name()
            ways += [("gpu", "cuda", mode) for mode in MODES]
        modes = [
            {
                "on": on,
                "device": device,
                "mode": mode,
                "called": f"PyTorch {MODES[mode][2]}",
                "half": mode.startswith("half"),
                # A step of training is one of f32, and changes what a graph would replay.
                "tasks": ["evaluate", "family"] + ["train-step"] * (mode in ("eager", "compile")),
            }
            for on, device, mode in ways
        ]
        return {"name": name, "modes": modes}
    if command == "load":
        name, mode, device, path = rest
        with open(path) as file:
            about = json.load(file)
        subjects[name] = (Training if "targets" in about else Evaluation)(about, mode, device)
    elif command == "poison":
        subjects[rest[0]].poison()
    elif command == "run":
        return subjects[rest[0]].run(int(rest[1]))
    elif command == "store":
        return subjects[rest[0]].store(rest[1])
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
