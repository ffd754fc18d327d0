"""MNIST in bfloat16 autocast with cosine decay by batch."""

import torch
from data import mnist
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
images, labels = mnist("train", 2500)
x = torch.from_numpy(images).float().div_(255).flatten(1)
y = torch.from_numpy(labels)
x_train, y_train, x_val, y_val = x[:2000], y[:2000], x[2000:], y[2000:]
model = nn.Sequential(nn.Linear(784, 128), nn.LayerNorm(128), nn.SiLU(), nn.Linear(128, 10))
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
steps = 6 * 32
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
for step in range(steps):
    index = torch.randint(0, 2000, (64,))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(x_train[index])
        loss = F.cross_entropy(logits, y_train[index])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
    accuracy = (model.eval()(x_val).argmax(1) == y_val).float().mean().item()
print("accuracy", accuracy)
assert accuracy > 0.88
