"""`jobline-worker serve`."""

from __future__ import annotations

import argparse
import sys

from jobline import failpoints
from jobline.errors import JoblineError
from jobline.event_loop import run
from jobline.runtime import Settings, SettingsError, configure_logging
from jobline_worker.app import serve
from jobline_worker.config import WorkerConfig

__all__ = ["main"]

_SETTINGS = """settings (environment):
  JOBLINE_QUEUE_ADDRESS  queue service(s), comma-separated, tried in turn; default: the embedded one
  JOBLINE_TOKEN          service token with the role `worker`; default: the embedded stack's
  JOBLINE_SERVICE_TOKENS who may call the worker, name:role:token, comma-separated; default: the embedded stack's
  JOBLINE_WORKER_PORT    where health checks and calls are answered; 0 picks a free port; default 50052
  JOBLINE_HOST           listen address; default 127.0.0.1
  JOBLINE_WORKER_QUEUES  queues to pull, comma-separated; default: the five built-in ones
  JOBLINE_LLM_URL, JOBLINE_SEARCH_URL, JOBLINE_ARXIV_URL, JOBLINE_CORPUS_DIR, …
                         providers; default: the embedded ones
  JOBLINE_SENDGRID_API_KEY, JOBLINE_SMTP_URL, JOBLINE_TWILIO_ACCOUNT_SID, …
                         who delivers messages; default: an outbox table"""


def main() -> int:
    """The command line; returns the exit code: 0 after a clean drain, 2 for a wrong setting, 1 for a refusal."""
    parser = argparse.ArgumentParser(
        prog="jobline-worker",
        description="Pulls jobs from the queue service and runs their pipelines.",
        epilog=_SETTINGS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="run until SIGTERM or Ctrl-C, then finish what runs and leave")
    parser.parse_args()
    configure_logging("worker")
    try:
        failpoints.arm(Settings())
        run(serve(WorkerConfig.from_environ()))
    except SettingsError as error:
        print(f"jobline-worker: {error}", file=sys.stderr)
        return 2
    except JoblineError as error:
        print(f"jobline-worker: the queue service refused this worker: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
