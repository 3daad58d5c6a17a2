# SPDX-License-Identifier: BSD-2-Clause
"""User-Mode Linux guests that run commands, one by one, and the daemons that they need."""
import os
import select
import socket
import subprocess
import time

MEMORY = "768M"


class Missing(Exception):
    """Why a peer cannot be measured."""


def run(*args):
    result = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            stdin=subprocess.DEVNULL, timeout=120)
    if result.returncode:
        raise Missing(f"{' '.join(args)}: {result.stdout.strip()[-300:]}")
    return result.stdout


def pinned(cpu):
    return ["taskset", "-c", str(cpu)]


class Daemon:
    """A process with a socket to connect to."""

    def __init__(self, name, cpu, log, path, *command):
        if os.path.exists(path):
            os.unlink(path)
        with open(log, "w") as out:
            self.process = subprocess.Popen([*pinned(cpu), *command], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 30
        while not os.path.exists(path):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.end()
                with open(log) as f:
                    raise Missing(f"{name} does not start: {f.read().strip()[-300:]}")
            time.sleep(0.02)

    def end(self):
        """In good order if it can be; its status."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()


class Guest:
    """A kernel on a processor of its own. Its console is a socket: commands there, their output here."""
    limit = float("inf")  # when all that is measured must have come to its end

    def __init__(self, name, cpu, folder, kernel, options, fds=()):
        self.name, self.next_id, self.rest, self.lost = name, 0, b"", None
        self.log = open(f"{folder}/guest-{name}.log", "w")
        self.console, theirs = socket.socketpair()
        init = os.path.join(os.path.dirname(os.path.abspath(__file__)), "guest")
        fd = theirs.fileno()
        self.process = subprocess.Popen(
            [*pinned(cpu), kernel, f"mem={MEMORY}", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
             "quiet", f"con0=fd:{fd},fd:{fd}", "con=null", "ssl=null", f"init={init}",
             f"uml_dir={folder}/uml", f"umid={name}", *options],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT, pass_fds=[fd, *fds])
        theirs.close()
        self.read_until("@ready", 60)

    def lose(self, why):
        """It is not asked again."""
        self.lost = f"guest {self.name} {why}"
        raise Missing(self.lost)

    def read_until(self, mark, seconds):
        """The lines before the one that begins with mark, and that line."""
        lines, deadline = [], min(time.monotonic() + seconds, self.limit)
        while True:
            while b"\n" in self.rest:
                line, self.rest = self.rest.split(b"\n", 1)
                line = line.decode(errors="replace").rstrip("\r")
                if line.startswith(mark):
                    return lines, line
                lines.append(line)
                self.log.write(line + "\n")
                self.log.flush()
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.console], [], [], left)[0]:
                self.lose(f"does not answer in time")
            data = self.console.recv(65536)
            if not data:
                self.lose("has ended")
            self.rest += data

    def begin(self, command):
        if self.lost:
            raise Missing(self.lost)
        self.next_id += 1
        self.log.write(f"# {command}\n")
        try:
            self.console.sendall(f"{self.next_id} {command}\n".encode())
        except OSError:
            self.lose("has ended")

    def finish(self, command="", seconds=90):
        lines, mark = self.read_until(f"@done {self.next_id} ", seconds)
        if mark.split()[2] != "0":
            raise Missing(f"guest {self.name}: {command}: {' '.join(lines)[-300:] or 'status ' + mark.split()[2]}")
        return lines

    def do(self, command, seconds=90):
        self.begin(command)
        return self.finish(command, seconds)

    def end(self):
        """In good order if it can be."""
        try:
            self.begin("sync; busybox poweroff -f")
            self.process.wait(20)
        except (Missing, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.log.close()
