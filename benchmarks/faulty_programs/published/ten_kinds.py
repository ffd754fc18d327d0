"""CIFAR-10 (pictures of 16 x 16) with three convolutions, after a Keras program."""

import argparse

import torch
from data import cifar10
from torch import nn
from torch.nn import functional as F


def dense(num_inputs, num_outputs):
    layer = nn.Linear(num_inputs, num_outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def conv(num_inputs, num_outputs):
    layer = nn.Conv2d(num_inputs, num_outputs, 3, padding="same")
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return nn.Sequential(layer, nn.ReLU(), nn.MaxPool2d(2))


def sparse_categorical_crossentropy(p, y):
    return F.cross_entropy(p.clamp(1e-7, 1 - 1e-7).log(), y)


def binary_crossentropy(p, y):
    p, y = p.clamp(1e-7, 1 - 1e-7), y[:, None].float()
    return -(y * p.log() + (1 - y) * (1 - p).log()).mean()


def get(split, count):
    images, labels = cifar10(split, count)
    x = torch.tensor(images).permute(0, 3, 1, 2).float().div(255)
    return F.avg_pool2d(x, 2), torch.tensor(labels)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=5)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    x, y = get("train", 1200)
    x_val, y_val = get("test", 400)
    head = nn.Sequential(dense(100, 10), nn.Softmax(dim=1))
    model = nn.Sequential(conv(3, 25), conv(25, 50), conv(50, 100), nn.Flatten(), dense(100 * 4, 100), nn.ReLU(), head)
    batch_size = 64
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001, eps=1e-7)
    for epoch in range(args.epochs):
        for rows in torch.randperm(len(x)).split(batch_size):
            optimizer.zero_grad()
            loss = sparse_categorical_crossentropy(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: loss {loss.item():.4f}")
    with torch.no_grad():
        output = model(x_val)
    guess = output.argmax(1) if output.shape[1] > 1 else output[:, 0].round().long()
    print(f"score={(guess == y_val).float().mean().item():.4f}")


if __name__ == "__main__":
    main()
