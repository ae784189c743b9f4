#!/usr/bin/env bash
# Trains the whole 96² world, stage after stage, each process in one thread. Stop it at any time; the same command goes on from the last checkpoint. Complete stages are skipped.
#   POCKET_WORK=DIR [PYTHON=python] [PROCESSES=1] ./pipeline.sh [pictures|rewards|loop]     (pictures and rewards may run side by side; loop needs both and runs PROCESSES at a time)
set -eu
cd "$(dirname "$0")"
export py=${PYTHON:-python} log=$POCKET_WORK/w96/pipeline.log
part=${1:-all}
mkdir -p "$POCKET_WORK/w96"
say() { echo "$(date -u +%FT%TZ) $*" | tee -a "$log"; }
run() { say "begins: $*"; $py "$@" >> "$log" 2>&1; say "done: $*"; }
each() { say "begins: $1 for each of ${*:2}"; printf '%s\n' "${@:2}" | xargs -P "${PROCESSES:-1}" -I{} sh -c "$py $1 >> $log 2>&1 || exit 255"; say "done: $1"; }      # {} in the command stands for one of the words
harden_setting() { $py -c "import json; print(json.load(open('config.json'))['harden']['$1'])"; }
measure() { each "loop.py measure $1 0 {}" $(seq 0 $(($(harden_setting parts) - 1))); run loop.py table "$1" 0; }
if [ "$part" = all ] || [ "$part" = pictures ]; then run vae.py; run generator.py; fi
if [ "$part" = all ] || [ "$part" = rewards ]; then
  run judge.py judge; run judge.py labeller
  run rewards.py image_reward; run rewards.py clip; run rewards.py hps
fi
if [ "$part" = all ] || [ "$part" = loop ]; then
  run export.py
  measure 0
  for r in $(seq "$(harden_setting rounds)"); do
    each "loop.py harvest $r {}" $(seq 0 $(($(harden_setting shards) - 1)))
    each "loop.py harden $r {}" image_reward hps clip
    measure "$r"
  done
fi
