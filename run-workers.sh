#!/bin/sh
# A cron for a development stack that runs without one: asks the gateway again and again to work off both queues of the
# database queue, as /api/workers/* do it for a real cron. Without authorization, which only a development stack grants.
#
#     JOBLINE_WORKER_QUEUES=email_default,communications,amb-jobs JOBLINE_CRON=off jobline up
#     ./run-workers.sh
#
# JOBLINE_GATEWAY_URL: the gateway; default http://127.0.0.1:8080. Ctrl-C ends it.

gateway=${JOBLINE_GATEWAY_URL:-http://127.0.0.1:8080}
command -v curl >/dev/null || { echo "run-workers.sh: curl is needed" >&2; exit 1; }

# A call lasts up to 60 s. One that fails is said and made again in its turn: the stack may be starting.
run() {
    printf '%s ' "$1"
    curl -sS --noproxy '*' --max-time 70 "$gateway/api/workers/$1" || true
    echo
}

while :; do
    run ingestion
    sleep 2
    run vectorization
    sleep 5
done
