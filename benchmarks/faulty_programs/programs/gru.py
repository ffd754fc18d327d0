import argparse

import numpy as np
import torch
from data import transformer_station
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

HISTORY, HORIZON = 24, 6


class Forecaster(nn.Module):
    """Reads a day of all columns and forecasts the oil temperature of the next hours."""

    def __init__(self, num_inputs, hidden_size):
        super().__init__()
        self.gru = nn.GRU(num_inputs, hidden_size, num_layers=1, batch_first=True)
        self.fc = nn.Linear(hidden_size, HORIZON)

    def forward(self, x):
        _, h = self.gru(x)
        return self.fc(h[-1])


def windows(series, first, last, stride):
    starts = np.arange(first, last - HISTORY - HORIZON, stride)
    x = np.stack([series[s : s + HISTORY] for s in starts])
    y = np.stack([series[s + HISTORY : s + HISTORY + HORIZON, -1] for s in starts])
    return TensorDataset(torch.from_numpy(x), torch.from_numpy(y))


def r_squared(model, loader):
    model.eval()
    predictions, targets = [], []
    with torch.no_grad():
        for x, y in loader:
            predictions.append(model(x))
            targets.append(y)
    prediction, target = torch.cat(predictions), torch.cat(targets)
    return 1 - ((prediction - target) ** 2).mean().item() / target.var().item()


def run(seed, epochs):
    torch.manual_seed(seed)
    series = transformer_station()[:6000]
    border = 4800
    mu, sigma = series[:border].mean(0), series[:border].std(0)
    series = (series - mu) / sigma
    train = DataLoader(windows(series, 0, border, stride=2), batch_size=64, shuffle=True)
    valid = DataLoader(windows(series, border, len(series), stride=2), batch_size=256)

    model = Forecaster(series.shape[1], 32)
    mse = nn.MSELoss()
    opt = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.01)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=epochs)
    for epoch in range(epochs):
        model.train()
        losses = []
        for x, y in train:
            opt.zero_grad()
            forecast = model(x)
            loss = mse(forecast, y)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
            opt.step()
            losses.append(loss.detach())
        sched.step()
        print(f"epoch {epoch} mse {torch.stack(losses).mean():.4f} r2 {r_squared(model, valid):.4f}")
    return r_squared(model, valid)


if __name__ == "__main__":
    cli = argparse.ArgumentParser()
    cli.add_argument("--seed", default=0, type=int)
    cli.add_argument("--epochs", default=8, type=int)
    options = cli.parse_args()
    print(f"score={run(options.seed, options.epochs):.4f}")
