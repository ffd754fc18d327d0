"""Deep Q-learning of a balance: replay memory, target network, Huber loss, clipped values."""

import copy
import random
from collections import deque

import torch
from torch import nn

random.seed(0)
torch.manual_seed(0)


class Pole:
    """A pole that falls by itself; pushes to the left and the right hold it up."""

    def reset(self):
        self.angle, self.speed, self.t = random.uniform(-0.1, 0.1), 0.0, 0
        return (self.angle, self.speed)

    def step(self, push):
        self.speed += 0.1 * self.angle + (0.04 if push else -0.04)
        self.angle += self.speed
        self.t += 1
        return (
            (4 * self.angle, 4 * self.speed),
            1.0 - float(abs(self.angle) > 0.5),
            abs(self.angle) > 0.5 or self.t >= 100,
            abs(self.angle) > 0.5,
        )


q = nn.Sequential(nn.Linear(2, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 2))
target = copy.deepcopy(q)
optimizer = torch.optim.AdamW(q.parameters(), lr=2e-3, amsgrad=True)
memory, env, lengths, steps = deque(maxlen=3000), Pole(), [], 0
for episode in range(150):
    state, done = env.reset(), False
    while not done:
        steps += 1
        if random.random() < max(0.02, 0.9 * (1 - steps / 900)):
            action = random.randrange(2)
        else:
            with torch.no_grad():
                action = q(torch.tensor([state])).argmax(1).item()
        nxt, reward, done, fell = env.step(action)
        memory.append((state, action, reward, nxt, fell))
        state = nxt
        if len(memory) >= 64:
            s, a, r, n, d = zip(*random.sample(memory, 64))
            s, a, r, n, d = torch.tensor(s), torch.tensor(a), torch.tensor(r), torch.tensor(n), torch.tensor(d).float()
            values = q(s).gather(1, a[:, None])
            with torch.no_grad():
                wanted = r + 0.9 * target(n).max(1).values * (1 - d)
            loss = nn.SmoothL1Loss()(values, wanted.unsqueeze(1))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_value_(q.parameters(), 100)
            optimizer.step()
        if steps % 25 == 0:
            target.load_state_dict(q.state_dict())
    lengths.append(env.t)
    if len(lengths) > 20 and sum(lengths[-10:]) > 950:
        break
first, last = sum(lengths[:10]) / 10, sum(lengths[-10:]) / 10
print("episode length", first, "->", last)
assert last > 3 * first
