import argparse

import torch
from data import mnist
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader


class VAE(nn.Module):
    def __init__(self, latent_dim=8):
        super().__init__()
        self.enc = nn.Linear(196, 128)
        self.enc_mean = nn.Linear(128, latent_dim)
        self.enc_logvar = nn.Linear(128, latent_dim)
        self.dec1 = nn.Linear(latent_dim, 128)
        self.dec2 = nn.Linear(128, 196)

    def encode(self, x):
        h = torch.relu(self.enc(x))
        return self.enc_mean(h), self.enc_logvar(h)

    def reparameterize(self, mean, logvar):
        std = torch.exp(0.5 * logvar)
        return mean + std * torch.randn_like(std)

    def decode(self, z):
        return self.dec2(torch.relu(self.dec1(z)))

    def forward(self, x):
        mean, logvar = self.encode(x)
        z = self.reparameterize(mean, logvar)
        return {"logits": self.decode(z), "mean": mean, "logvar": logvar}


def elbo_loss(out, x, beta=1.0):
    reconstruction = F.binary_cross_entropy_with_logits(out["logits"], x, reduction="sum")
    kl = -0.5 * torch.sum(1 + out["logvar"] - out["mean"].pow(2) - out["logvar"].exp())
    return (reconstruction + beta * kl) / x.size(0)


def pictures(split, count):
    images, _ = mnist(split, count)
    x = torch.from_numpy(images).float()[:, None] / 255.0
    return F.avg_pool2d(x, 2).flatten(1)


def test(model, loader):
    model.eval()
    total = 0.0
    with torch.no_grad():
        for x in loader:
            total += elbo_loss(model(x), x).item() * len(x)
    return total / len(loader.dataset)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--epochs", type=int, default=12)
    args = p.parse_args()
    torch.manual_seed(args.seed)
    train_loader = DataLoader(pictures("train", 2000), batch_size=50, shuffle=True)
    test_loader = DataLoader(pictures("test", 500), batch_size=250)
    model = VAE()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(1, args.epochs + 1):
        model.train()
        train_loss = 0.0
        for x in train_loader:
            optimizer.zero_grad()
            loss = elbo_loss(model(x), x)
            loss.backward()
            train_loss += loss.item()
            optimizer.step()
        print(f"====> Epoch {epoch}: {train_loss / len(train_loader):.2f}, test {test(model, test_loader):.2f}")
    print(f"score={-test(model, test_loader):.4f}")


if __name__ == "__main__":
    main()
