// Splitting and merging beside PHP itself: PHP makes random sessions, merges them as arrays in its own way and encodes
// all of them with each of its serialize handlers; we must find the same fields and the same merged bytes.
#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "src/record/merge.h"

namespace clustered_session {
namespace {

constexpr int kCases = 300;  // per handler

// Prints one line per case: base, mine, theirs and merged payload, collisions, then keys and values of mine, all in
// hex. Runs between single quotes of a shell command, so it holds none.
constexpr char kScript[] = R"PHP(
class Memory implements SessionHandlerInterface {
  function open($path, $name): bool { return true; }
  function close(): bool { return true; }
  function read($id): string { return ""; }
  function write($id, $data): bool { return true; }
  function destroy($id): bool { return true; }
  function gc($age): int { return 0; }
}
class Item { public $a; protected $b = [1.5]; private $c = "r:1;"; function __construct($a) { $this->a = $a; } }
class Bag { public $v; function __serialize(): array { return ["v" => $this->v, 7 => null]; }
            function __unserialize(array $data): void { $this->v = $data["v"]; } }
enum Suit: string { case Hearts = "h"; case Spades = "s"; }

function text() {
  $pieces = ["", "a", "|", "\";", "r:1;", "R:2;", "i:1;", "}", "{", "\0", "\xff", "\n", "a:1:{", "s:3:", "é", "!"];
  for ($out = "", $n = mt_rand(0, 6); $n > 0; $n--) $out .= $pieces[array_rand($pieces)];
  return $out;
}
function value($depth, &$enums) {
  switch (mt_rand(0, $depth > 0 ? 13 : 9)) {
    case 0: return null;
    case 1: return true;
    case 2: return false;
    case 3: return mt_rand(-100, 100);
    case 4: return [PHP_INT_MIN, PHP_INT_MAX, 0][mt_rand(0, 2)];
    case 5: return [0.1, -1.5e-7, 1e100, -0.0, INF, -INF, NAN, 1 / 3, 2.0][mt_rand(0, 8)];
    case 6: case 7: return text();
    case 8: return $enums ? array_pop($enums) : 1;
    case 9: return [];
    case 10: $o = new stdClass; $o->{"p" . mt_rand(0, 3)} = value($depth - 1, $enums); return $o;
    case 11: return new Item(value($depth - 1, $enums));
    case 12: $o = new Bag; $o->v = value($depth - 1, $enums); return $o;
    default:
      for ($out = [], $n = mt_rand(0, 4); $n > 0; $n--) {
        $out[mt_rand(0, 1) ? text() : mt_rand(-5, 5)] = value($depth - 1, $enums);
      }
      return $out;
  }
}
function key_of($handler) {
  if ($handler === "php_serialize" && mt_rand(0, 3) === 0) return mt_rand(-3, 3);
  $keys = ["a", "b", "c", "d", "user", "!u", "", "k\"s;", "-0", "5x", "i:1;", "\0", "9223372036854775808", "é"];
  if ($handler !== "php") $keys[] = "a|b";
  return $keys[array_rand($keys)];
}
// An enum case is one object: a second use would be written as r:, so each session draws each case at most once.
function change($session, $handler, &$enums) {
  for ($n = mt_rand(0, 4); $n > 0; $n--) {
    $key = key_of($handler);
    if (mt_rand(0, 2) === 0) unset($session[$key]);
    else $session[$key] = value(3, $enums);
  }
  return $session;
}
function same($a, $b, $key) {
  if (!array_key_exists($key, $a) || !array_key_exists($key, $b)) {
    return array_key_exists($key, $a) === array_key_exists($key, $b);
  }
  return serialize($a[$key]) === serialize($b[$key]);
}
function encode($session) {
  foreach (array_keys($_SESSION) as $key) unset($_SESSION[$key]);
  foreach ($session as $key => $value) $_SESSION[$key] = $value;
  return (string) session_encode();
}

mt_srand((int) $argv[2]);
ini_set("session.use_cookies", "0");
ini_set("session.cache_limiter", "");
ini_set("session.serialize_handler", $argv[1]);
session_set_save_handler(new Memory, false);
session_start();
for ($case = 0; $case < (int) $argv[3]; $case++) {
  $enums = Suit::cases();
  $none = [];
  $base = change(change([], $argv[1], $none), $argv[1], $none);
  $mine = change($base, $argv[1], $enums);
  $theirs = change($base, $argv[1], $enums);
  $collisions = 0;
  $merged = [];
  foreach ($mine + $theirs as $key => $unused) {
    $winner = $mine;
    if (same($base, $mine, $key)) $winner = $theirs;
    elseif (!same($base, $theirs, $key) && !same($mine, $theirs, $key)) $collisions++;
    if (array_key_exists($key, $winner)) $merged[$key] = $winner[$key];
  }
  $line = [encode($base), encode($mine), encode($theirs), encode($merged), $collisions];
  foreach ($mine as $key => $value) array_push($line, (string) $key, serialize($value));
  echo implode(",", array_map(fn($part) => bin2hex((string) $part), $line)), "\n";
}
session_abort();
)PHP";

struct PhpCase {
  std::string base, mine, theirs, merged, collisions;
  std::vector<std::string> fields;  // of mine: key, value, key, value...
};

std::string FromHex(const std::string& hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return out;
}

std::vector<PhpCase> AskPhp(const std::string& handler, unsigned seed) {
  const std::string command = "php -n -d error_reporting=-1 -d display_errors=stderr -r '" + std::string(kScript) +
                              "' -- " + handler + " " + std::to_string(seed) + " " + std::to_string(kCases);
  std::FILE* php = popen(command.c_str(), "r");
  REQUIRE(php != nullptr);
  std::string output;
  std::array<char, 4096> buffer{};
  for (size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), php)) > 0;) output.append(buffer.data(), n);
  REQUIRE(pclose(php) == 0);

  std::vector<PhpCase> cases;
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string> parts;
    for (size_t start = 0; start <= line.size();) {
      const size_t comma = std::min(line.find(',', start), line.size());
      parts.push_back(FromHex(line.substr(start, comma - start)));
      start = comma + 1;
    }
    REQUIRE(parts.size() >= 5);
    cases.push_back({parts[0], parts[1], parts[2], parts[3], parts[4], {parts.begin() + 5, parts.end()}});
  }
  return cases;
}

