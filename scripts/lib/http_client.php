<?php
// One visitor of the shop in php_tests/app: sends requests, keeps the cookies, gives back what the shop reports.
// Used by scripts/lib/request.php and by the end-to-end tests. Needs nothing but PHP's own streams.
declare(strict_types=1);

final class HttpClient
{
    private const TIMEOUT_SECONDS = 20.0;

    /** @param array<string, string> $cookies */
    public function __construct(public array $cookies = [])
    {
    }

    /**
     * One request; a POST where $fields are given. Never throws: without an answer 'http' is 0 and 'error' says why.
     *
     * @param array<string, string>|null $fields
     * @return array<string, mixed> the shop's report, and 'http' (the status code), 'error', 'ms' and 'set_cookies'
     */
    public function request(string $url, ?array $fields = null): array
    {
        $headers = ['Accept: application/json', 'Connection: close'];
        if ($this->cookies !== []) {
            $pairs = array_map(fn ($name, $value) => "$name=$value", array_keys($this->cookies), $this->cookies);
            $headers[] = 'Cookie: ' . implode('; ', $pairs);
        }
        $options = ['ignore_errors' => true, 'follow_location' => 0, 'timeout' => self::TIMEOUT_SECONDS];
        if ($fields !== null) {
            $headers[] = 'Content-Type: application/x-www-form-urlencoded';
            $options += ['method' => 'POST', 'content' => http_build_query($fields)];
        }
        $context = stream_context_create(['http' => $options + ['header' => $headers]]);
        $begin = hrtime(true);
        $stream = @fopen($url, 'r', false, $context);
        $body = $stream ? @stream_get_contents($stream) : false;
        $ms = (hrtime(true) - $begin) / 1e6;
        if ($body === false) {
            $error = preg_replace('/^.*?: /', '', error_get_last()['message'] ?? 'no answer');
            return ['http' => 0, 'error' => $error, 'ms' => $ms, 'set_cookies' => []];
        }
        return $this->read(stream_get_meta_data($stream)['wrapper_data'], $body) + ['ms' => $ms];
    }

    /**
     * @param list<string> $headers
     * @return array<string, mixed>
     */
    private function read(array $headers, string $body): array
    {
        $http = (int) (explode(' ', $headers[0])[1] ?? 0);
        $set = [];
        foreach ($headers as $header) {
            if (preg_match('/^Set-Cookie:\s*([^=;]+)=([^;]*)(.*)$/i', $header, $part)) {
                $set[$part[1]] = $part[2];
                $gone = $part[2] === '' || $part[2] === 'deleted' || preg_match('/max-age=0\b/i', $part[3]);
                if ($gone) {
                    unset($this->cookies[$part[1]]);
                } else {
                    $this->cookies[$part[1]] = $part[2];
                }
            }
        }
        $report = json_decode($body, true);
        if (!is_array($report)) {
            $text = trim(preg_replace('/\s+/', ' ', strip_tags($body)));
            $error = "HTTP $http: " . ($text === '' ? 'an empty page' : substr($text, 0, 300));
            return ['http' => $http, 'error' => $error, 'set_cookies' => $set];
        }
        $error = match ($http) {
            200 => '',
            503 => 'HTTP 503: session_start() failed',
            default => "HTTP $http",
        };
        return $report + ['http' => $http, 'error' => $error, 'set_cookies' => $set];
    }
}
