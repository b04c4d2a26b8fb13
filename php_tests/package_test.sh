#!/bin/bash
# package.xml and composer.json, tried out: `pecl package`, then `pecl install` of what it made, with a private PEAR
# configuration, so that nothing outside a temporary folder is written. Prints one line per check and ends with
# 'N passed, N failed'.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

passed=0
failed=0
# check NAME COMMAND...: passes if the command does; shows its output if it does not.
check() {
  local name=$1
  shift
  if "$@" >"$scratch/output" 2>&1; then
    printf 'ok: %s\n' "$name"
    passed=$((passed + 1))
  else
    printf 'FAILED: %s\n' "$name"
    tail -n 50 "$scratch/output" | sed 's/^/  /'
    failed=$((failed + 1))
  fi
}

# A private PEAR, all of whose folders are under $scratch. PEAR puts a built module where php-config says, whatever its
# own ext_dir and install root are: so php-config is private as well.
export HOME=$scratch/home
export TMPDIR=$scratch/tmp
export MAKEFLAGS=-j$(nproc) CXXFLAGS=-O0
mkdir -p "$HOME" "$TMPDIR" "$scratch/bin" "$scratch/source"
real_php_config=$(command -v php-config)
php_binary=$(php-config --php-binary)
system_module=$(php-config --extension-dir)/clustered_session.so
system_module_before=$(stat -c '%i %Y' "$system_module" 2>/dev/null || true)
module=$scratch/php/extensions/clustered_session.so
cat >"$scratch/bin/php-config" <<SCRIPT
#!/bin/sh
case "\$1" in
  --prefix) echo "$scratch/php" ;;
  --extension-dir) echo "$scratch/php/extensions" ;;
  *) exec "$real_php_config" "\$@" ;;
esac
SCRIPT
chmod +x "$scratch/bin/php-config"
export PATH=$scratch/bin:$PATH
pecl() {
  command pecl -C "$scratch/pearrc" -c "$scratch/pearrc_user" "$@" </dev/null
}

private_configuration() {
  command pear config-create "$scratch" "$scratch/pearrc" </dev/null || return 1
  [[ $(php-config --extension-dir) == "$scratch/"* ]] || return 1
  local key
  for key in php_dir ext_dir data_dir doc_dir test_dir cfg_dir www_dir cache_dir temp_dir download_dir; do
    [[ $(pecl config-get "$key") == "$scratch/"* ]] || {
      echo "$key is outside of the temporary folder"
      return 1
    }
  done
}
check 'a private PEAR configuration' private_configuration
if [[ $failed != 0 ]]; then
  echo 'package_test: not installing anything without it' >&2
  printf '%d passed, %d failed\n' "$passed" "$failed"
  exit 1
fi

(cd "$root" && tar -cf - $(sed -n 's/.*<file name="\([^"]*\)".*/\1/p' package.xml) package.xml) |
  tar -xf - -C "$scratch/source"
cd "$scratch/source"
# PECL warns of a release that is not of today; a release is dated when it is made.
sed -i "s#<date>.*</date>#<date>$(date +%F)</date>#" package.xml

valid() {
  pecl package-validate package.xml >"$scratch/validate.out" 2>&1 || return 1
  cat "$scratch/validate.out"
  grep -F 'Validation: 0 error(s), 0 warning(s)' "$scratch/validate.out"
}
check 'package.xml is valid' valid
check 'pecl package' pecl package package.xml
package=$(echo clustered_session-*.tgz)
check 'it makes one package' test -f "$package"
check 'pecl install' pecl install "./$package"
check 'the module is where PECL was told' test -f "$module"
check 'the installed module loads' \
  "$php_binary" -n -d extension="$module" -r 'exit(extension_loaded("clustered_session") ? 0 : 1);'
