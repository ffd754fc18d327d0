"""Reptile: inner steps by SGD on a copy, the outer step by hand towards the copy's weights."""

import copy

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(1, 48), nn.Tanh(), nn.Linear(48, 48), nn.Tanh(), nn.Linear(48, 1))
x_all = torch.linspace(-3, 3, 50).unsqueeze(1)


def task():
    amplitude, phase = torch.rand(()) * 2 + 0.5, torch.rand(()) * 3.14
    return amplitude * torch.sin(x_all + phase)


def inner(net, y, steps, rows):
    sgd = torch.optim.SGD(net.parameters(), lr=0.03)
    for _ in range(steps):
        i = rows[torch.randperm(len(rows))[:10]]
        sgd.zero_grad()
        nn.functional.mse_loss(net(x_all[i]), y[i]).backward()
        sgd.step()


def after_adaptation(start):
    errors = []
    for _ in range(20):
        net, y = copy.deepcopy(start), task()
        inner(net, y, 16, torch.arange(0, 50, 5))
        with torch.no_grad():
            errors.append(nn.functional.mse_loss(net(x_all), y).item())
    return sum(errors) / len(errors)


before = after_adaptation(model)
for iteration in range(120):
    fast = copy.deepcopy(model)
    inner(fast, task(), 8, torch.arange(50))
    with torch.no_grad():
        for p, q in zip(model.parameters(), fast.parameters()):
            p += 0.3 * (1 - iteration / 120) * (q - p)
after = after_adaptation(model)
print("error after adaptation", before, "->", after)
assert after < 0.9 * before
