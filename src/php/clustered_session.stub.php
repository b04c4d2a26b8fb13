<?php

/** @generate-class-entries */

/**
 * What this web server knows of its sessions and nodes: the state of each node of the current session.save_path,
 * counters since the server's start (all workers together), local memory and session locks. `error` is there only if
 * session.save_path cannot be used; counters, memory, flush, repair and locks are missing only if there is no shared memory.
 *
 * @return array{
 *   version: string,
 *   mode: string,
 *   server_id: string,
 *   instance: string,
 *   error?: string,
 *   nodes: array<string, array{address: string, code: string, weight: int, state: string, operations: int, failures: int, retry_in_ms: int, health: string, evicted: int, evictions?: int, used_bytes?: int, limit_bytes?: int}>,
 *   alone: bool,
 *   alone_for_ms: int,
 *   counters: array<string, int>,
 *   memory: array{bytes: int, payload_bytes: int, payload_used: int, entries: int, entries_max: int, unreplicated: int, busy_parts: int},
 *   node_table: array{used: int, capacity: int},
 *   flush: array{pending: bool, longest_lag_ms: float},
 *   warnings: list<array{time: int, times: int, text: string}>,
 *   repair: array{whole: bool, missing: array<string, array{copies: int, tombstones: int}>, repaired: array{copies: int, tombstones: int}, since: int},
 *   locks: array{held: int, waiting: int, capacity: int, longest_wait_ms: float}
 * }
 */
function clustered_session_status(): array {}

/**
 * The same for Prometheus: OpenMetrics text, to be served as `application/openmetrics-text; version=1.0.0;
 * charset=utf-8`. Asks no node. docs/monitoring.md has a page that serves it.
 */
function clustered_session_metrics(): string {}

/**
 * What each node of session.save_path holds of a session; its `content`, as session.serialize_handler made it, only
 * with `with_content`. Asks them, and changes nothing. By the names of the nodes that may hold it, the first ones first.
 * `holds` is `session`, `end` (it was destroyed), `moved` (it has another ID since a migration), `nothing`, or `unknown`,
 * with an `error`. Throws an Error if session.save_path cannot be used.
 *
 * @return array<string, array{should_hold: bool, holds: string, error?: string, version?: int, epoch?: int, owner?: string, lifetime?: int, bytes?: int, content?: string}>
 */
function clustered_session_inspect(string $id, bool $with_content = false): array {}

/**
 * How the nodes hold some of the sessions that this server has copies of; names none of them. From `cursor` on, which is
 * 0 or a `next`; about `limit` of them, 1 to 10000. With `ask_nodes` false no node is asked. Changes nothing. Throws an
 * Error if session.save_path cannot be used.
 *
 * @return array{
 *   next: int, sessions: int, ends: int, incomplete: int, lost: int,
 *   nodes: array<string, array{right: int, missing: int, past: int, later: int, unreadable: int, unknown: int}>,
 *   top: list<array{key: string, bytes: int, writes: int, takeovers: int, writers: int}>
 * }
 */
function clustered_session_examine(int $cursor = 0, int $limit = 1000, bool $ask_nodes = true): array {}

/**
 * A line for the file that clustered_session.key_file names: `name`, a space and 32 random bytes in base64. Nothing keeps
 * it.
 */
function clustered_session_new_key(string $name): string {}
