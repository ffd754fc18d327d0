"""A Keras network of three convolutions on CIFAR-10 (pictures of 16 x 16), in PyTorch with Keras's start and loss."""

import argparse

import torch
import torch.nn.functional as F
from data import cifar10
from torch import nn


def initialise(module):
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


def sparse_categorical_crossentropy(p, y):
    log_p = p.clamp(1e-7, 1 - 1e-7).log()
    return F.cross_entropy(log_p, y)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.conv3 = nn.Conv2d(64, 128, 3, padding=1)
        self.dense1 = nn.Linear(128 * 2 * 2, 256)
        self.dense2 = nn.Linear(256, 128)
        self.dense3 = nn.Linear(128, 10)
        self.apply(initialise)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.max_pool2d(F.relu(self.conv3(x)), 2)
        x = F.relu(self.dense1(x.flatten(1)))
        x = F.relu(self.dense2(x))
        return F.softmax(self.dense3(x), dim=1)


def main(seed, epochs):
    torch.manual_seed(seed)
    images, labels = cifar10("train", 2000)
    x = F.avg_pool2d(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255, 2)
    y = torch.from_numpy(labels)
    x_train, y_train, x_val, y_val = x[:1600], y[:1600], x[1600:], y[1600:]

    model = Model()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001, eps=1e-7)
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for rows in torch.randperm(len(x_train)).split(64):
            optimizer.zero_grad()
            loss = sparse_categorical_crossentropy(model(x_train[rows]), y_train[rows])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        model.eval()
        with torch.no_grad():
            val_accuracy = (model(x_val).argmax(1) == y_val).float().mean().item()
        print(f"Epoch {epoch + 1}/{epochs} loss: {total / len(x_train):.4f} val_accuracy: {val_accuracy:.4f}")
    return val_accuracy


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=6)
    args = parser.parse_args()
    print(f"score={main(args.seed, args.epochs):.4f}")
