import argparse

import torch
import torch.nn as nn
from data import mnist

torch.set_num_threads(1)


class AutoEncoder(nn.Module):
    def __init__(self, code_size=12):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16 * 4 * 4, code_size),
        )
        self.decoder = nn.Sequential(
            nn.Linear(code_size, 16 * 4 * 4),
            nn.ReLU(),
            nn.Unflatten(1, (16, 4, 4)),
            nn.ConvTranspose2d(16, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(8, 1, 4, stride=2, padding=1),
        )

    def forward(self, x):
        return torch.sigmoid(self.decoder(self.encoder(x)))


def get_data(split, n):
    images, _ = mnist(split, n)
    x = torch.as_tensor(images, dtype=torch.float32).unsqueeze(1) / 255.0
    return nn.functional.avg_pool2d(x, 2)


def explained(model, x):
    """Share of the pixels' variance that the reconstruction explains."""
    model.eval()
    with torch.no_grad():
        error = (model(x) - x).square().mean()
    return 1 - (error / (x - x.mean(0)).square().mean()).item()


def train(args):
    torch.manual_seed(args.seed)
    data = {"train": get_data("train", 2000), "valid": get_data("test", 500)}
    model = AutoEncoder()
    loss_function = nn.MSELoss()
    optim = torch.optim.RMSprop(model.parameters(), lr=4e-3, alpha=0.9)
    lr = torch.optim.lr_scheduler.ExponentialLR(optim, gamma=0.9)
    step = 0
    for epoch in range(args.epochs):
        model.train()
        for index in torch.randperm(len(data["train"])).split(40):
            clean = data["train"][index]
            noisy = (clean + 0.1 * torch.randn_like(clean)).clamp(0, 1)
            loss = loss_function(model(noisy), clean)
            optim.zero_grad()
            loss.backward()
            optim.step()
            step += 1
        lr.step()
        print("epoch", epoch, "step", step, "loss", round(loss.item(), 5), "explained", explained(model, data["valid"]))
    return explained(model, data["valid"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=10)
    print(f"score={train(parser.parse_args()):.4f}")
