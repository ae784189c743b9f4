#!/usr/bin/env bash
# Trains the whole 96² world in one thread, stage after stage. Stop it at any time; the same command goes on from the last checkpoint. Complete stages are skipped.
#   POCKET_WORK=DIR [PYTHON=python] ./pipeline.sh [pictures|rewards|loop]     (pictures and rewards may run side by side; loop needs both)
set -eu
cd "$(dirname "$0")"
py=${PYTHON:-python} part=${1:-all} log=$POCKET_WORK/w96/pipeline.log
mkdir -p "$POCKET_WORK/w96"
say() { echo "$(date -u +%FT%TZ) $*" | tee -a "$log"; }
run() { say "begins: $*"; $py "$@" >> "$log" 2>&1; say "done: $*"; }
if [ "$part" = all ] || [ "$part" = pictures ]; then run vae.py; run generator.py generator; run generator.py sharpen; fi
if [ "$part" = all ] || [ "$part" = rewards ]; then
  run judge.py judge; run judge.py labeller
  run rewards.py image_reward; run rewards.py clip; run rewards.py hps
fi
if [ "$part" = all ] || [ "$part" = loop ]; then
  run export.py
  run loop.py measure 0 0
  for r in $($py -c 'import json; print(*range(1, json.load(open("config.json"))["harden"]["rounds"] + 1))'); do
    run loop.py harvest "$r"
    for reward in image_reward hps clip; do run loop.py harden "$r" $reward; done
    run loop.py measure "$r" 0
  done
  for seed in 1 2 3; do run loop.py measure "$r" $seed; done
fi
