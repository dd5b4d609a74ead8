#!/usr/bin/env bash
# One shard for each task of a Slurm array; the last step puts them together:
#   job=$(sbatch --parsable --array=0-7 --cpus-per-task=8 examples/cluster/slurm.sh photos captions.jsonl "One-line caption")
#   sbatch --dependency=afterany:$job --wrap "owl3 batch --merge -o captions.jsonl"
# A task that was killed or ran out of time goes on where it was: submit the same array again.
#SBATCH --job-name=owl3
#SBATCH --requeue
set -euo pipefail
pictures=$1 results=$2 question=$3

owl3 batch "$pictures" -o "$results" -p "$question" --quiet \
  --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --threads "${SLURM_CPUS_PER_TASK:-0}" ||
  [ $? = 6 ] # some rows failed, and would again
