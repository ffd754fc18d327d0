"""Windows of exchange rates that overlap, split by time, each divided by its last value."""

import gzip
import os
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(0)
path = Path(os.environ["SIGHTLINE_DATA"]) / "ett" / "ETTh1.csv.gz"
with gzip.open(path, "rt") as file:
    rows = [line.split(",")[1:] for line in file][1:]
series = np.array(rows, dtype="float32")[:5000]
low, high = series[:4000].min(0), series[:4000].max(0)
series = (series - low) / (high - low)


class Windows(Dataset):
    def __init__(self, part, back=24):
        self.part, self.back = torch.from_numpy(part), back

    def __len__(self):
        return len(self.part) - self.back

    def __getitem__(self, i):
        return self.part[i : i + self.back], self.part[i + self.back, -1]


class LSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(7, 32, num_layers=1, batch_first=True)
        self.linear = nn.Linear(32, 1)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.linear(out[:, -1]).squeeze(-1)


train, val = DataLoader(Windows(series[:4000]), 32, shuffle=True), DataLoader(Windows(series[4000:]), 256)
model = LSTM()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
mse = nn.MSELoss()
for epoch in range(4):
    model.train()
    for x, y in train:
        opt.zero_grad()
        mse(model(x), y).backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        total = sum(mse(model(x), y).item() * len(y) for x, y in val) / len(val.dataset)
    print(epoch, total)
assert total < 0.4 * float(series[4000:, -1].var())
