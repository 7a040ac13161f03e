"""Tools of the benchmarks: timing several contenders in turns, memory of a fresh process.

Machines are shared and noisy, so times are compared as ratios within one process and one run. The
minimum over the rounds shows what the code can do, the median what it did.
"""

import pathlib
import subprocess
import sys
import time

import numpy as np


def by_turns(contenders, rounds):
    """Run every contender once to compile it, then `rounds` times in turns.

    Each round begins with a different contender, so that none always follows the same one.

    Args:
        contenders: dict of callables without arguments.
        rounds: int.

    Returns:
        dict of arrays `(rounds, 2)`: seconds of wall time and of CPU time.
    """
    for run in contenders.values():
        run()
    times = {name: [] for name in contenders}
    names = list(contenders)
    for round_ in range(rounds):
        first = round_ % len(names)
        for name in names[first:] + names[:first]:
            run = contenders[name]
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            times[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {name: np.array(values) for name, values in times.items()}


def summary(times, units, reference):
    """The figures of a table, from the times of `by_turns`.

    Args:
        times: dict of arrays `(rounds, 2)`.
        units: dict. How many units, such as images, one run of each contender handles.
        reference: str. The contender that the ratios refer to; above 1 is faster than it.

    Returns:
        dict by contender: units per second of wall time (by the minimum and by the median), the
        same per second of CPU time, and the ratios of all four to the reference.
    """
    rates = {}
    for name, seconds in times.items():
        best, median = units[name] / seconds.min(axis=0), units[name] / np.median(seconds, axis=0)
        rates[name] = {
            "per_second": best[0],
            "per_second_median": median[0],
            "per_cpu_second": best[1],
            "per_cpu_second_median": median[1],
        }
    of = rates[reference]
    return {
        name: {key: float(f"{value:.6g}") for key, value in rate.items()}
        | {
            "wall_ratio": round(rate["per_second"] / of["per_second"], 3),
            "cpu_ratio": round(rate["per_cpu_second"] / of["per_cpu_second"], 3),
            "wall_ratio_median": round(rate["per_second_median"] / of["per_second_median"], 3),
            "cpu_ratio_median": round(
                rate["per_cpu_second_median"] / of["per_cpu_second_median"], 3
            ),
        }
        for name, rate in rates.items()
    }


def in_fresh_process(script, *flags):
    """The numbers in the last line that `script` prints when it is run with `flags`."""
    command = [sys.executable, script, *flags]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [float(number) for number in done.stdout.splitlines()[-1].split()]


def memory_mb(kind):
    """Memory of this process in MB: `"VmRSS"`, at present, or `"VmHWM"`, at its peak."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(kind):
            return int(line.split()[1]) / 1024
    raise OSError(f"/proc/self/status has no {kind}; memory is measured on Linux only.")


def print_table(title, rows, unit):
    print(f"\n{title}")
    print(f"{'':34}{unit + '/s':>12}{'(median)':>11}{'per CPU s':>11}{'wall':>7}{'CPU':>7}")
    for name, row in rows.items():
        print(
            f"{name:34}{row['per_second']:12,.0f}{row['per_second_median']:11,.0f}"
            f"{row['per_cpu_second']:11,.0f}{row['wall_ratio']:7.2f}{row['cpu_ratio']:7.2f}"
        )
