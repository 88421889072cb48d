"""The queue policies of the service that most queue tests share: a table for each test that needs rules of its own.

Queues that are not named here have the defaults; a test makes up a name for one.
"""

SHARED_POLICIES = """
# ---- claims
[queues.two]
max_running = 2
[queues.two_streams]
max_running = 2
[queues.lowered]
max_running = 1
[queues.limit_set]
max_running = 2
[queues.keyed]
max_running_per_key = 1
[queues.rated]
rate = "3/s"
[queues.closed]
paused = true

# ---- positions: a run that fails once is due again at once, one that fails twice in hours
[queues.positions]
max_running_per_key = 1
max_attempts = 4
backoff = ["0s", "2h"]
lease = "2m"
receipt = "1m"

# ---- fair share
[queues.fair_keys]
order = "fair"
max_running_per_key = 1
[queues.fair_batch]
order = "fair"
[queues.fair_priority]
order = "fair"
[queues.fair_weights]
order = "fair"
weights = { "user:heavy" = 3 }
[queues.fair_told]
order = "fair"
weights = { "user:heavy" = 3 }
[queues.fair_one]
order = "fair"
max_running = 1

# ---- claims of what is due
[queues.due_two]
max_running = 2
[queues.due_one]
max_running = 1
[queues.due_rated]
rate = "1/h"
[queues.due_keyed]
max_running_per_key = 1
[queues.due_fair]
order = "fair"
[queues.due_again]
backoff = ["10ms"]
[queues.due_short]
receipt = "500ms"

# ---- ends of runs: the default lease is long enough for any test, these lapse within one
[queues.backoff]
backoff = ["300ms", "1h"]
[queues.short]
lease = "1s"
receipt = "500ms"
backoff = ["10ms"]
[queues.short_once]
lease = "1s"
receipt = "500ms"
max_attempts = 1
[queues.short_receipt]
lease = "10s"
receipt = "500ms"
[queues.poison]
lease = "500ms"
receipt = "500ms"
backoff = ["10ms"]
max_attempts = 50
[queues.timed]
timeout = "600ms"
max_attempts = 1
[queues.resumes]
retry_resumes = true
[queues.forgets]
retry_resumes = false

# ---- messages: a failed attempt is followed at once
[queues.communications]
backoff = ["10ms"]

# ---- the database queue: a failed run is followed at once
[queues.ingestion]
backoff = ["10ms"]
[queues.vectorization]
backoff = ["10ms"]

# ---- acts of callers and of time
[queues.now]
cancel = "now"
[queues.boundary]
cancel = "boundary"
[queues.boundary_short]
cancel = "boundary"
lease = "10s"
receipt = "500ms"
[queues.pending_only]
cancel = "pending_only"
[queues.expires]
expires_after = "1s"
[queues.pruned]
retention = "100ms"
[queues.kept]
retention = "1h"

# ---- races
[queues.race_now]
cancel = "now"
[queues.race_now_stream]
cancel = "now"
[queues.race_boundary]
cancel = "boundary"
[queues.race_boundary_stream]
cancel = "boundary"
[queues.race_pending]
cancel = "pending_only"
[queues.race_one]
max_running = 1

# ---- streams
[queues.slow]
lease = "30s"
[queues.fast]
lease = "3s"
timeout = "5s"
step_tries = 4
step_backoff = ["250ms"]

# ---- explain
[queues.limit]
max_running = 1
[queues.key]
max_running_per_key = 1
[queues.rate]
rate = "1/h"
[queues.paused_by_policy]
paused = true
[queues.hours]
backoff = ["2h"]
"""
