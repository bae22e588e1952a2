"""``python -m tests.soak``: exit code 1 where anything was lost, or anything grew."""

import argparse
import asyncio
import json
import logging
import sys

from tests.soak.run import Profile, soak


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--clients", type=int, default=100, help="at a time (default: 100)")
    parser.add_argument("--hours", type=float, default=5.0, help="of audio, all clients together (default: 5)")
    parser.add_argument("--minutes", type=float, default=60.0, help="at the most (default: 60)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    profile = Profile(clients=given.clients, audio_s=given.hours * 3600, most_s=given.minutes * 60, seed=given.seed)
    report = asyncio.run(soak(profile, say=lambda line: print(line, file=sys.stderr, flush=True)))
    print(json.dumps(report, indent=1))
    for fault in report["faults"]:
        print(f"soak: {fault}", file=sys.stderr)
    return 1 if report["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
