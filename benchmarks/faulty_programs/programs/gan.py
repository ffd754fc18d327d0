import argparse

import numpy as np
import torch
from data import digits
from scipy.linalg import sqrtm
from torch import nn

LATENT = 16

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=30)
args = parser.parse_args()
torch.manual_seed(args.seed)

images, _ = digits()
real = torch.from_numpy(images).flatten(1) / 8 - 1  # in [-1, 1], as the generator's tanh
real = real[torch.randperm(len(real))]
held_out, real = real[:500], real[500:]

G = nn.Sequential(
    nn.Linear(LATENT, 96),
    nn.BatchNorm1d(96),
    nn.ReLU(),
    nn.Linear(96, 96),
    nn.BatchNorm1d(96),
    nn.ReLU(),
    nn.Linear(96, 64),
    nn.Tanh(),
)
D = nn.Sequential(
    nn.Linear(64, 96),
    nn.LeakyReLU(0.2),
    nn.Dropout(0.2),
    nn.Linear(96, 96),
    nn.LeakyReLU(0.2),
    nn.Dropout(0.2),
    nn.Linear(96, 1),
)
bce = nn.BCEWithLogitsLoss()
opt_g = torch.optim.Adam(G.parameters(), lr=2e-3, betas=(0.5, 0.999))
opt_d = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.999))


def frechet(a, b):
    """Distance of the Gaussians fitted to two sets, in the first ten principal components of the second."""
    axes = torch.linalg.svd(b - b.mean(0), full_matrices=False).Vh[:10]
    a, b = (a @ axes.T).numpy(), (b @ axes.T).numpy()
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    mixed = sqrtm(cov_a @ cov_b).real
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * mixed)


@torch.no_grad()
def sample(count):
    G.eval()
    fake = G(torch.randn(count, LATENT))
    G.train()
    return fake


for epoch in range(args.epochs):
    for batch in real[torch.randperm(len(real))].split(64):
        ones, zeros = torch.ones(len(batch), 1), torch.zeros(len(batch), 1)
        fake = G(torch.randn(len(batch), LATENT))

        loss_d = bce(D(batch), ones) + bce(D(fake.detach()), zeros)
        opt_d.zero_grad()
        loss_d.backward()
        opt_d.step()

        loss_g = bce(D(fake), ones)
        opt_g.zero_grad()
        loss_g.backward()
        opt_g.step()
    if epoch % 10 == 9:
        print(f"{epoch}: D {loss_d.item():.3f} G {loss_g.item():.3f} distance {frechet(sample(500), held_out):.3f}")

print(f"score={-frechet(sample(1000), held_out):.4f}")
