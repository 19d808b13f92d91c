"""Runs commands in turns and prints the cost of each run as JSON.

Only wait4 reports the processor time of a child in microseconds, and the Rust standard library does
not call it.
"""

import json
import os
import sys
import time


def once(subject):
    words = subject["words"]
    os.chdir(subject["folder"])
    null = os.open(os.devnull, os.O_RDWR)
    begin = time.perf_counter()
    pid = os.posix_spawn(
        words[0],
        words,
        subject["variables"],
        file_actions=[
            (os.POSIX_SPAWN_DUP2, null, 0),
            (os.POSIX_SPAWN_DUP2, null, 1),
        ],
    )
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - begin
    os.close(null)
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        sys.exit(f"{' '.join(words)}: exit code {code}")
    return [wall * 1000, (usage.ru_utime + usage.ru_stime) * 1000]


def main():
    job = json.load(sys.stdin)
    subjects = job["subjects"]
    samples = [[] for _ in subjects]
    # The first round fills the page cache.
    for number in range(job["rounds"] + 1):
        for subject, kept in zip(subjects, samples):
            sample = once(subject)
            if number:
                kept.append(sample)
    json.dump(samples, sys.stdout)


main()
