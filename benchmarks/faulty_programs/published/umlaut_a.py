"""CIFAR-10 (pictures of 16 x 16) with four convolutions and dropout, after a Keras program; a quarter of its widths."""

import argparse

import torch
import torch.nn.functional as F
from data import cifar10
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=6)
args = parser.parse_args()
torch.manual_seed(args.seed)

DROPOUT = 0.2


def sparse_categorical_crossentropy(p, y):
    log_p = p.clamp(1e-7, 1 - 1e-7).log()
    return F.cross_entropy(log_p, y)


model = nn.Sequential(
    nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(),
    nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
    nn.MaxPool2d(2), nn.Dropout(DROPOUT),
    nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
    nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
    nn.MaxPool2d(2), nn.Dropout(DROPOUT),
    nn.Flatten(),
    nn.Linear(32 * 4 * 4, 128), nn.ReLU(),
    nn.Linear(128, 128), nn.ReLU(), nn.Dropout(DROPOUT),
    nn.Linear(128, 10),
    nn.Softmax(dim=1),
)  # fmt: skip
for module in model:
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
optimizer = torch.optim.Adam(model.parameters(), lr=0.001, eps=1e-7)

images, labels = cifar10("train", 2000)
x = torch.from_numpy(images).permute(0, 3, 1, 2).float()
x = F.avg_pool2d(x, 2) / 255
y = torch.from_numpy(labels)
x_train, y_train = x[:1600], y[:1600]
x_val, y_val = x[1600:], y[1600:]

for epoch in range(args.epochs):
    model.train()
    for batch in torch.randperm(len(x_train)).split(64):
        loss = sparse_categorical_crossentropy(model(x_train[batch]), y_train[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val_accuracy = (model(x_val).argmax(dim=1) == y_val).float().mean().item()
    print(f"epoch {epoch}: loss {loss.item():.4f}, val_accuracy {val_accuracy:.4f}")
print(f"score={val_accuracy:.4f}")
