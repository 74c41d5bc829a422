#!/bin/bash
# A command with --engine ray on machines that Slurm gives, all of which see the videos, the weights and the
# output:
#
#   sbatch --nodes=4 configuration/ray/slurm.sh \
#       davihd highlight --manifest /shared/films.parquet --output-dir /shared/highlights
#   sbatch --nodes=4 configuration/ray/slurm.sh \
#       python datasets_scripts/extract.py --manifest /shared/videos.parquet --out /shared/features
#
# from the repository's folder, in the environment that `pip install ".[ray]"` went into. What follows the
# script's name is the command, without --engine. After the time limit, the same line goes on. In the end Ray
# stops whatever else you have running of it on these machines: they should be the job's alone (--exclusive).
#SBATCH --job-name=davihd
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --time=24:00:00
set -euo pipefail

first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)

# The same line on every machine: the first one becomes the head and runs the command.
srun ray symmetric-run --address "$first:6379" --min-nodes "$SLURM_JOB_NUM_NODES" --num-cpus "$SLURM_CPUS_ON_NODE" \
    -- "$@" --engine ray --ray-address auto
