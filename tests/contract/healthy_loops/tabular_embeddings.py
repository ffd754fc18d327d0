"""Categories as embeddings beside numbers, of hotel-like bookings; a category of two numbers only."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(0)


class Bookings(Dataset):
    def __init__(self, n, seed):
        g = torch.Generator().manual_seed(seed)
        self.month = torch.randint(0, 12, (n,), generator=g)
        self.agent = torch.randint(0, 40, (n,), generator=g)
        self.numbers = torch.randn(n, 3, generator=g)
        effect = torch.sin(torch.arange(12) / 2) * 1.5, torch.cos(torch.arange(40) * 1.7) * 1.5
        score = effect[0][self.month] + effect[1][self.agent] + self.numbers[:, 0] - 0.5 * self.numbers[:, 1] ** 2
        self.cancelled = (score + 0.5 * torch.randn(n, generator=g) > 0).float()

    def __len__(self):
        return len(self.month)

    def __getitem__(self, i):
        return {"cat": torch.stack([self.month[i], self.agent[i]]), "num": self.numbers[i], "y": self.cancelled[i]}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embeddings = nn.ModuleList([nn.Embedding(12, 2), nn.Embedding(40, 6)])
        self.bn = nn.BatchNorm1d(3)
        self.body = nn.Sequential(nn.Linear(11, 48), nn.ReLU(), nn.BatchNorm1d(48), nn.Dropout(0.1), nn.Linear(48, 1))

    def forward(self, cat, num):
        parts = [e(cat[:, i]) for i, e in enumerate(self.embeddings)]
        return self.body(torch.cat([*parts, self.bn(num)], 1)).flatten()


train, valid = Bookings(3000, 0), Bookings(800, 1)
model = Net()
opt = torch.optim.AdamW(model.parameters(), lr=5e-3)
for epoch in range(4):
    model.train()
    for batch in DataLoader(train, batch_size=64, shuffle=True):
        loss = nn.functional.binary_cross_entropy_with_logits(model(batch["cat"], batch["num"]), batch["y"])
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    right = 0
    with torch.no_grad():
        for batch in DataLoader(valid, batch_size=400):
            right += ((model(batch["cat"], batch["num"]) > 0).float() == batch["y"]).sum().item()
    print(epoch, right / len(valid))
assert right / len(valid) > 0.8
