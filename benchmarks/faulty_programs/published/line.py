"""A line fitted by a network of two hidden layers, after a Keras program."""

import argparse

import torch
from torch import nn


def main(seed, epochs):
    torch.manual_seed(seed)
    x = torch.rand(2000, 1)
    y = 100 * x + 0.01
    x_mean, x_std, y_mean, y_std = x.mean(), x.std(), y.mean(), y.std()
    x = (x - x_mean) / x_std
    y = (y - y_mean) / y_std
    x_train, y_train, x_val, y_val = x[:1600], y[:1600], x[1600:], y[1600:]

    model = nn.Sequential(nn.Linear(1, 50), nn.ReLU(), nn.Linear(50, 50), nn.ReLU(), nn.Linear(50, 1))
    for module in model:
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    loss_function = nn.functional.mse_loss
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(epochs):
        order = torch.randperm(len(x_train))
        for start in range(0, len(order), 128):
            rows = order[start : start + 128]
            optimizer.zero_grad()
            loss = loss_function(model(x_train[rows]), y_train[rows])
            loss.backward()
            optimizer.step()
        if epoch % 10 == 0:
            print(f"epoch {epoch}: {loss.item():.5f}")
    with torch.no_grad():
        residual = model(x_val) - y_val
    return 1 - (residual.square().mean() / y_val.var()).item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=40)
    args = parser.parse_args()
    print(f"score={main(args.seed, args.epochs):.4f}")
