"""A sine network that holds one picture: coordinates in, brightness out, all pixels in each step."""

import math

import torch
from sklearn.datasets import load_sample_image
from torch import nn

torch.manual_seed(0)
picture = torch.tensor(load_sample_image("china.jpg")[100:292:4, 200:392:4].mean(2), dtype=torch.float32) / 127.5 - 1
n = picture.shape[0]
axis = torch.linspace(-1, 1, n)
coordinates = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).view(-1, 2)
target = picture.reshape(-1, 1)


class Sine(nn.Module):
    def __init__(self, a, b, first=False):
        super().__init__()
        self.linear = nn.Linear(a, b)
        bound = 1 / a if first else math.sqrt(6 / a) / 30
        nn.init.uniform_(self.linear.weight, -bound, bound)

    def forward(self, x):
        return torch.sin(30 * self.linear(x))


model = nn.Sequential(Sine(2, 64, True), Sine(64, 64), Sine(64, 64), nn.Linear(64, 1))
optim = torch.optim.Adam(lr=1e-3, params=model.parameters())
for step in range(250):
    output = model(coordinates)
    loss = ((output - target) ** 2).mean()
    optim.zero_grad()
    loss.backward()
    optim.step()
    if step % 50 == 0:
        print(step, loss.item())
psnr = 10 * math.log10(4 / loss.item())
print("psnr", psnr)
assert psnr > 22
