#!/usr/bin/env bash
# Tests and measures on one GPU, beside llama.cpp in the same run. It builds nothing and needs neither CMake nor git, so
# it runs wherever the built programs were carried to. Needs python3; numpy, if a model file is to be made.
#
#   bench/gpu.sh [--build DIR] [--model FILE] [--commit TEXT] [--backends cuda,wgpu] [--precisions high,fast]
#                [--repeat N] [--device N] [--skip-tests] OUT [PEER_DIR]
#
#   OUT        gets table.md, and raw/ with all that the programs said
#   PEER_DIR   llama-bench and llama-batched-bench; without it there is no second column
#   --build    where tercet and bin/ lie (build)
#   --model    the full-size model that both read; unset, tools/make_gguf.py writes one to /dev/shm; `synthetic` has tercet
#              make its weights in memory, and there is no second column
#   --backends which of tercet's are measured (cuda); wgpu takes its best adapter, which --device does not name
#   --commit   what was built (default: the file build/commit, or git's answer)
# Exit code: 1 if a test failed or a program did, after all that still can be measured was.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

build=$root/build model="" commit="" backends=cuda precisions=high repeat=3 device=0 tests=yes
while [ $# -gt 0 ]; do
  case $1 in
    --build) build=$2; shift ;;
    --model) model=$2; shift ;;
    --commit) commit=$2; shift ;;
    --backends) backends=$2; shift ;;
    --precisions) precisions=$2; shift ;;
    --repeat) repeat=$2; shift ;;
    --device) device=$2; shift ;;
    --skip-tests) tests=no ;;
    -*) sed -n '2,16p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    *) break ;;
  esac
  shift
done
[ $# -ge 1 ] && [ $# -le 2 ] || { sed -n '2,16p' "${BASH_SOURCE[0]}" >&2; exit 2; }
out=$1 peer=${2:-}
raw=$out/raw
mkdir -p "$raw" || exit 1
rm -f "$out/table.md" "$raw"/*
failed=0

say() { echo "gpu.sh: $*" >&2; }

# keep NAME COMMAND...   runs it; stdout to raw/NAME, stderr to raw/NAME.err, which is shown if it fails
keep() {
  local name=$1 status
  shift
  echo "$*" >> "$raw/commands"
  "$@" > "$raw/$name" 2> "$raw/$name.err"
  status=$?
  if [ $status -ne 0 ]; then
    say "failed with $status: $*"
    tail -n 5 "$raw/$name.err" >&2
    failed=1
  fi
  return $status
}

describe() {
  [ -n "$commit" ] || commit=$(cat "$build/commit" 2> /dev/null || git -C "$root" describe --always --dirty 2> /dev/null ||
                               echo unknown)
  echo "$commit" > "$raw/commit"
  nvidia-smi > "$raw/nvidia-smi" 2>&1
  nvidia-smi -i "$device" --query-gpu=name,driver_version,memory.total,memory.used,clocks.sm,clocks.max.sm,power.limit \
             --format=csv,noheader > "$raw/gpu" 2> /dev/null || rm -f "$raw/gpu"
  cat /proc/loadavg > "$raw/loadavg"
  keep devices.json "$build/tercet" devices --json
}

# Every program that can use a GPU, by name: no list to forget. Where it finds no device, it says so and is skipped.
run_tests() {
  local program name
  export TERCET_SOURCE_DIR=$root
  for program in "$build"/bin/cuda_*test "$build"/bin/wgpu_*test "$build"/bin/*_device_test; do
    name=$(basename "$program")
    [ -x "$program" ] && [ ! -e "$raw/$name.log" ] || continue
    timeout 300 "$program" > "$raw/$name.log" 2>&1
    local status=$?
    printf '%s\t%s\n' "$name" "$status" >> "$raw/tests"
    case $status in 0 | 77) ;; *) failed=1; say "$name failed"; grep -E 'FAILED|Failure' "$raw/$name.log" | head -n 20 >&2 ;; esac
  done
}

make_model() {
  [ -z "$model" ] || return 0
  model=/dev/shm/tercet-full.gguf
  [ ! -e $model ] || return 0
  say "writing $model"
  mkdir -p "$raw/tokenizer"
  python3 -c 'import lzma, sys; sys.stdout.buffer.write(lzma.open(sys.argv[1]).read())' \
          "$root/tests/data/tokenizer/qwen3-tokenizer.json.xz" > "$raw/tokenizer/tokenizer.json" &&
    echo '{}' > "$raw/tokenizer/tokenizer_config.json" &&
    keep make_gguf python3 "$root/tools/make_gguf.py" full $model.partial --tokenizer "$raw/tokenizer" &&
    mv $model.partial $model ||
    { say "no model file; measuring weights made in memory, without a peer"; model=synthetic; }
  rm -rf "$raw/tokenizer"
}

# ours NAME ARGS...   by every backend, at every precision
ours() {
  local name=$1 backend precision
  shift
  for backend in ${backends//,/ }; do
    for precision in ${precisions//,/ }; do one "$name" "$backend" "$precision" "$@"; done
  done
}

# one NAME BACKEND PRECISION ARGS...
one() {
  local name=$1 backend=$2 precision=$3
  shift 3
  local source=(-m "$model") where=()
  [ "$model" != synthetic ] || source=(--synthetic full)
  [ "$name" != demo ] || source=()
  [ "$backend" != cuda ] || where=(--device "$device")
  keep "tercet-$backend-$name-$precision.json" "$build/tercet" bench "${source[@]}" --backend "$backend" "${where[@]}" \
       --precision "$precision" -r "$repeat" --json "$@"
}

theirs() {
  local name=$1 program=$2
  shift 2
  if [ -z "$peer" ] || [ "$model" = synthetic ]; then return 0; fi
  CUDA_VISIBLE_DEVICES=$device LD_LIBRARY_PATH=$peer:${LD_LIBRARY_PATH:-} keep "peer-$name" "$peer/$program" -m "$model" -ngl 99 "$@"
}

# The same thing by one and then the other, so that neither has the card to itself at a better hour.
measure() {
  ours demo -p 512 -n 128
  ours decode -p 0 -n 128 -d 0,4096,16384
  theirs decode.json llama-bench -fa 1 -p 0 -n 128 -d 0,4096,16384 -r "$repeat" -o json
  ours prefill -p 512,2048,4096,8192 -n 0
  theirs prefill-512.json llama-bench -fa 1 -p 512,2048,4096,8192 -n 0 -r "$repeat" -o json
  theirs prefill-2048.json llama-bench -fa 1 -b 2048 -ub 2048 -p 512,2048,4096,8192 -n 0 -r "$repeat" -o json
  ours batch -p 0 -n 128 -d 128 -b 1,8,32,64
  theirs batch llama-batched-bench -fa on -c 40000 -npp 128 -ntg 128 -npl 1,8,32,64
}

describe
[ $tests = no ] || run_tests
make_model
measure
python3 "$root/bench/gpu_table.py" "$raw" > "$out/table.md" || failed=1
cat "$out/table.md"
exit $failed
