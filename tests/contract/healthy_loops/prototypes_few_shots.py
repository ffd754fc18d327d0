"""Prototypical networks: in each episode five drawn alphabets' letters, five shots, answers by distance to means."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

torch.manual_seed(0)
letters = {}
with zipfile.ZipFile(Path(os.environ["SIGHTLINE_DATA"]) / "omniglot" / "images_background_small1.zip") as file:
    for name in sorted(n for n in file.namelist() if n.endswith(".png"))[:2400]:
        picture = Image.open(io.BytesIO(file.read(name))).convert("L").resize((14, 14), Image.BILINEAR)
        letters.setdefault(name.rsplit("/", 1)[0], []).append(1 - np.asarray(picture, dtype="float32") / 255)
x = torch.tensor(np.stack([np.stack(v) for v in letters.values()]))[:, :, None]
train, test = x[: int(0.75 * len(x))], x[int(0.75 * len(x)) :]


def block(c, d):
    return nn.Sequential(nn.Conv2d(c, d, 3, padding=1), nn.BatchNorm2d(d), nn.ReLU(), nn.MaxPool2d(2))


net = nn.Sequential(block(1, 24), block(24, 24), block(24, 24), nn.Flatten())


def episode(source, ways=5, shots=5, queries=5):
    chosen = source[torch.randperm(len(source))[:ways]]
    pick = torch.stack([torch.randperm(20)[: shots + queries] for _ in range(ways)])
    pictures = torch.stack([c[p] for c, p in zip(chosen, pick)])
    z = net(pictures.flatten(0, 1)).view(ways, shots + queries, -1)
    centres = z[:, :shots].mean(1)
    distance = torch.cdist(z[:, shots:].reshape(ways * queries, -1), centres) ** 2
    target = torch.arange(ways).repeat_interleave(queries)
    return F.cross_entropy(-distance, target), (distance.argmin(1) == target).float().mean().item()


opt = torch.optim.Adam(net.parameters(), lr=2e-3)
for step in range(120):
    net.train()
    loss, right = episode(train)
    opt.zero_grad()
    loss.backward()
    opt.step()
net.eval()
with torch.no_grad():
    score = sum(episode(test)[1] for _ in range(60)) / 60
print("right on new letters", score)
assert score > 0.75
