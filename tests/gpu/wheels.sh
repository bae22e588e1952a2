#!/usr/bin/env bash
# What a GPU machine without a network lacks beside Python and torch: wheels for its Python, and recorded speech.
# README.md beside this tells how they are used.
#
#   tests/gpu/wheels.sh [FOLDER, else .whl] [PYTHON'S VERSION, else 3.12]
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=${1:-.whl} version=${2:-3.12}
python=python3
[[ -x .venv/bin/python ]] && python=.venv/bin/python
pip=("$python" -m pip --disable-pip-version-check --quiet)
names=(
    cffi funasr hydra-core kaldi-native-fbank kaldiio librosa audioread lazy-loader decorator pooch omegaconf platformdirs prometheus-client
    pycparser rapidfuzz silero-vad soundfile soxr webrtcvad-wheels websockets
)
sources=(antlr4-python3-runtime) # published as source only
platforms=()
for tag in manylinux_2_34 manylinux_2_28 manylinux_2_27 manylinux_2_17 manylinux2014 manylinux1; do platforms+=(--platform "${tag}_x86_64"); done
pinned() { for name in "$@"; do grep -i "^${name//[-_]/[-_]}==" constraints.txt || echo "$name"; done; }

rm -rf "$folder" && mkdir -p "$folder/speech/moonshine_voice/assets"
mapfile -t wanted < <(pinned "${names[@]}")
"${pip[@]}" download --no-deps --only-binary=:all: --python-version "$version" --implementation cp "${platforms[@]}" -d "$folder" "${wanted[@]}"
mapfile -t wanted < <(pinned "${sources[@]}")
"${pip[@]}" wheel --no-deps -w "$folder" "${wanted[@]}"
# Of the bundled model only the reading, which the benches speak with.
whole=$(mktemp -d)
trap 'rm -r "$whole"' EXIT
mapfile -t wanted < <(pinned moonshine-voice)
"${pip[@]}" download --no-deps -d "$whole" "${wanted[@]}"
"$python" -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extract("moonshine_voice/assets/two_cities.wav", sys.argv[2])' \
    "$whole"/*.whl "$folder/speech"
touch "$folder/speech/moonshine_voice/__init__.py"
du -sh "$folder"
