import argparse

import torch
import torch.nn.functional as F
from data import mnist
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 5, padding=2)
        self.conv2 = nn.Conv2d(12, 24, 3, padding=1)
        self.fc1 = nn.Linear(24 * 7 * 7, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.flatten(1)
        x = F.relu(self.fc1(x))
        x = F.dropout(x, 0.25, training=self.training)
        return self.fc2(x)


def load(split, count):
    images, labels = mnist(split, count)
    x = torch.from_numpy(images).float().unsqueeze(1) / 255
    x = (x - 0.1307) / 0.3081
    return x, torch.from_numpy(labels)


def train_epoch(model, optimizer, x, y, batch_size):
    model.train()
    order = torch.randperm(len(x))
    losses = []
    for start in range(0, len(x), batch_size):
        batch = order[start : start + batch_size]
        logits = model(x[batch])
        loss = F.cross_entropy(logits, y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


@torch.no_grad()
def evaluate(model, x, y):
    model.eval()
    logits = model(x)
    return F.cross_entropy(logits, y).item(), (logits.argmax(1) == y).float().mean().item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=4)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    x_train, y_train = load("train", 1500)
    x_val, y_val = load("test", 600)
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(args.epochs):
        train_loss = train_epoch(model, optimizer, x_train, y_train, batch_size=50)
        val_loss, val_accuracy = evaluate(model, x_val, y_val)
        print(f"{epoch}: train {train_loss:.3f} val {val_loss:.3f} accuracy {val_accuracy:.3f}")
    print(f"score={evaluate(model, x_val, y_val)[1]:.4f}")


if __name__ == "__main__":
    main()
