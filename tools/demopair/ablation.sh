#!/usr/bin/env bash
# Compares the three weightings of the loss at equal compute: the same vision tower, a new language model, the same samples and steps.
#
#   tools/demopair/ablation.sh WORK [STEPS]
#
# WORK holds the run `vision`; the runs go to WORK/weigh-{token,sample,sqrt}, and parts.py judges them.
set -euo pipefail
work=$1 steps=${2:-500}
here=$(dirname "$0")
python=${PYTHON:-python}
for how in token sample sqrt; do
	"$python" "$here/train.py" base --out "$work/weigh-$how" --start "$work/vision" --fresh-language --steps "$steps" --hold 0.5 \
		--sizes 48 12 24 --seed 3 --weighting "$how"
done
for how in token sample sqrt; do
	for kind in "" --thinking; do
		echo "== $how ${kind:-instruct}"
		"$python" "$here/parts.py" --run "$work/weigh-$how" --rows "as trained" --n 200 $kind \
			--skills colour,shape,count,where,larger,number,describe,motion,change,greet,unknown,arithmetic,sum,points,chain \
			--out "$work/weigh-$how/eval${kind:---instruct}.json"
	done
done
