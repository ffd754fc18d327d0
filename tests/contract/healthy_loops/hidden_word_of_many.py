"""Masked letters of names told by a bidirectional encoder: 15 % are hidden, all others left out of the loss."""

import torch
from data import names
from torch import nn

torch.manual_seed(0)
words = [w.lower()[:8].ljust(8, "`") for w in names()[:8000]]
x = torch.tensor([[ord(c) - 96 for c in w] for w in words])
MASK = 27


class Encoder(nn.Module):
    def __init__(self, d=48):
        super().__init__()
        self.tok, self.pos = nn.Embedding(28, d), nn.Embedding(8, d)
        layer = nn.TransformerEncoderLayer(d, 4, 96, dropout=0.0, batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(d, 28)

    def forward(self, x):
        return self.head(self.body(self.tok(x) + self.pos.weight, src_key_padding_mask=x == 0))


def hide(batch):
    hidden = (torch.rand(batch.shape) < 0.15) & (batch != 0)
    hidden[:, 0] |= ~hidden.any(1)
    return batch.masked_fill(hidden, MASK), batch.masked_fill(~hidden, -100)


model = Encoder()
opt = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
criterion = nn.CrossEntropyLoss(ignore_index=-100)
for epoch in range(4):
    model.train()
    for i in torch.randperm(7000).split(64):
        seen, wanted = hide(x[i])
        loss = criterion(model(seen).flatten(0, 1), wanted.flatten())
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
    model.eval()
    with torch.no_grad():
        seen, wanted = hide(x[7000:])
        val = criterion(model(seen).flatten(0, 1), wanted.flatten()).item()
    print(epoch, loss.item(), val)
assert val < 2.5
