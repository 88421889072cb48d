"""A signal's handler that raises, as Ctrl-C does, ends a blocking call wherever it finds it, and harms nothing else."""

from __future__ import annotations

import subprocess
import sys

#: Interrupts 8 000 calls, each some microseconds after it began; an interrupt that is swallowed leaves the loop to run on.
PROGRAM = """
import random, signal, threading
from jobline.channel import grpc_loop

class Interrupt(BaseException):
    pass

def interrupt(number, frame):
    raise Interrupt

async def answer(value):
    return value

signal.signal(signal.SIGALRM, interrupt)
loop = grpc_loop()
for _ in range(8_000):
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 3e-4))
        while True:
            loop.wait(answer("early"))
    except Interrupt:
        pass
    assert loop.wait(answer("later")) == "later"
print("ended")
"""


def test_no_interrupt_is_swallowed_and_the_loop_goes_on():
    program = (sys.executable, "-W", "ignore::RuntimeWarning", "-c", PROGRAM)
    done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("ended\n", 0), done.stderr
    assert done.stderr == ""
