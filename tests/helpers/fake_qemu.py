# SPDX-License-Identifier: GPL-2.0-or-later
"""A stand-in for QEMU and dom0: speaks QMP, saves and restores, and runs dom0's commands on this host.

A program that `test_testbed.py` writes runs this one.
"""

import json
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

WHOLE = "a machine that has booted\n"


def main(words: list[str], dom0: str) -> int:
    """Run `dom0`, a shell script, in place of what dom0 does when it continues."""
    if words == ["--version"]:
        print(f"stand-in version {os.environ.get('FAKE_QEMU_VERSION', '1')}")
        return 0
    host = re.search(r",path=([^,]*),", " ".join(words))
    control = re.search(r"unix:([^,]*),", " ".join(words))
    assert host is not None
    assert control is not None
    running = threading.Event()
    if "-incoming" in words:
        command = words[words.index("-incoming") + 1].removeprefix("exec:")
        restored = subprocess.run(command, shell=True, capture_output=True, text=True, check=False).stdout
        if restored != WHOLE:
            print("load of migration failed", flush=True)
            return 1
    else:
        print("dom0 is ready", flush=True)
        running.set()
    threading.Thread(target=serve, args=(control[1], running), daemon=True).start()
    sys.stdin.readline()
    running.wait()
    environment = {**os.environ, "host": host[1]}
    return subprocess.run(
        ["sh", "-c", dom0], env=environment, stdin=subprocess.DEVNULL, check=False
    ).returncode


def serve(control: str, running: threading.Event) -> None:
    """Send an answer."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(control)
    listening.listen()
    while True:
        connection, _ = listening.accept()
        with connection, connection.makefile("rw") as lines:

            def say(**message: object) -> None:
                lines.write(json.dumps(message) + "\n")
                lines.flush()

            say(QMP={})
            for line in lines:
                request = json.loads(line)
                result: dict[str, object] = {}
                match request["execute"]:
                    case "query-status":
                        result = {"status": "running" if running.is_set() else "paused"}
                    case "cont":
                        running.set()
                    case "migrate":
                        if os.environ.get("FAKE_QEMU_DIES") == "saving":
                            os._exit(7)
                        target = request["arguments"]["uri"].removeprefix("exec:cat >")
                        Path(target).write_text(WHOLE)
                    case "query-migrate":
                        result = {"status": os.environ.get("FAKE_QEMU_MIGRATES", "completed")}
                    case "quit":
                        say(**{"return": {}})
                        os._exit(0)
                say(event="SOMETHING")  # which is not the answer
                say(**{"return": result})


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:], sys.argv[1]))
