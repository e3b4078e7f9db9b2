"""What the server costs: pictures through its API beside the same in Python, and how fast it answers while it paints.

python benchmarks/studio.py [--pictures 8] [--rounds 5] [--clients 50] [--seconds 20]

Overhead: the same pictures of the starter (128 x 128, 30 steps), painted in turn by `StableDiffusion.generate` and
saved with their metadata in this process, and asked for one by one over HTTP (submit, wait, fetch); the median of the
rounds' ratios. Latency: the
quantiles of status calls that so many clients make, each twice a second, while the server paints.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from inkbloom import StableDiffusion
from inkbloom.pipelines.saving import save_picture

SIZE, STEPS, PROMPT = 128, 30, "a cat on the beach"


@contextmanager
def server() -> Iterator[str]:
    """The address of one of our own, on a data folder that goes with it."""
    with tempfile.TemporaryDirectory() as data:
        command = [sys.executable, "-m", "inkbloom", "serve", "--port", "0", "--data-dir", data, "--device", "cpu"]
        with subprocess.Popen([*command, "--log-level", "error"], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield process.stdout.readline().split()[5]
            finally:
                process.terminate()


def job(seed: int, **more: Any) -> dict[str, Any]:
    request = {"prompt": PROMPT, "width": SIZE, "height": SIZE, "steps": STEPS, "seed": seed}
    return {"kind": "generate", "request": request, **more}


def through_api(http: httpx.Client, pictures: int) -> float:
    started = time.perf_counter()
    for seed in range(pictures):
        done = http.post("/api/v1/jobs", json=job(seed, wait=600)).raise_for_status().json()
        http.get(f"/api/v1/pictures/{done['pictures'][0]['id']}/file").raise_for_status()
    return time.perf_counter() - started


def in_python(model: StableDiffusion, pictures: int, folder: Path) -> float:
    started = time.perf_counter()
    for seed in range(pictures):
        result = model.generate(PROMPT, width=SIZE, height=SIZE, steps=STEPS, seed=seed)
        save_picture(
            result.images[0], iter([folder / f"{started}-{seed}.png"]), result.requests[0], stages=result.stages[0]
        )
    return time.perf_counter() - started


def overhead(url: str, pictures: int, rounds: int) -> None:
    model = StableDiffusion.load(device="cpu")
    with httpx.Client(base_url=url, timeout=900) as http, tempfile.TemporaryDirectory() as folder:
        through_api(http, 1)
        in_python(model, 1, Path(folder))
        # The order changes, so that what slows the machine down for a while meets both
        pairs = []
        for turn in range(rounds):
            both = [lambda: through_api(http, pictures), lambda: in_python(model, pictures, Path(folder))]
            seconds = [one() for one in (both if turn % 2 == 0 else both[::-1])]
            pairs.append(seconds if turn % 2 == 0 else seconds[::-1])
    api, python = (statistics.median(side) / pictures for side in zip(*pairs, strict=True))
    ratio = statistics.median(one / other for one, other in pairs)
    print(f"in Python    {1000 * python:8.1f} ms a picture")
    print(f"over HTTP    {1000 * api:8.1f} ms a picture, {100 * (ratio - 1):+.1f} % (median of {rounds} rounds)")


async def latency(url: str, clients: int, seconds: float) -> None:
    found: dict[str, list[float]] = {"/jobs/{id}": [], "/queue": []}
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=60, limits=limits) as http:
        ids = [(await http.post("/jobs", json=job(seed))).json()["id"] for seed in range(200)]
        end = time.monotonic() + seconds

        async def client(number: int) -> None:
            await asyncio.sleep(number / clients)  # they do not come in step
            await http.get("/system")  # so that each has its connection
            while time.monotonic() < end:
                for name, path in (("/jobs/{id}", f"/jobs/{ids[number]}"), ("/queue", "/queue")):
                    started = time.perf_counter()
                    (await http.get(path)).raise_for_status()
                    found[name].append(time.perf_counter() - started)
                    await asyncio.sleep(0.5)

        await asyncio.gather(*map(client, range(clients)))
        await http.post("/queue/clear")
    for name, times in found.items():
        cuts = statistics.quantiles(times, n=100)
        print(f"GET {name:<12} p50 {1000 * cuts[49]:7.1f} ms   p99 {1000 * cuts[98]:7.1f} ms   of {len(times)} calls")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20.0)
    arguments = parser.parse_args()
    print("load of the machine: " + ", ".join(f"{one:.1f}" for one in os.getloadavg()))
    with server() as url:
        overhead(url, arguments.pictures, arguments.rounds)
        asyncio.run(latency(url, arguments.clients, arguments.seconds))


if __name__ == "__main__":
    main()