TEST_CASE("fields and merges are those of PHP's own arrays, in all three formats") {
  if (std::system("php -n -r 'exit(extension_loaded(\"session\") ? 0 : 1);' >/dev/null 2>&1") != 0) {
    WARN("no php with sessions on the PATH: only payloads that were written down are tested");
    return;
  }
  const unsigned seed = std::random_device{}();
  const std::string handler = GENERATE(as<std::string>(), "php", "php_binary", "php_serialize");
  CAPTURE(handler, seed);
  const std::vector<PhpCase> cases = AskPhp(handler, seed);
  REQUIRE(cases.size() == kCases);
  const PayloadFormat format = PayloadFormatOf(handler);
  int collisions = 0;
  for (size_t i = 0; i < cases.size(); i++) {
    const PhpCase& php = cases[i];
    CAPTURE(i, php.base, php.mine, php.theirs);
    const auto fields = SplitPayload(format, php.mine);
    REQUIRE(fields.ok());
    std::vector<std::string> flat;
    for (const PayloadField& field : *fields)
      flat.insert(flat.end(), {std::string(field.key), std::string(field.value)});
    REQUIRE(flat == php.fields);
    REQUIRE(JoinPayload(format, *fields) == php.mine);

    // With mine unchanged the outcome is their bytes, whose order PHP's merge above does not keep.
    const auto outcome = MergePayloads(format, php.base, php.mine, php.theirs);
    REQUIRE(outcome.ok());
    REQUIRE(std::to_string(outcome->collisions) == php.collisions);
    if (php.base != php.mine) REQUIRE(outcome->payload == php.merged);
    collisions += static_cast<int>(outcome->collisions);
  }
  CHECK(collisions > 0);
}

}  // namespace
}  // namespace clustered_session
