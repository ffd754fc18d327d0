"""A small decoder of characters: causal mask, learned positions that start at 0, tied output weights."""

import math

import torch
import torch.nn.functional as F
from data import shakespeare
from torch import nn

torch.manual_seed(0)
text = shakespeare(150_000)
stoi = {c: i for i, c in enumerate(sorted(set(text)))}
data = torch.tensor([stoi[c] for c in text])
train, val = data[:135_000], data[135_000:]
T, D, V = 48, 64, len(stoi)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(D), nn.LayerNorm(D)
        self.qkv, self.proj = nn.Linear(D, 3 * D), nn.Linear(D, D)
        self.mlp = nn.Sequential(nn.Linear(D, 4 * D), nn.GELU(), nn.Linear(4 * D, D))

    def forward(self, x):
        B, N, _ = x.shape
        q, k, v = (a.view(B, N, 4, D // 4).transpose(1, 2) for a in self.qkv(self.ln1(x)).chunk(3, -1))
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(a.transpose(1, 2).reshape(B, N, D))
        return x + self.mlp(self.ln2(x))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.tok = nn.Embedding(V, D)
        self.pos = nn.Parameter(torch.zeros(T, D))
        self.blocks = nn.Sequential(Block(), Block())
        self.ln = nn.LayerNorm(D)
        self.head = nn.Linear(D, V, bias=False)
        self.head.weight = self.tok.weight
        nn.init.normal_(self.tok.weight, std=0.02)
        for b in self.blocks:
            nn.init.normal_(b.proj.weight, std=0.02 / math.sqrt(4))

    def forward(self, idx, targets=None):
        logits = self.head(self.ln(self.blocks(self.tok(idx) + self.pos[: idx.shape[1]])))
        loss = None if targets is None else F.cross_entropy(logits.view(-1, V), targets.view(-1))
        return logits, loss


def get_batch(source):
    ix = torch.randint(len(source) - T, (24,))
    return torch.stack([source[i : i + T] for i in ix]), torch.stack([source[i + 1 : i + T + 1] for i in ix])


model = GPT()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.95), weight_decay=0.1)
for it in range(301):
    if it % 100 == 0:
        model.eval()
        with torch.no_grad():
            out = {
                n: sum(model(*get_batch(s))[1].item() for _ in range(5)) / 5
                for n, s in (("train", train), ("val", val))
            }
        print(it, out)
        model.train()
    for group in optimizer.param_groups:
        group["lr"] = 2e-3 * min(1.0, (it + 1) / 20) * 0.5 * (1 + math.cos(math.pi * it / 400))
    _, loss = model(*get_batch(train))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
assert out["val"] < 2.5