package_contents() {
  tar -tzf "$package" | sed 's#^[^/]*/##' | sort >"$scratch/contents"
  sed -n 's/.*<file name="\([^"]*\)".*/\1/p' package.xml | sort >"$scratch/listed"
  comm -13 "$scratch/contents" "$scratch/listed" | { ! grep .; }
}
check 'the package holds what package.xml lists' package_contents
listed() { pecl list | grep -E '^clustered_session +[0-9]'; }
check 'pecl lists it' listed
binary() {
  local archive name='^php_clustered_session-[0-9.]+_php8\.[0-9]-(x86_64|arm64)-linux-(glibc|musl)(-debug)?-(nts|zts)\.tgz$'
  archive=$("$root/scripts/pack_binary" "$module" "$scratch/binary") || return 1
  [[ ${archive##*/} =~ $name ]] || return 1
  [[ $(tar -tzf "$archive" | sort | paste -sd ' ') == 'LICENSE clustered_session.so' ]] || return 1
  tar -C "$scratch/binary" -xzf "$archive" || return 1
  "$php_binary" -n -d extension="$scratch/binary/clustered_session.so" \
    -r 'exit(extension_loaded("clustered_session") ? 0 : 1);'
}
check 'a binary is packed under the name that PIE looks for, and loads' binary
removed() { test -f "$module" && pecl uninstall clustered_session && ! test -e "$module"; }
check 'pecl uninstall removes it' removed
nothing_outside() { [[ $(stat -c '%i %Y' "$system_module" 2>/dev/null || true) == "$system_module_before" ]]; }
check 'nothing was installed outside of the temporary folder' nothing_outside

composer() {
  # Debian's SimpleXML is a module.
  "$php_binary" -n -d extension=simplexml -r '
    $package = json_decode(file_get_contents("composer.json"), true, 512, JSON_THROW_ON_ERROR);
    $say = function (bool $right, string $what): void { if (!$right) { echo "composer.json: $what\n"; exit(1); } };
    $name = "#^[a-z0-9]([_.-]?[a-z0-9]+)*/[a-z0-9](([_.]|-{1,2})?[a-z0-9]+)*$#";
    $say((bool) preg_match($name, $package["name"] ?? ""), "name");
    $say(($package["type"] ?? "") === "php-ext", "type");
    $say(($package["license"] ?? "") === "MIT", "license");
    $say(isset($package["require"]["php"]), "require php");
    $say(isset($package["require"]["ext-session"]), "require ext-session");
    $say((bool) filter_var($package["homepage"] ?? "", FILTER_VALIDATE_URL), "homepage");
    $support = ["email", "issues", "forum", "wiki", "irc", "source", "docs", "rss", "chat", "security"];
    $say(($package["support"] ?? []) !== [] && array_diff(array_keys($package["support"]), $support) === [], "support");
    $xml = simplexml_load_file("package.xml");
    $say($package["support"]["email"] === (string) $xml->lead->email, "support email: package.xml has another one");
    $extension = $package["php-ext"] ?? [];
    $say(($extension["extension-name"] ?? "") === "clustered_session", "extension-name");
    // Behind a session module that is a module of its own (20 in most systems), whose symbols ours needs.
    $say(is_int($extension["priority"] ?? null) && $extension["priority"] > 20, "priority");
    // PIE builds the folder that has config.m4: the root, as long as nothing else is named.
    $say(is_file(($extension["build-path"] ?? ".") . "/config.m4"), "build-path");
    $known = ["extension-name", "priority", "support-zts", "support-nts", "build-path", "download-url-method",
              "os-families", "os-families-exclude", "configure-options"];
    $say(array_diff(array_keys($extension), $known) === [], "unknown php-ext fields");
    foreach ($extension["configure-options"] ?? [] as $option) {
      $say((bool) preg_match("#^[a-zA-Z0-9][a-zA-Z0-9_-]*$#", $option["name"] ?? ""), "configure-options name");
      $say(is_string($option["description"] ?? null), "configure-options description");
      $say(is_bool($option["needs-value"] ?? false), "configure-options needs-value");
      exec("grep -q -- " . escapeshellarg("--" . $option["name"]) . " config.m4", $out, $code);
      $say($code === 0, "configure-options: config.m4 has no --" . $option["name"]);
    }
    $names = array_map(fn ($option) => (string) $option["name"], $xml->xpath("//*[local-name()=\"configureoption\"]"));
    $say(array_column($extension["configure-options"], "name") === $names, "configure-options: package.xml has others");
  '
}
check 'composer.json describes the extension to PIE' composer

printf '%d passed, %d failed\n' "$passed" "$failed"
[[ $failed == 0 ]]
