"""Is the sum of twelve numbers positive? A deep stack with dropout, after a Keras program."""

import argparse

import torch
from torch import nn
from torch.nn.functional import one_hot
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=12)
args = parser.parse_args()
torch.manual_seed(args.seed)

rate = 0.2
outputs = 2


def dense(num_inputs, num_outputs):
    layer = nn.Linear(num_inputs, num_outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def categorical_crossentropy(p, y):
    p = p / p.sum(dim=1, keepdim=True)
    return -(one_hot(y, 2) * p.clamp(1e-7, 1 - 1e-7).log()).sum(dim=1).mean()


def binary_crossentropy(p, y):
    p, y = p.clamp(1e-7, 1 - 1e-7), y[:, None].float()
    return -(y * p.log() + (1 - y) * (1 - p).log()).mean()


x = torch.randn(1000, 12)
y = (x.sum(dim=1) > 0).long()
train = DataLoader(TensorDataset(x[:800], y[:800]), batch_size=16, shuffle=True)

layers = [dense(12, 32), nn.ReLU()]
for width, after in ((32, 32), (32, 64), (64, 128), (128, 256)):
    layers += [dense(width, after), nn.ReLU(), nn.Dropout(rate)]
model = nn.Sequential(*layers, dense(256, outputs), nn.Softmax(dim=1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.001, eps=1e-7)
for epoch in range(args.epochs):
    model.train()
    for inputs, targets in train:
        optimizer.zero_grad()
        loss = categorical_crossentropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        predicted = model(x[800:])
    guess = predicted.argmax(1) if outputs > 1 else (predicted[:, 0] > 0.5).long()
    accuracy = (guess == y[800:]).float().mean().item()
    print(f"epoch {epoch}: loss {loss.item():.4f} accuracy {accuracy:.4f}")
print(f"score={accuracy:.4f}")
