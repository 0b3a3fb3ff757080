#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Records signed and committed per second, one transaction each, and how fast
the same records reach a JetStream of one server.

usage: stream.py BUILD [RECORDS]
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))


def main(build: str, records: str = "20000") -> None:
    sys.argv[1:] = [build] # stream.py takes it from there
    from stream import NODE, Broker # pylint: disable=import-outside-toplevel
    with tempfile.TemporaryDirectory(prefix="clo-bench-") as name:
        home = Path(name)
        begin = time.monotonic()
        subprocess.run([f"{build}/tests/e2e/stream/fill", home / "log",
                        home / "key", "b1", records], check=True)
        wrote = time.monotonic() - begin
        broker = Broker(home)
        broker.start()
        broker.tool("make")
        begin = time.monotonic()
        sender = subprocess.Popen(
            [f"{build}/agent/stream/cloison-stream", "--broker", broker.url,
             "--node", NODE, "--log", home / "log", "--state", home / "sent"])
        last = f"{NODE}/b1/{int(records) - 1}"
        while not (home / "sent").exists() or \
                (home / "sent").read_text() != last:
            time.sleep(0.01)
        sent = time.monotonic() - begin
        sender.terminate()
        sender.wait()
        broker.kill()
    print(f"signed and committed {int(records) / wrote:7.0f} records/s")
    print(f"streamed             {int(records) / sent:7.0f} records/s "
          f"({wrote / sent:.1f} times as fast)")


if __name__ == "__main__":
    main(*sys.argv[1:])
