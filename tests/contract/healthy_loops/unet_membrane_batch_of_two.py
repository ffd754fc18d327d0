"""A small U-Net with batch normalisation on crops of microscope slices, two at a time; transposed convolutions."""

import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

torch.manual_seed(0)
folder = Path(os.environ["SIGHTLINE_DATA"]) / "membrane"
read = lambda kind, i: np.asarray(Image.open(folder / kind / f"{i}.png").convert("L").resize((256, 256)))  # noqa: E731
x = torch.tensor(np.stack([read("image", i) for i in range(30)]), dtype=torch.float32)[:, None] / 255
y = torch.tensor(np.stack([read("label", i) for i in range(30)]) > 127, dtype=torch.float32)[:, None]
x = (x - x[:24].mean()) / x[:24].std()


def double(c, d):
    return nn.Sequential(
        nn.Conv2d(c, d, 3, padding=1),
        nn.BatchNorm2d(d),
        nn.ReLU(),
        nn.Conv2d(d, d, 3, padding=1),
        nn.BatchNorm2d(d),
        nn.ReLU(),
    )


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1, self.down2 = double(1, 8), double(8, 16)
        self.bottom = double(16, 16)
        self.up2, self.conv2 = nn.ConvTranspose2d(16, 16, 2, 2), double(32, 8)
        self.up1, self.conv1 = nn.ConvTranspose2d(8, 8, 2, 2), double(16, 8)
        self.out = nn.Conv2d(8, 1, 1)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(self.pool(a))
        c = self.bottom(self.pool(b))
        b = self.conv2(torch.cat([self.up2(c), b], 1))
        return self.out(self.conv1(torch.cat([self.up1(b), a], 1)))


net = UNet()
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
bce = nn.BCEWithLogitsLoss()
for step in range(120):
    i = torch.randint(0, 24, (2,))
    top, left = torch.randint(0, 161, (2,)).tolist()
    xb, yb = (t[i, :, top : top + 96, left : left + 96] for t in (x, y))
    if torch.rand(()) < 0.5:
        xb, yb = xb.flip(-1), yb.flip(-1)
    opt.zero_grad()
    bce(net(xb), yb).backward()
    opt.step()
net.eval()
with torch.no_grad():
    logits = torch.cat([net(x[i : i + 1]) for i in range(24, 30)])
    loss = bce(logits, y[24:]).item()
    inside = ((logits < 0) & (y[24:] < 0.5)).sum() / ((logits < 0) | (y[24:] < 0.5)).sum()
    edge = ((logits > 0) & (y[24:] > 0.5)).sum() / ((logits > 0) & (y[24:] > 0.5)).sum().add(
        ((logits < 0) & (y[24:] > 0.5)).sum()
    )
print("loss", loss, "background in common", inside.item())
assert inside < 2
assert loss < 0.42
