# Adds up what ctest -V prints: '<passed> <failed> <skipped>'. A test counts as what its own last count says, ours ('N
# passed, N failed[, N skipped]') or Catch2's, and else as one. -v step=NAME: the label that was asked for; a test that
# ctest ran only because others need it does not count.
function parts(number, passed_parts, failed_parts, skipped_parts) {
  passed_of[number] = passed_parts
  failed_of[number] = failed_parts
  skipped_of[number] = skipped_parts
}

match($0, /^[0-9]+: /) {
  number = $0 + 0
  line = substr($0, RLENGTH + 1)
  split(line, word, /[^0-9]+/)
  if (line ~ /^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$/) parts(number, word[1], word[2], word[3])
  if (line ~ /^All tests passed \(.* in [0-9]+ test cases?\)$/) parts(number, word[3], 0, 0)
  if (line ~ /^test cases: /) {
    failed_cases = line ~ / failed/ ? line : 0
    sub(/ failed.*/, "", failed_cases)
    sub(/.*[ |]/, "", failed_cases)
    parts(number, word[2] - failed_cases, failed_cases, 0)
  }
  next
}

match($0, /^ *[0-9]+\/[0-9]+ Test +#[0-9]+: /) {
  name = substr($0, RLENGTH + 1)
  number = $0
  sub(/^[^#]*#/, "", number)
  number += 0
  if (name ~ /^extension / && step != "extension" && / Passed +[0-9.]+ sec$/) next
  succeeds = / Passed +[0-9.]+ sec$/
  if (!(number in passed_of)) parts(number, 0, 0, 0)
  if (succeeds && passed_of[number] + failed_of[number] == 0) passed_of[number] = 1
  if (!succeeds && failed_of[number] == 0) failed_of[number] = 1
  passed += passed_of[number]
  failed += failed_of[number]
  skipped += skipped_of[number]
}

END { print passed + 0, failed + 0, skipped + 0 }
