"""Saves a tiny untrained checkpoint in each layout that `hypersine import` reads, and latents for those that take any. Run:

    python3 examples/save_layouts.py FOLDER
    hypersine import FOLDER/coinpp.pth --latents FOLDER/latents.pth -o m.safetensors

What each computes stands in tests/fixtures/make_layouts.py and make_onet.py, and the tests hold the import to that.
"""

import sys
from pathlib import Path

import numpy as np
import torch

folder, sizes = Path(sys.argv[1]), [2, 16, 16, 3]  # a SIREN of two hidden layers; latents have 4 entries


def maps(names, sizes):
    """PyTorch's linear layers: weights [out, in] and biases."""
    layers = [(name, torch.nn.Linear(n, m)) for name, n, m in zip(names, sizes, sizes[1:])]
    return {f"{name}.{k}": v for name, layer in layers for k, v in layer.state_dict().items()}


numbers = [2 * 16, 16, 16 * 16, 16, 16 * 3, 3]  # of each tensor that a hypernetwork writes
nets = [maps([f"hyper_net.nets.{k}.net.0.0", f"hyper_net.nets.{k}.net.1.0"], [4, 8, n]) for k, n in enumerate(numbers)]
coin = maps(["net.0.linear", "net.1.linear", "last_layer.linear"], sizes)
norm = lambda name: maps([f"{name}.fc_gamma"], [4, 16]) | maps([f"{name}.fc_beta"], [4, 16]) | {
    f"{name}.bn.running_mean": torch.zeros(16),
    f"{name}.bn.running_var": torch.ones(16),
}
onet = maps(["decoder.fc_p"], [3, 16]) | norm("decoder.bn") | maps(["decoder.fc_out"], [16, 1])
for i in range(5):
    for k in range(2):
        onet |= norm(f"decoder.block{i}.bn_{k}") | maps([f"decoder.block{i}.fc_{k}"], [16, 16])
modulator = maps(["modulator.layers.0.0"], [4, 16]) | maps(["modulator.layers.1.0"], [16 + 4, 16])
checkpoints = {
    "siren": maps(["net.net.0.0", "net.net.1.0", "net.net.2.0"], sizes),
    "siren_hypernetwork": {name: tensor for net in nets for name, tensor in net.items()},
    "coin": coin,
    "coinpp": coin | maps(["modulation_net.net"], [4, 2 * 16]),
    "deepsdf": maps(["lin0", "lin1", "lin2"], [4 + 3, 16, 16, 1]),
    "onet": onet,
    "siren_pytorch": maps(["layers.0", "layers.1", "last_layer"], sizes),
    "siren_pytorch_modulated": maps(["net.layers.0", "net.layers.1", "net.last_layer"], sizes) | modulator,
}
for name, state in checkpoints.items():
    torch.save(state, folder / f"{name}.pth")
torch.save(torch.randn(3, 4), folder / "latents.pth")

layers = ["modulated_siren_layer/linear", "modulated_siren_layer_1/linear", "modulated_siren_layer_2/linear"]
functa = maps(layers, sizes) | maps(["~/latent_to_modulation/~/mlp/~/linear_0"], [4, 2 * 16])
rename = lambda name: "latent_modulated_siren/" + name.replace(".weight", "/w").replace(".bias", "/b")
np.savez(folder / "functa.npz", **{rename(name): tensor.numpy().T for name, tensor in functa.items()})  # [in, out]
