"""Trains the demo model from nothing: python train.py RUN_FOLDER [--seed N]. Start it again to go on where it stopped.

With --start MODEL.gguf a new run begins with that file's weights and tokenizer, at the stage that --stage names: a
model from another machine can be trained further.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing as mp
import os
import socket
import sys
import time
from functools import lru_cache
from pathlib import Path

import torch
import torch.distributed as dist
from tokenizers import Tokenizer

import hints
import joint
import shipped
import tokenizer
import warmup
from feed import Feed
from model import Owl3, Shape, init
from optimizer import Optimizer

RANKS = 2  # processes of one thread each: they wait for each other once a step, threads at every operation
VOCAB = 1024
DENSE = 0.05  # weight of the warm-up's questions during the joint stage
STAGES = {
    "warmup": dict(steps=1200, lr=5e-3, floor=0.03),
    "language": dict(steps=2000, lr=3e-3, floor=0.05),
    "joint": dict(steps=50, lr=5e-4, floor=0.03),
}


class Run:
    def __init__(self, folder, seed, shape, rank=0):
        self.folder, self.seed, self.rank = Path(folder), seed, rank
        self.folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(seed)
        self.model = init(Owl3(shape), seed)
        self.heads = warmup.Heads(shape.vision_hidden_size, shape.hidden_size)
        self.hints = hints.Heads(shape.hidden_size)
        for m in (self.model, self.heads, self.hints):
            m.bfloat16()
        self.named = list(self.model.named_parameters())
        for kind, heads in (("view", self.heads), ("hint", self.hints)):
            self.named += [(f"heads.{kind}.{n}", p) for n, p in heads.named_parameters()]
        self.opt = Optimizer(self.named)
        self.stage, self.step, self.seconds = None, 0, 0.0

    def begin(self, gguf, stage):
        """Takes a converted file's weights; the warm-up's heads, which it does not hold, start anew."""
        for (name, p), master in zip(self.named, self.opt.masters, strict=True):
            if not name.startswith("heads."):
                master.copy_(self.given(gguf)[name])
                p.data.copy_(master)
        self.stage, self.step = stage, 0

    @staticmethod
    @lru_cache(1)
    def given(gguf):
        return shipped.load(gguf).state_dict()

    def save(self, name="state.pt"):
        part = self.folder / (name + ".tmp")
        progress = {"stage": self.stage, "step": self.step, "seconds": self.seconds}
        torch.save({"opt": self.opt.state(), "names": [n for n, _ in self.named], **progress}, part)
        part.replace(self.folder / name)

    def resume(self, name="state.pt"):
        path = self.folder / name
        if path.exists():
            s = torch.load(path)
            self.opt.load(s["opt"])
            self.stage, self.step, self.seconds = s["stage"], s["step"], s["seconds"]

    def log(self, **row):
        if self.rank:
            return
        with (self.folder / "log.jsonl").open("a") as f:
            f.write(json.dumps({"stage": self.stage, "step": self.step, **row}) + "\n")
        print(self.stage, self.step, json.dumps(row), flush=True)


def rate(step, steps, lr, floor):
    return lr * min(1, (step + 1) / 60) * (floor + (1 - floor) * (0.5 + 0.5 * math.cos(math.pi * step / steps)))


def add_up(run):
    """The mean of the gradients of all ranks; a parameter that one rank did not use counts as zero there."""
    params = [p for _, p in run.named if p.requires_grad]
    flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).float().flatten() for p in params])
    dist.all_reduce(flat)
    for p, g in zip(params, flat.div_(RANKS).split([p.numel() for p in params]), strict=True):
        p.grad = g.view_as(p).to(p.dtype)


def train_stage(run: Run, stage, make, learn, only=None, every=25, stop=None):
    """learn(pack) does forward and backward and returns {what: (right, asked)} and the loss."""
    conf = STAGES[stage]
    if run.stage != stage:
        run.stage, run.step = stage, 0
    for n, p in run.named:
        p.requires_grad_(only is None or only(n))
    feed = Feed(make, run.seed, stage, run.step * RANKS + run.rank, RANKS)
    seen, losses, begin, wait, saved = {}, [], time.time(), 0.0, time.time()
    try:
        while run.step < (stop or conf["steps"]):
            t = time.time()
            pack = feed.get()
            wait += time.time() - t
            loss, right = learn(pack)
            add_up(run)
            run.opt.step(rate(run.step, **conf), only=only)
            run.step += 1
            losses.append(loss)
            for k, (r, n) in right.items():
                a = seen.setdefault(k, [0, 0])
                a[0] += r
                a[1] += n
            if run.step % every == 0 or run.step == conf["steps"]:
                spent = time.time() - begin
                run.seconds += spent
                run.log(
                    loss=round(sum(losses) / len(losses), 4),
                    left=f"{(conf['steps'] - run.step) * spent / len(losses) / 60:.1f} min",
                    spent=f"{run.seconds / 60:.1f} min",
                    wait=round(wait / spent, 3),
                    **{k: round(a[0] / max(1, a[1]), 4) for k, a in sorted(seen.items())},
                )
                seen, losses, begin, wait = {}, [], time.time(), 0.0
            if run.rank == 0 and time.time() - saved > 120:
                run.save()
                saved = time.time()
    finally:
        feed.close()
    if run.rank == 0:
        run.save()
        run.save(f"{stage}.pt")
    dist.barrier()


def warm(run, _):
    g = torch.Generator().manual_seed(run.seed)

    def learn(pack):
        crops, patch, view, drawn = (torch.from_numpy(x) for x in pack)
        tap = []
        loss, seen = warmup.dense_loss(
            run.heads, run.model.see(crops, tap), patch, view, torch.randint(0, 81, (6,), generator=g), drawn, tap
        )
        loss.backward()
        return loss.item(), seen

    train_stage(run, "warmup", warmup.make_pack, learn, only=lambda n: not n.startswith(("language", "heads.hint")))


def language(run, tok):
    """The language model learns to use what the warm-up made visible.

    The vision tower rests, which saves a third of the work.
    """

    def learn(pack):
        return joint.learn(run, pack, None, None)

    make = joint.maker(tok, joint.practice, joint.EASY)
    train_stage(run, "language", make, learn, only=lambda n: n.startswith(("language", "heads.hint")))


def together(run, tok):
    g = torch.Generator().manual_seed(run.seed + 1)

    def learn(pack):
        return joint.learn(run, pack, DENSE, torch.randint(0, 81, (4,), generator=g))

    train_stage(run, "joint", joint.maker(tok, joint.practice), learn)


TRAIN = [warm, language, together]  # one for each of STAGES


def work(rank, folder, seed, port, scale, start, stage):
    torch.set_num_threads(1)
    for conf in STAGES.values():
        conf["steps"] = max(1, round(conf["steps"] * scale))
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=RANKS)
    run = Run(folder, seed, Shape(vocab_size=VOCAB), rank)
    tok = Tokenizer.from_file(str(run.folder / "tokenizer.json"))
    if start and not (run.folder / "state.pt").exists():
        run.begin(start, stage)
    run.resume()
    done = list(STAGES).index(run.stage) if run.stage else 0
    for train in TRAIN[done:]:
        train(run, tok)
    dist.destroy_process_group()


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("folder")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--scale", type=float, default=1.0, help="factor of every stage's steps; small for a smoke test")
    ap.add_argument("--start", help="a converted file whose weights and tokenizer a new run begins with")
    ap.add_argument("--stage", default="joint", choices=list(STAGES), help="where a run with --start begins")
    a = ap.parse_args()
    path = Path(a.folder) / "tokenizer.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        (tokenizer.of_file(a.start) if a.start else tokenizer.train(a.seed, VOCAB)).save(str(path))
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    # The ranks are new processes, so that these are set before they import torch.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "3072")
    context, rest = mp.get_context("spawn"), (a.folder, a.seed, port, a.scale, a.start, a.stage)
    ranks = [context.Process(target=work, args=(rank, *rest)) for rank in range(RANKS)]
    for r in ranks:
        r.start()
    for r in ranks:
        r.join()
    sys.exit(max(abs(r.exitcode) for r in ranks))


if __name__ == "__main__":
    main()
