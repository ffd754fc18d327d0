"""A physics-informed net for u'' = -u, u(0) = 0, u'(0) = 1: derivatives in the loss, Adam, then L-BFGS."""

import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
t = torch.linspace(0, 3.0, 60).unsqueeze(1).requires_grad_()
zero = torch.zeros(1, 1, requires_grad=True)


def derivative(y, x):
    return torch.autograd.grad(y.sum(), x, create_graph=True)[0]


def residual():
    u = net(t)
    du = derivative(u, t)
    equation = (derivative(du, t) + u).pow(2).mean()
    start = net(zero)
    return equation + start.pow(2).mean() + (derivative(start, zero) - 1).pow(2).mean()


adam = torch.optim.Adam(net.parameters(), lr=3e-3)
for i in range(500):
    adam.zero_grad()
    loss = residual()
    loss.backward()
    adam.step()
lbfgs = torch.optim.LBFGS(net.parameters(), max_iter=20, line_search_fn="strong_wolfe")


def closure():
    lbfgs.zero_grad()
    loss = residual()
    loss.backward()
    return loss


for i in range(10):
    lbfgs.step(closure)
error = (net(t) - torch.sin(t)).abs().max().item()
print("greatest error", error)
assert error < 0.05
