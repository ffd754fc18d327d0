"""Two informative features, one sigmoid unit, after a Keras program (4,000 rows for 100,000)."""

import argparse

import torch
from sklearn.datasets import make_classification
from sklearn.preprocessing import StandardScaler
from torch import nn


def dense(num_inputs, num_outputs):
    layer = nn.Linear(num_inputs, num_outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def binary_crossentropy(p, target):
    p = p.clamp(1e-7, 1 - 1e-7)
    return -(target * p.log() + (1 - target) * (1 - p).log()).mean()


def categorical_crossentropy(p, target):
    p = p / p.sum(dim=1, keepdim=True)
    return -(target * p.clamp(1e-7, 1 - 1e-7).log()).sum(dim=1).mean()


def main(seed, epochs):
    torch.manual_seed(seed)
    features, labels = make_classification(4000, n_features=2, n_informative=2, n_redundant=0, random_state=seed)
    x = torch.tensor(StandardScaler().fit_transform(features), dtype=torch.float32)
    y = torch.tensor(labels, dtype=torch.float32)[:, None]
    x_train, y_train, x_val, y_val = x[:3200], y[:3200], x[3200:], y[3200:]
    model = nn.Sequential(dense(2, 5), nn.ReLU(), dense(5, 5), nn.ReLU(), dense(5, 1), nn.Sigmoid())
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, eps=1e-7)
    for epoch in range(epochs):
        for rows in torch.randperm(len(x_train)).split(32):
            loss = binary_crossentropy(model(x_train[rows]), y_train[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            accuracy = ((model(x_val) > 0.5) == (y_val > 0.5)).float().mean().item()
        print(f"epoch {epoch}: loss {loss.item():.4f}, accuracy {accuracy:.4f}")
    return accuracy


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=30)
    args = parser.parse_args()
    print(f"score={main(args.seed, args.epochs):.4f}")
