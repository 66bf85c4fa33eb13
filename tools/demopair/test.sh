#!/usr/bin/env bash
# Tests the recipe's questions, pictures and judging, without training.
#
#   PYTHON=work/venv/bin/python tools/demopair/test.sh
#
# It needs numpy, Pillow, matplotlib and scikit-image (requirements.txt) and no torch.
set -euo pipefail
cd "$(dirname "$0")"
exec "${PYTHON:-python3}" -m unittest -q test_recipe
