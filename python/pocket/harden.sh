#!/usr/bin/env bash
# Hardens the three 64² rewards against the loop, in rounds, and measures the hacking curve before and after. One thread; stop it at any time, the same command resumes.
#   POCKET_WORK=DIR ./harden.sh [ROUNDS] [SHARDS A ROUND] [STEPS]
set -eu
cd "$(dirname "$0")"
rounds=${1:-2} shards=${2:-3} steps=${3:-200} py=${PYTHON:-python} every=${EVERY:-2} seeds=${SEEDS:-0}
base=../../weights/pocket
now=$base
for ((r = 1; r <= rounds; r++)); do
  w=$POCKET_WORK/harden$r
  if [ ! -e "$w/weights/DONE" ]; then
    harvests=()
    for ((k = 1; k <= r; k++)); do harvests+=("$POCKET_WORK/harvest$k"); done
    $py loop_harvest.py --weights "$now" --out "$POCKET_WORK/harvest$r" --first $((100 * (r - 1))) --shards "$shards"
    mkdir -p "$w/weights"
    cp -r $base/{generator,evaluator,heldout_prompts.json,reno.json} "$w/weights/"
    for reward in image_reward hps clip; do        # image_reward carries most of the loss, so it comes first
      $py loop_train.py --reward $reward --weights "$now" --harvest "${harvests[@]}" --steps "$steps" --checkpoint "$w/$reward.pt" --out "$w/weights/$reward"
    done
    touch "$w/weights/DONE"
  fi
  now=$w/weights
  for seed in $seeds; do $py loop_measure.py --weights "$now" --out "$w/measure" --seed "$seed" --every "$every"; done
  if [ $r = 1 ]; then for seed in $seeds; do $py loop_measure.py --weights $base --out "$POCKET_WORK/harden0" --seed "$seed" --every "$every"; done; fi
done
