#!/usr/bin/env bash
# What a GPU machine without a network lacks beside Python and torch, as wheels in FOLDER (default .whl), for its Python.
# tests/gpu/README.md tells how they are used.
#
#   tests/gpu/wheels.sh [FOLDER] [PYTHON VERSION, such as 3.12]
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=${1:-.whl} version=${2:-3.12}
pip=(python3 -m pip --disable-pip-version-check)
[[ -x .venv/bin/python ]] && pip=(.venv/bin/python -m pip --disable-pip-version-check)
names=(
    cffi funasr hydra-core kaldi-native-fbank kaldiio librosa audioread lazy-loader decorator pooch omegaconf prometheus-client silero-vad
    platformdirs pycparser rapidfuzz soundfile soxr webrtcvad-wheels websockets
)
sources=(antlr4-python3-runtime) # published as source only
platforms=()
for tag in manylinux_2_34 manylinux_2_28 manylinux_2_27 manylinux_2_17 manylinux2014 manylinux1; do platforms+=(--platform "${tag}_x86_64"); done
pinned() { grep -i "^${1//[-_]/[-_]}==" constraints.txt || echo "$1"; }
rm -rf "$folder" && mkdir -p "$folder"
"${pip[@]}" download --quiet --no-deps --only-binary=:all: --python-version "$version" --implementation cp "${platforms[@]}" -d "$folder" \
    $(for name in "${names[@]}"; do pinned "$name"; done)
"${pip[@]}" wheel --quiet --no-deps -w "$folder" $(for name in "${sources[@]}"; do pinned "$name"; done)
du -sh "$folder"
