<?php
// Who is compared: what each loads, its settings, and whether it asks stores over the network. Used by the sections.
declare(strict_types=1);

final class Peer
{
    public function __construct(
        public readonly string $name,   // in the JSON
        public readonly string $label,  // for people
        public readonly array $extensions,
        public readonly array $settings,
        public readonly bool $ours = false,
        public readonly bool $remote = true,  // keeps sessions on another machine
        public readonly bool $locks = true,   // one request of a session at a time
    ) {
    }

    // Its extensions are of other packages.
    public function isForeign(): bool
    {
        return array_diff($this->extensions, [$GLOBALS['bare_handler'], $GLOBALS['extension']]) !== [];
    }

    public function phpOptions(): array
    {
        $options = ['-n'];
        foreach ($this->extensions as $extension) {
            array_push($options, '-d', "extension=$extension");
        }
        foreach ($this->settings as $name => $value) {
            array_push($options, '-d', "$name=\"$value\"");
        }
        return $options;
    }
}

/**
 * @param int[] $nodes ports of two memcached
 * @return array<string, Peer>
 */
function peers(array $nodes, int $redis, string $disk, string $memory): array
{
    $memcached = ['igbinary', 'msgpack', 'memcached'];
    $node = "127.0.0.1:$nodes[0]";
    $ours = fn(int $copies, array $more = []) => [
        'session.save_handler' => 'clustered', 'clustered_session.server_id' => 'bench',
        'session.save_path' => "m1=$node" . ($copies > 1 ? ",m2=127.0.0.1:$nodes[1]" : ''),
        'clustered_session.copies' => $copies] + $more;
    $peers = [
        new Peer('bare', 'a handler that does nothing', [$GLOBALS['bare_handler']],
            ['session.save_handler' => 'bare'], remote: false, locks: false),
        new Peer('files_disk', 'files, on disk', [],
            ['session.save_handler' => 'files', 'session.save_path' => $disk], remote: false),
        new Peer('files_shm', 'files, on /dev/shm', [],
            ['session.save_handler' => 'files', 'session.save_path' => $memory], remote: false),
        new Peer('memcached', 'php-memcached, its defaults (locks)', $memcached,
            ['session.save_handler' => 'memcached', 'session.save_path' => $node]),
        new Peer('memcached_unlocked', 'php-memcached, no lock', $memcached,
            ['session.save_handler' => 'memcached', 'session.save_path' => $node, 'memcached.sess_locking' => 0],
            locks: false),
        new Peer('memcached_best', 'php-memcached, no lock, persistent', $memcached,
            ['session.save_handler' => 'memcached', 'session.save_path' => $node, 'memcached.sess_locking' => 0,
                'memcached.sess_persistent' => 1], locks: false),
        new Peer('redis_locked', 'phpredis, locks', ['igbinary', 'redis'],
            ['session.save_handler' => 'redis', 'session.save_path' => "tcp://127.0.0.1:$redis",
                'redis.session.locking_enabled' => 1]),
        new Peer('redis', 'phpredis, its defaults (no lock)', ['igbinary', 'redis'],
            ['session.save_handler' => 'redis', 'session.save_path' => "tcp://127.0.0.1:$redis"], locks: false),
        new Peer('redis_best', 'phpredis, no lock, persistent', ['igbinary', 'redis'],
            ['session.save_handler' => 'redis', 'session.save_path' => "tcp://127.0.0.1:$redis?persistent=1",
                'redis.pconnect.echo_check_liveness' => 0],
            locks: false),
        new Peer('memcache', 'pecl-memcache, its defaults (locks)', ['memcache'],
            ['session.save_handler' => 'memcache', 'session.save_path' => "tcp://$node"]),
        new Peer('ours_1', 'clustered, 1 copy', [$GLOBALS['extension']], $ours(1), ours: true),
        new Peer('ours_2', 'clustered, 2 copies', [$GLOBALS['extension']], $ours(2), ours: true),
        new Peer('behind_1', 'clustered, 1 copy, write=behind', [$GLOBALS['extension']],
            $ours(1, ['clustered_session.write' => 'behind']), ours: true),
        new Peer('behind_2', 'clustered, 2 copies, write=behind', [$GLOBALS['extension']],
            $ours(2, ['clustered_session.write' => 'behind']), ours: true),
        new Peer('ours_unlocked', 'clustered, 1 copy, lock=none', [$GLOBALS['extension']],
            $ours(1, ['clustered_session.lock' => 'none']), ours: true, locks: false),
    ];
    return array_column(array_map(fn(Peer $peer) => [$peer->name, $peer], $peers), 1, 0);
}

// A process of the command line has no client that shows a cookie; the balancer is vouched for instead. Through nginx
// and php-fpm (section_http.php) the cookie is used.
function peer_with_balancer_affinity(Peer $peer): Peer
{
    return !$peer->ours ? $peer : new Peer($peer->name, $peer->label, $peer->extensions,
        $peer->settings + ['clustered_session.affinity' => 'balancer'], true, true, $peer->locks);
}
