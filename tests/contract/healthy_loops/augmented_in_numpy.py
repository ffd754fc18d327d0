"""Digits shifted, turned and noised in NumPy, as in a dataset class: training is harder than validation."""

import numpy as np
import torch
from data import digits
from scipy.ndimage import rotate
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

torch.manual_seed(0)
rng = np.random.default_rng(0)
images, labels = digits()
images = images / 16


class Augmented(Dataset):
    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        image = rotate(self.images[i], rng.uniform(-20, 20), reshape=False, order=1)
        image = np.roll(image, rng.integers(-1, 2, 2), (0, 1)) + 0.35 * rng.standard_normal((8, 8))
        return torch.tensor(image, dtype=torch.float32).unsqueeze(0), int(self.labels[i])


loader = DataLoader(Augmented(images[:1200], labels[:1200]), batch_size=32, shuffle=True)
clean = DataLoader(TensorDataset(torch.tensor(images[1200:])[:, None], torch.tensor(labels[1200:])), batch_size=300)
net = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1),
    nn.ReLU(),
    nn.Conv2d(16, 32, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(512, 10),
)
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
for epoch in range(8):
    net.train()
    for xb, yb in loader:
        opt.zero_grad()
        loss = nn.functional.cross_entropy(net(xb), yb)
        loss.backward()
        opt.step()
    net.eval()
    right = total = 0
    with torch.no_grad():
        for xb, yb in clean:
            out = net(xb)
            total += nn.functional.cross_entropy(out, yb).item() * len(yb)
            right += (out.argmax(1) == yb).sum().item()
    print(epoch, loss.item(), total / 597, right / 597)
assert right / 597 > 0.75
