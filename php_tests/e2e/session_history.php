<?php
// What the clients of run_counters were told about one session, and what of it must not be. Used by check_counters.php.
//
// lost      increments that were acknowledged and are not there when the client 'end' looks
// stale     answers that show a client less than what it was last told of its own counter
// revived   answers with a counter of before a destruction, asked for after that was acknowledged
// invented  counters above what was ever asked for
//
// A request whose answer did not come or was no 200 may have happened or not. A counter may be missing if a destruction
// was under way between the answer that showed it and the one that does not; also one that ended up to local_trust
// before, where another client asked for it: until then a web server may serve that client the local copy of before,
// and what was added to it ends with it (G2 in docs/protocol.md).
declare(strict_types=1);

final class SessionHistory
{
    /** @var list<array{client: string, sent: int, acknowledged: bool, end: int}> */
    private array $destructions = [];
    /** @var array<string, int> token -> when an answer that shows it had come first */
    private array $known_since = [];
    /** @var array<string, array{token: string, count: int, sent: int}> client -> what it was told last */
    private array $told = [];
    /** @var array<string, int> token -> acknowledged increments */
    private array $acknowledged = [];
    /** @var array<string, int> client -> increments that were asked for and not acknowledged */
    private array $unanswered = [];
    public array $errors = ['lost' => 0, 'stale' => 0, 'revived' => 0, 'invented' => 0];
    public string $first_error = '';
    /** @var list<string> what led to it */
    public array $before_error = [];

    /** @param list<array<string, mixed>> $requests of this session */
    public function __construct(private array $requests, private int $trust_ns)
    {
        foreach ($requests as $request) {
            // What an unanswered change of the ID has come to is known to nobody: the old ID may be destroyed.
            if ($request['what'] === 'destroy' || ($request['what'] === 'regenerate' && !$request['acknowledged'])) {
                $this->destructions[] = ['end' => $this->endOf($request)] + $request;
            }
            foreach ($request['acknowledged'] ? $request['seen'] : [] as [$token]) {
                $this->known_since[$token] = min($this->known_since[$token] ?? PHP_INT_MAX, $request['replied']);
            }
        }
    }

    // The client has told it until it was acknowledged, whichever try did it.
    private function endOf(array $destruction): int
    {
        if ($destruction['what'] === 'regenerate') {
            return PHP_INT_MAX;
        }
        foreach ($this->requests as $request) {
            if ($request['client'] === $destruction['client'] && $request['what'] === 'destroy' &&
                $request['sent'] >= $destruction['sent'] && $request['acknowledged']) {
                return $request['replied'];
            }
        }
        return PHP_INT_MAX;
    }

    public function check(): void
    {
        foreach ($this->requests as $request) {
            if (!$request['acknowledged']) {
                if ($request['what'] === 'add') {
                    $this->unanswered[$request['client']] = ($this->unanswered[$request['client']] ?? 0) + 1;
                }
            } elseif ($request['client'] === 'end') {
                $this->checkRevived($request);
                foreach ($this->told as $client => $told) {
                    $this->checkEnd((string) $client, $told, $request);
                }
            } elseif ($request['what'] !== 'destroy') {
                $this->checkRevived($request);
                $this->checkOwn($request);
            }
        }
    }

    private function checkOwn(array $request): void
    {
        $client = $request['client'];
        [$token, $count] = $request['seen'][$client] ?? ['', 0];
        $added = $request['what'] === 'add' ? 1 : 0;
        $told = $this->told[$client] ?? null;
        if ($told !== null) {
            $missing = $token !== $told['token'];
            $less = !$missing && $count - $added < $told['count'];
            if ($less || ($missing && !$this->mayBeDestroyed($client, $told['sent'], $request['replied']))) {
                $this->error('stale', 1, $request, "it was told $told[token] $told[count]");
            }
        }
        if ($token === '') {
            unset($this->told[$client]);
            return;
        }
        $this->acknowledged[$token] = ($this->acknowledged[$token] ?? 0) + $added;
        $this->told[$client] = ['token' => $token, 'count' => $count, 'sent' => $request['sent']];
        if ($count > $this->acknowledged[$token] + ($this->unanswered[$client] ?? 0)) {
            $this->error('invented', 1, $request, "{$this->acknowledged[$token]} were acknowledged");
        }
    }

    private function checkEnd(string $client, array $told, array $request): void
    {
        [$token, $count] = $request['seen'][$client] ?? ['', 0];
        if ($token !== $told['token']) {
            if ($this->mayBeDestroyed($client, $told['sent'], $request['replied'])) {
                return;
            }
            $count = 0;
        }
        $least = max($told['count'], $this->acknowledged[$told['token']]);
        if ($count < $least) {
            $this->error('lost', $least - $count, $request, "$client was told $told[token] $least");
        }
    }

    // Whether the counter that the client was shown by a request sent then may be gone in an answer of that time.
    private function mayBeDestroyed(string $client, int $sent, int $replied): bool
    {
        foreach ($this->destructions as $destruction) {
            $trusted = $destruction['client'] === $client ? 0 : $this->trust_ns;
            if ($destruction['sent'] < $replied && $destruction['end'] > $sent - $trusted) {
                return true;
            }
        }
        return false;
    }

    private function checkRevived(array $request): void
    {
        foreach ($request['seen'] as $client => [$token]) {
            foreach ($this->destructions as $destruction) {
                $trusted = $destruction['client'] === $request['client'] ? 0 : $this->trust_ns;
                if ($destruction['acknowledged'] && $this->known_since[$token] < $destruction['sent'] &&
                    $request['sent'] > $destruction['end'] + $trusted && !$this->isOfEarlierLife($destruction)) {
                    $this->error('revived', 1, $request, "$destruction[client] destroyed $client's $token");
                    break;
                }
            }
        }
    }

    // A destruction by a client that may have been served the copy of before another one, or what that one left here, ends
    // that life only: what others have begun under this ID meanwhile it has not seen.
    private function isOfEarlierLife(array $destruction): bool
    {
        foreach ($this->destructions as $other) {
            if ($other !== $destruction && $other['sent'] < $destruction['end'] &&
                $other['end'] + $this->trust_ns > $destruction['sent']) {
                return true;
            }
        }
        return false;
    }

    private function error(string $kind, int $count, array $request, string $why): void
    {
        $this->errors[$kind] += $count;
        if ($this->first_error !== '') {
            return;
        }
        $this->first_error = "$kind: $request[client] in session $request[session], $why";
        $last = array_search($request, $this->requests, true);
        foreach (array_slice($this->requests, max(0, $last - 20), min($last, 20) + 3) as $of) {
            $after = $of['acknowledged'] ? $of['cookie_after'] ?? '' : 'not acknowledged';
            $this->before_error[] = sprintf('%9.1f %7.1f ms  %-3s %-7s %-3s %s %s %s -> %s  %s', $of['sent'] / 1e6,
                ($of['replied'] - $of['sent']) / 1e6, $of['client'], $of['what'], $of['server'], $of['nodes'] ?? '',
                $of['phase'], $of['cookie'] ?? '', $after, json_encode($of['seen']));
        }
    }
}
