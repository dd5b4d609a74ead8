#!/usr/bin/env bash
# One shard for each machine that GNU parallel reaches by ssh; pictures and results lie on a file system that all of them share:
#   examples/cluster/parallel.sh photos captions.jsonl "One-line caption" --sshlogin alpha,beta --workdir .
# Without --sshlogin the shards run on this machine. --retries starts the shard of a lost machine again, and it goes on where it was.
set -euo pipefail
pictures=$1 results=$2 question=$3
shards=${SHARDS:-2}
shift 3

seq 0 $((shards - 1)) |
  parallel --quote --jobs 1 --retries 3 "$@" \
    sh -c 'owl3 batch "$1" -o "$2" -p "$3" --quiet --shard "$4/$5" || [ $? = 6 ]' - "$pictures" "$results" "$question" {} "$shards"
# Status 6 says that some rows failed. They would again, so that is no reason to retry.
exec owl3 batch --merge -o "$results" --quiet
