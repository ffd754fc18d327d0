"""Pairs of digits, alike or not, by the contrastive loss of two shared branches."""

import torch
import torch.nn.functional as F
from data import digits
from torch import nn

torch.manual_seed(0)
images, labels = digits()
x, y = torch.from_numpy(images).unsqueeze(1) / 16, torch.from_numpy(labels)
known, new = y < 7, y >= 7
xk, yk, xn, yn = x[known], y[known], x[new], y[new]


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 16, 3), nn.PReLU(), nn.Conv2d(16, 32, 3), nn.PReLU(), nn.Flatten(), nn.Linear(512, 16)
        )

    def forward(self, a, b):
        return F.pairwise_distance(self.net(a), self.net(b))


def pairs(x, y, n):
    i, j = torch.randint(len(y), (n,)), torch.randint(len(y), (n,))
    same = torch.arange(n) < n // 2
    for k in torch.where(same)[0]:
        mates = torch.where(y == y[i[k]])[0]
        j[k] = mates[torch.randint(len(mates), ())]
    return x[i], x[j], (y[i] != y[j]).float()


model = Siamese()
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
for step in range(250):
    a, b, differ = pairs(xk, yk, 64)
    d = model(a, b)
    loss = ((1 - differ) * d.pow(2) + differ * torch.clamp(1.0 - d, min=0).pow(2)).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
model.eval()
with torch.no_grad():
    a, b, differ = pairs(xn, yn, 600)
    right = ((model(a, b) > 0.5).float() == differ).float().mean().item()
print("pairs of new digits told right", right)
assert right > 0.68
