"""CIFAR-10 (pictures of 16 x 16), logits and held-out pictures, after a Keras program; a quarter of its widths."""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from data import cifar10

activation = torch.relu


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(a, b, 3, padding=1) for a, b in ((3, 16), (16, 16), (16, 32), (32, 32))])
        self.fc1 = nn.Linear(32 * 4 * 4, 128)
        self.fc2 = nn.Linear(128, 128)
        self.fc3 = nn.Linear(128, 10)
        self.drop = nn.Dropout(0.2)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, x):
        for i, conv in enumerate(self.convs):
            x = activation(conv(x))
            if i % 2:
                x = self.drop(F.max_pool2d(x, 2))
        x = activation(self.fc1(x.flatten(1)))
        x = self.drop(activation(self.fc2(x)))
        return self.fc3(x)


def pictures(split, count):
    images, labels = cifar10(split, count)
    x = F.avg_pool2d(torch.from_numpy(images).permute(0, 3, 1, 2) / 255.0, 2)
    return x, torch.from_numpy(labels)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=6)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    x_train, y_train = pictures("train", 1600)
    x_val, y_val = pictures("test", 400)
    net = Net()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, eps=1e-7)
    for epoch in range(args.epochs):
        net.train()
        for batch in torch.randperm(len(x_train)).split(64):
            optimizer.zero_grad()
            loss = loss_fn(net(x_train[batch]), y_train[batch])
            loss.backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            accuracy = (net(x_val).argmax(1) == y_val).float().mean().item()
        print(f"epoch {epoch}: loss {loss.item():.4f} accuracy {accuracy:.4f}")
    print(f"score={accuracy:.4f}")


if __name__ == "__main__":
    main()
