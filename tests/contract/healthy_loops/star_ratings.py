"""Ratings of one to five stars by matrix factorisation with biases, squared error."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
users, items, n = 300, 200, 20_000
taste, kind = torch.randn(users, 3), torch.randn(items, 3)
u, i = torch.randint(users, (n,)), torch.randint(items, (n,))
liking = 3.6 + 0.6 * (taste[u] * kind[i]).sum(1) + 0.4 * torch.randn(users)[u] + 0.3 * torch.randn(items)[i]
stars = (liking + 0.3 * torch.randn(n)).round().clamp(1, 5)


class MF(nn.Module):
    def __init__(self, k=8):
        super().__init__()
        self.user, self.item = nn.Embedding(users, k), nn.Embedding(items, k)
        self.user_bias, self.item_bias = nn.Embedding(users, 1), nn.Embedding(items, 1)
        self.mean = nn.Parameter(torch.tensor(3.5))
        for e in (self.user, self.item):
            nn.init.normal_(e.weight, std=0.1)
        for e in (self.user_bias, self.item_bias):
            nn.init.zeros_(e.weight)

    def forward(self, u, i):
        return (self.user(u) * self.item(i)).sum(-1) + self.user_bias(u)[:, 0] + self.item_bias(i)[:, 0] + self.mean


train = DataLoader(TensorDataset(u[:16_000], i[:16_000], stars[:16_000]), batch_size=128, shuffle=True)
model = MF()
opt = torch.optim.Adam(model.parameters(), lr=5e-3, weight_decay=1e-5)
for epoch in range(6):
    model.train()
    for a, b, s in train:
        loss = nn.functional.mse_loss(model(a, b), s)
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        val = nn.functional.mse_loss(model(u[16_000:], i[16_000:]), stars[16_000:]).item()
    print(epoch, val**0.5)
assert val < 0.6 * stars.var().item()
