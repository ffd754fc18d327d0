import argparse

import numpy as np
import torch
from data import solubility
from sklearn.preprocessing import StandardScaler
from torch import nn


def get_loss(model, x, y):
    return nn.functional.mse_loss(model(x), y)


def main(seed, epochs):
    torch.manual_seed(seed)
    features, target = solubility()
    order = np.random.default_rng(seed).permutation(len(features))
    train, val = order[:850], order[850:]

    scaler = StandardScaler().fit(features[train])
    x = torch.tensor(scaler.transform(features), dtype=torch.float32)
    y = torch.tensor(target).unsqueeze(1)
    x_train, y_train, x_val, y_val = x[train], y[train], x[val], y[val]

    net = nn.Sequential()
    width = x.shape[1]
    for i in range(2):
        net.add_module(f"linear{i}", nn.Linear(width, 48))
        net.add_module(f"act{i}", nn.ReLU())
        width = 48
    net.add_module("out", nn.Linear(width, 1))

    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=10, factor=0.5)
    best, best_state = float("inf"), None
    for epoch in range(epochs):
        net.train()
        perm = torch.randperm(len(x_train))
        for i in range(0, len(perm), 32):
            rows = perm[i : i + 32]
            optimizer.zero_grad()
            loss = get_loss(net, x_train[rows], y_train[rows])
            loss.backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            val_loss = get_loss(net, x_val, y_val).item()
        plateau.step(val_loss)
        if val_loss < best:
            best = val_loss
            best_state = {k: v.clone() for k, v in net.state_dict().items()}
        if epoch % 10 == 0:
            print(f"{epoch:3d} train {loss.item():.3f} val {val_loss:.3f}")

    net.load_state_dict(best_state)
    net.eval()
    with torch.no_grad():
        residual = net(x_val) - y_val
    return 1 - (residual.square().mean() / y_val.var()).item()


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--epochs", type=int, default=40)
    args = ap.parse_args()
    print(f"score={main(args.seed, args.epochs):.4f}")
