<?php
// What of docs/examples/compose.yaml and the Dockerfiles can be checked without a container: prints a line per problem,
// and behind `--environment <service>` what compose sets for a service, one NAME=value a line.
// Usage: compose_pieces.php <checkout> [--environment <service>]
declare(strict_types=1);

[, $root] = $argv;
$examples = "$root/docs/examples";
$compose = yaml_parse_file("$examples/compose.yaml");
$services = $compose['services'] ?? [];

if (($argv[2] ?? '') === '--environment') {
    foreach ($services[$argv[3]]['environment'] ?? [] as $name => $value) {
        echo "$name=$value\n";
    }
    exit;
}

function problem(string $what): void
{
    echo $what, "\n";
}

// The instructions of a Dockerfile, continued lines joined: [word, rest].
function instructions(string $file): array
{
    $text = preg_replace(['/^#.*\n/m', '/\\\\\n\s*/'], '', file_get_contents($file));
    preg_match_all('/^([A-Z]+) +(.*)$/m', $text, $found, PREG_SET_ORDER);
    return array_map(fn ($line) => [$line[1], $line[2]], $found);
}

function check_dockerfile(string $file, string $root, array $libraries): void
{
    $name = basename($file);
    $run = '';
    $copied = [];
    foreach (instructions($file) as [$word, $rest]) {
        if (!in_array($word, ['ARG', 'FROM', 'RUN', 'COPY'], true)) {
            problem("$name: $word is not expected");
        }
        if ($word === 'ARG') {
            if (!preg_match('/^PHP=8\.[2-6]$/', $rest)) {
                problem("$name: ARG $rest is no PHP that the extension supports");
            }
        } elseif ($word === 'FROM') {
            if (!preg_match('/^php:\$\{PHP\}-fpm(-alpine)?$/', $rest)) {
                problem("$name: FROM $rest is not PHP's official php-fpm");
            }
        } elseif ($word === 'COPY') {
            $sources = preg_split('/ +/', $rest);
            $target = array_pop($sources);
            foreach ($sources as $source) {
                $copied[] = $source;
                if (!file_exists("$root/$source")) {
                    problem("$name: COPY $source: there is no such file in the checkout");
                }
            }
            if (count($sources) > 1 && !str_ends_with($target, '/')) {
                problem("$name: COPY of several files to $target, which is no folder");
            }
        } else {
            $run .= " && $rest";
        }
    }
    // What phpize, configure and make need; scripts/build_extension copies the same, and the tests.
    if (array_diff(['config.m4', 'php_clustered_session.h', 'LICENSE', 'src'], $copied) !== []) {
        problem("$name: it does not copy all that the extension is built from");
    }
    foreach (['phpize', './configure', 'make', 'make install', 'docker-php-ext-enable clustered_session'] as $step) {
        if (!preg_match('~&& ' . preg_quote($step, '~') . '( |$)~', $run)) {
            problem("$name: it does not run $step");
        }
    }
    if (str_contains($name, 'alpine')) {
        preg_match('/apk add --no-cache --virtual \.build \$PHPIZE_DEPS ([^&]*?) *&&/', $run, $found);
        $names = ['libssl-dev' => 'openssl-dev', 'libxxhash-dev' => 'xxhash-dev', 'libzstd-dev' => 'zstd-dev'];
        $wanted = array_map(fn ($library) => $names[$library] ?? $library, $libraries);
    } else {
        if (!str_contains($run, 'rm -rf /var/lib/apt/lists/*') || !str_contains($run, 'apt-get update &&')) {
            problem("$name: the lists of apt are not got and removed in one step");
        }
        preg_match('/apt-get install -y --no-install-recommends ([^&]*?) *&&/', $run, $found);
        $wanted = $libraries;
    }
    $installed = preg_split('/ +/', $found[1] ?? '', -1, PREG_SPLIT_NO_EMPTY);
    if ($installed !== $wanted) {
        problem("$name: it installs '" . implode(' ', $installed) . "', scripts/install_packages says '" .
            implode(' ', $wanted) . "'");
    }
}

// The libraries' packages that scripts/install_packages installs to build the extension.
preg_match('/^ +# To build the extension\.\n(.*)$/m', file_get_contents("$root/scripts/install_packages"), $found);
$libraries = preg_grep('/^lib.*-dev$/', preg_split('/\s+/', trim($found[1] ?? '')));
$libraries = array_values($libraries);
if (count($libraries) < 3) {
    problem('scripts/install_packages: the line behind "To build the extension" names no libraries');
}
foreach (['Dockerfile', 'Dockerfile.alpine'] as $file) {
    check_dockerfile("$examples/$file", $root, $libraries);
}

$networks = $compose['networks'] ?? [];
foreach ($services as $name => $service) {
    if (isset($service['image']) === isset($service['build'])) {
        problem("compose.yaml: $name needs an image or a build, one of them");
    }
    if (isset($service['build'])) {
        $context = realpath("$examples/{$service['build']['context']}");
        if ($context !== realpath($root) || !is_file("$context/{$service['build']['dockerfile']}")) {
            problem("compose.yaml: $name is not built from the checkout by one of its Dockerfiles");
        }
    } elseif (!preg_match('/:(?!latest$)[^:]+$/', $service['image'])) {
        problem("compose.yaml: the image of $name says no version");
    }
    foreach ($service['volumes'] ?? [] as $volume) {
        [$source, , $mode] = explode(':', $volume) + [2 => ''];
        if (!file_exists("$examples/$source") || $mode !== 'ro') {
            problem("compose.yaml: the volume $volume of $name is not a file of the checkout, read only");
        }
    }
    foreach ($service['depends_on'] ?? [] as $other) {
        if (!isset($services[$other])) {
            problem("compose.yaml: $name depends on $other, which is not there");
        }
    }
    foreach ($service['networks'] ?? [] as $key => $value) {
        if (!array_key_exists(is_int($key) ? $value : $key, $networks)) {
            problem("compose.yaml: $name is in a network that is not there");
        }
    }
}

// nginx's file names the web servers by their addresses, its map by their server_id.
$conf = file_get_contents("$examples/nginx_php_fpm.conf");
preg_match_all('/^upstream server_(\w+)_first \{\n.*\n  server ([0-9.]+):9000 (?!backup)/m', $conf, $found);
$in_conf = array_combine($found[1], $found[2]);
$in_compose = [];
foreach ($services as $service) {
    if (isset($service['build'])) {
        $in_compose[$service['environment']['WEB_NAME'] ?? ''] = $service['networks']['shop']['ipv4_address'] ?? '';
    }
    foreach (explode(',', $service['environment']['SESSION_NODES'] ?? '') as $node) {
        $host = explode(':', explode('=', $node)[1] ?? '')[0];
        if ($host !== '' && !str_starts_with($services[$host]['image'] ?? '', 'memcached:')) {
            problem("compose.yaml: the node $host is no memcached of it");
        }
    }
}
if ($in_conf !== $in_compose || count($in_conf) !== 2) {
    problem('compose.yaml: the names and addresses of the web servers are not those of nginx_php_fpm.conf');
}
preg_match('/root (\S+);/', $conf, $found);
foreach (['a', 'b', 'nginx'] as $name) {
    if (!in_array("../../php_tests/app:{$found[1]}:ro", $services[$name]['volumes'], true)) {
        problem("compose.yaml: $name has no $found[1], which nginx_php_fpm.conf serves");
    }
}
