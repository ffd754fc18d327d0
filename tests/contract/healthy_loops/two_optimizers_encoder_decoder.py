"""Seq2seq that reverses names, with teacher forcing and an optimiser each for encoder and decoder."""

import random

import torch
from data import names
from torch import nn, optim

random.seed(0)
torch.manual_seed(0)
words = [w.lower() for w in names() if 3 <= len(w) <= 6][:4000]
random.shuffle(words)
PAD, SOS, EOS = 0, 1, 2


def encode(batch):
    width = max(map(len, batch))
    src = torch.tensor([[ord(c) - 94 for c in w] + [PAD] * (width - len(w)) for w in batch])
    tgt = torch.tensor([[SOS] + [ord(c) - 94 for c in reversed(w)] + [EOS] + [PAD] * (width - len(w)) for w in batch])
    return src, tgt


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(29, 24, padding_idx=PAD)
        self.gru = nn.GRU(24, 96, batch_first=True)

    def forward(self, src):
        lengths = (src != PAD).sum(1)
        packed = nn.utils.rnn.pack_padded_sequence(self.embedding(src), lengths, batch_first=True, enforce_sorted=False)
        return self.gru(packed)[1]


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(29, 24, padding_idx=PAD)
        self.gru = nn.GRU(24, 96, batch_first=True)
        self.out = nn.Linear(96, 29)

    def forward(self, tokens, hidden):
        states, hidden = self.gru(self.embedding(tokens), hidden)
        return self.out(states), hidden


encoder, decoder = Encoder(), Decoder()
encoder_optimizer = optim.Adam(encoder.parameters(), lr=4e-3)
decoder_optimizer = optim.Adam(decoder.parameters(), lr=4e-3)
criterion = nn.CrossEntropyLoss(ignore_index=PAD)
train, test = words[:3600], words[3600:]
for epoch in range(8):
    random.shuffle(train)
    for i in range(0, len(train), 64):
        src, tgt = encode(train[i : i + 64])
        encoder_optimizer.zero_grad()
        decoder_optimizer.zero_grad()
        scores, _ = decoder(tgt[:, :-1], encoder(src))
        loss = criterion(scores.reshape(-1, 29), tgt[:, 1:].reshape(-1))
        loss.backward()
        nn.utils.clip_grad_norm_([*encoder.parameters(), *decoder.parameters()], 1.0)
        encoder_optimizer.step()
        decoder_optimizer.step()
    print(epoch, loss.item())
with torch.no_grad():
    src, tgt = encode(test)
    hidden, token, out = encoder(src), torch.full((len(test), 1), SOS), []
    for _ in range(tgt.shape[1] - 1):
        scores, hidden = decoder(token, hidden)
        token = scores.argmax(-1)
        out.append(token)
right = ((torch.cat(out, 1) == tgt[:, 1:]) | (tgt[:, 1:] == PAD)).float().mean().item()
print("characters right", right)
assert right > 0.7
