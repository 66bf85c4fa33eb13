#!/usr/bin/env bash
# Tests the recipe's questions, pictures and judging, and, where torch is at hand, what training stands on.
#
#   PYTHON=work/venv/bin/python tools/demopair/test.sh
#
# It needs numpy, Pillow, matplotlib and scikit-image (requirements.txt).
set -euo pipefail
cd "$(dirname "$0")"
python="${PYTHON:-python3}"
"$python" -m unittest -q test_recipe
if "$python" -c "import torch" 2>/dev/null; then
  "$python" -m unittest -q test_training
fi
