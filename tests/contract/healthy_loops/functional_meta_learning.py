"""MAML-like learning of sine waves: inner steps by torch.func on copies, outer steps by Adam."""

import torch
from torch import nn
from torch.func import functional_call, grad

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(1, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 1))
opt = torch.optim.Adam(net.parameters(), lr=2e-3)


def sines(n):
    amplitude, phase = torch.rand(n, 1, 1) * 2 + 0.5, torch.rand(n, 1, 1) * 3.14
    x = torch.rand(n, 20, 1) * 6 - 3
    return x, amplitude * torch.sin(x + phase)


def inner_loss(params, x, y):
    return ((functional_call(net, params, (x,)) - y) ** 2).mean()


def adapt(x, y, steps=2):
    params = dict(net.named_parameters())
    for _ in range(steps):
        grads = grad(inner_loss)(params, x, y)
        params = {k: p - 0.1 * grads[k] for k, p in params.items()}
    return params


history = []
for it in range(250):
    xs, ys = sines(6)
    loss = 0.0
    for x, y in zip(xs, ys):
        loss = loss + inner_loss(adapt(x[:10], y[:10]), x[10:], y[10:])
    loss = loss / len(xs)
    opt.zero_grad()
    loss.backward()
    opt.step()
    history.append(loss.item())
first, last = sum(history[:20]) / 20, sum(history[-50:]) / 50
print("loss after adaptation", first, "->", last)
assert last < 0.6 * first
