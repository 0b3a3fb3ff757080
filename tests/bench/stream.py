#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Records signed and committed per second, one transaction each; how fast the
same records reach a JetStream of one server; messages of an envelope's size
published one at a time and in batches, to a stream of one replica and of three.

usage: stream.py BUILD [RECORDS] [--quick]
"""

import importlib.machinery
import importlib.util
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))


def lab_fleet():
    """scripts/lab-fleet, which has no suffix."""
    loader = importlib.machinery.SourceFileLoader(
        "lab_fleet", str(ROOT / "scripts/lab-fleet"))
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader("lab_fleet", loader))
    loader.exec_module(module)
    return module


def carried(build: str, records: int) -> None:
    """A log, and cloison-stream with it."""
    from stream import NODE, Broker # pylint: disable=import-outside-toplevel
    with tempfile.TemporaryDirectory(prefix="clo-bench-") as name:
        home = Path(name)
        begin = time.monotonic()
        subprocess.run([f"{build}/tests/e2e/stream/fill", home / "log",
                        home / "key", "b1", str(records)], check=True)
        wrote = time.monotonic() - begin
        broker = Broker(home)
        broker.start()
        broker.tool("make")
        begin = time.monotonic()
        sender = subprocess.Popen(
            [f"{build}/agent/stream/cloison-stream", "--broker", broker.url,
             "--node", NODE, "--log", home / "log", "--state", home / "sent"])
        last = f"{NODE}/b1/{records - 1}"
        while not (home / "sent").exists() or \
                (home / "sent").read_text() != last:
            time.sleep(0.01)
        sent = time.monotonic() - begin
        rss = next(line.split()[1] for line in Path(
            f"/proc/{sender.pid}/status").read_text().splitlines()
            if line.startswith("VmRSS"))
        sender.terminate()
        sender.wait()
        broker.kill()
    print(f"signed and committed {records / wrote:7.0f} records/s")
    print(f"streamed             {records / sent:7.0f} records/s "
          f"({wrote / sent:.1f} times as fast)")
    print(f"cloison-stream       {int(rss) / 1024:7.1f} MiB resident")


def published(build: str, replicas: int, quick: bool) -> list[float]:
    """Messages a second: one at a time, in batches."""
    fleet = lab_fleet()
    with tempfile.TemporaryDirectory(prefix="clo-bench-") as name:
        lab = fleet.Fleet(Path(name), Path(build), 1)
        word = "make3" if replicas == 3 else "make"
        lab.until("the stream", lambda: lab.tool(word).returncode == 0)
        lab.until("a leader", lambda: lab.leader() is not None)
        pems = lab.authority.issue("hv-1")
        rates = []
        for count, batch in ((50, 1), (256, 256)) if quick else \
                ((1000, 1), (10000, 256)):
            rates.append(float(subprocess.run(
                [f"{build}/tests/bench/bench_publish", lab.urls, "hv-1",
                 str(count), str(batch), *pems], check=True, text=True,
                capture_output=True).stdout))
            lab.tool("delete")
            lab.until("the stream", lambda: lab.tool(word).returncode == 0)
            lab.until("a leader", lambda: lab.leader() is not None)
        lab.end()
    return rates


def main(build: str, *options: str) -> None:
    sys.argv[1:] = [build] # stream.py takes it from there
    quick = "--quick" in options
    records = [int(o) for o in options if o != "--quick"]
    carried(build, records[0] if records else 500 if quick else 20000)
    print("published, messages of 20 kB, mTLS    one at a time   batches")
    for replicas in (1, 3):
        alone, batches = published(str(Path(build).resolve()), replicas, quick)
        print(f"{replicas} of 3 servers have it          {alone:12.0f}/s "
              f"{batches:9.0f}/s ({batches / alone:.1f} times)", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
