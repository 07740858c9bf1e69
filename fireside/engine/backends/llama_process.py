"""The embedded engine's own process: llama.cpp's HTTP server on a free loopback port.

Run by path, with an empty environment, by `llama_cpp.py`. It reads its settings as one line of JSON
on standard input, so that the key which guards the port is in no argument list; answers with one
line of JSON; and lives until standard input ends, which is when its parent does, however that dies.
Only the standard library and xllamacpp are used: nothing of Fireside is loaded here.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

LOAD_FAILED = 3
CPU_BATCH_TOKENS = 64  # 8 % slower prompts than 256, and a stop or another stream waits 0.25 s less
GPU_BATCH_TOKENS = 512
MIN_HTTP_THREADS = 128  # one is held by each waiting request and each idle connection


def main() -> None:
    """Serve until standard input ends."""
    settings = json.loads(sys.stdin.readline())
    # The library may print; what it prints must not be mistaken for the answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    # Threads that wait must not spin: the server that relays the tokens runs on the same cores, and
    # with a third process busy on two cores spinning took decoding from 70 tokens/s to 7.
    os.putenv("OMP_WAIT_POLICY", "PASSIVE")

    import xllamacpp  # noqa: PLC0415  slow to load, and loaded nowhere but in this process

    devices = xllamacpp.get_device_info()
    has_gpu = any("CPU" not in str(device["type"]) for device in devices)
    params = xllamacpp.CommonParams()
    params.model.path = settings["path"]
    params.model_alias = {settings["name"]}
    params.api_keys = [settings["api_key"]]
    params.n_parallel = settings["parallel_slots"]
    params.n_ctx = settings["context_tokens"] * settings["parallel_slots"]
    batch_tokens = settings["batch_tokens"] or (GPU_BATCH_TOKENS if has_gpu else CPU_BATCH_TOKENS)
    params.n_batch = params.n_ubatch = batch_tokens
    params.n_threads_http = max(MIN_HTTP_THREADS, 4 * settings["parallel_slots"])
    threads = settings["threads"] or physical_cores()
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.cache_ram_mib = settings["prompt_cache_mib"]
    params.use_jinja = True
    params.endpoint_slots = True
    params.ui = False
    params.cors_origins = ""
    params.verbosity = 1
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        answer = {"failed": str(error)}
    else:
        answer = {"address": server.listening_address}
    answers.write(json.dumps(answer) + "\n")
    answers.flush()
    if "failed" in answer:
        os._exit(LOAD_FAILED)
    sys.stdin.read()
    os._exit(0)  # its threads never end by themselves


def physical_cores() -> int:
    """Cores this process may use: one thread per core decodes fastest, hyper-threads slow it."""
    if not hasattr(os, "sched_getaffinity"):
        return max(1, (os.cpu_count() or 2) // 2)
    allowed = os.sched_getaffinity(0)
    cores = set()
    for cpu in allowed:
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            cores.add(siblings.read_text().strip())
        except OSError:
            cores.add(str(cpu))
    return max(1, min(len(cores), _quota_cores() or len(cores)))


def _quota_cores() -> int | None:
    """What a container may use, rounded up; None without a limit."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return -(-int(quota) // int(period))
    except (OSError, ValueError):
        return None


if __name__ == "__main__":
    main()
