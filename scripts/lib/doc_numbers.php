<?php
// Numbers in the documentation that the code knows, which scripts/check_docs compares: [page, pattern whose first group is
// the number, expression of numbers and <file>:<name>]. A space of the pattern is any white space. A file is a header or
// source of src/, whatever its folder. A name is a constant, without its unit of time, or a type whose size the file
// asserts. Who changes a number in the code changes the page with it; who takes a number out of a page takes its line out
// of here.
declare(strict_types=1);

const CONTEXT = 'causal_context';
const LOCKS = 'lock_table';
const LIVES = 'life_set';
const EMPTY_ENTRY = 'entry_head:EntryHead + payload:kHeaderBytes + image:kFixedSize';

const DOC_NUMBERS = [
    // configuration.md and limits.md
    ['docs/configuration.md', '/comma-separated list of up to (\d+) nodes/', 'save_path:kNodesMax'],
    ['docs/configuration.md', '/\*\*name\*\*: 1 to (\d+) of/', 'save_path:kNodeNameLengthMax'],
    ['docs/configuration.md', '/gets one of (\d+) characters/', 'save_path:kDerivedNameLength'],
    ['docs/configuration.md', '/\*\*port\*\*: (\d+) if absent/', 'save_path:kDefaultPort'],
    ['docs/configuration.md', '/\*\*weight\*\*: 1 to (\d+)/', 'save_path:kWeightMax'],
    ['docs/configuration.md', '/^\| `copies` \| `2` \| 1 to (\d+) /m', 'save_path:kNodesMax'],
    ['docs/configuration.md', '/^\| `server_id` \| \*empty\* \| 1 to (\d+) /m', 'session_id:kServerIdLengthMax'],
    ['docs/configuration.md', '/^\| `(?:username|password)` .* at most (\d+) printable/m', 'setting_parsers:kCredentialMax'],
    ['docs/configuration.md', '/^\| `prefix` .* at most (\d+) printable/m', 'setting_parsers:kPrefixMax'],
    ['docs/configuration.md', '/^\| `local_memory` .* at least `(\d+)M`/m', 'local_store:kMemoryMin / 1048576'],
    ['docs/configuration.md', '/keeps its locks for up to (\d+) seconds/', 'cluster_lock:kLockLease'],
    ['docs/limits.md', '/nodes in one save_path \| (\d+) /', 'save_path:kNodesMax'],
    ['docs/limits.md', '/shared by all workers \| (\d+) per/', 'health_table:kSlots'],
    ['docs/limits.md', '/session ID \| (\d+) characters/', 'session_id:kSessionIdLengthMax'],
    ['docs/limits.md', '/has room for (\d+) writers/', CONTEXT . ':kIntervalsMax'],

    // faq.md
    ['docs/faq.md', '/`takeover_grace` \((\d+) seconds\)/', 'context:takeover_grace'],
    ['docs/faq.md', '/`flush_timeout` \((\d+) seconds\)/', 'context:flush_timeout'],
    ['docs/faq.md', '/save_path has up to (\d+) nodes/', 'save_path:kNodesMax'],
    ['docs/faq.md', '/With `copies = (\d)`, the default/', 'context:copies'],

    // deployment.md and CHANGELOG.md
    ['CHANGELOG.md', '/Record format (\d+)\./', 'record:kFormat'],
    ['CHANGELOG.md', '/is written for up to (\d+) sessions at once/', 'node:kBatchPartsMax'],
    ['docs/deployment.md', '/\+ (\d+) bytes of history/', 'image:kFixedSize'],
    ['docs/deployment.md', '/history \+ (\d+) for a life and a writer/', LIVES . ':kLifeBytes + ' . CONTEXT . ':kIntervalBytes'],
    ['docs/deployment.md', '/the session, a header of (\d+)/', 'record:kRecordHeaderMin'],
    ['docs/deployment.md', '/further server that wrote the session adds (\d+)/', CONTEXT . ':kIntervalBytes'],
    ['docs/deployment.md', '/mark of (\d+) bytes/', 'record:kTombstoneSizeMin'],

    // operations.md
    ['docs/operations.md', "/'capacity' => (\\d+)\\],\n  'flush'/", 'health_table:kSlots'],
    ['docs/operations.md', '/in use within the last (\d+) seconds/', 'health_table:kIdle'],
    ['docs/operations.md', '/one lock per 2 KB, from 512 to (\d+)/', LOCKS . ':kLockNodesMax'],
    ['docs/operations.md', '/At most (\d+) different combinations/', 'pool_table:kSlots'],
    ['docs/operations.md', '/(\d+) bytes of history/', 'image:kFixedSize'],
    ['docs/operations.md', '/bytes of history, (\d+) bytes for each life/', LIVES . ':kLifeBytes'],
    ['docs/operations.md', '/(\d+) bytes for each server that wrote/', CONTEXT . ':kIntervalBytes'],
    ['docs/operations.md', '/a header of (\d+) bytes/', 'record:kRecordHeaderMin'],
    ['docs/operations.md', '/header of \d+ bytes \((\d+) at most\)/', 'record:kRecordHeaderMax'],
    ['docs/operations.md', '/rounding to (\d+) bytes/', 'arena:kUnitBytes'],
    ['docs/nodes.md', '/and (\d+) ms for an answer that is being read/', 'classic_node:kClassicAllowance'],
    ['docs/nodes.md', '/of more than (\d+) KB/', 'node_item:kAskSizeMaxBefore / 1024'],
    ['docs/operations.md', '/(?:lock ends within|longer than) (\d+) seconds/', 'cluster_lock:kLockLease'],
    ['docs/operations.md', '/Of each entry (\d+) bytes are metadata/', 'entry_head:EntryHead'],
    ['docs/operations.md', '/must be 1 to (\d+) of A-Z, a-z, 0-9, "-" and/', 'session_id:kSessionIdLengthMax'],
    ['docs/operations.md', '/(\d+) sessions in a row were taken over/', 'setup_watch:kTakeovers'],
    ['docs/operations.md', '/(\d+) sessions in a row of other servers/', 'setup_watch:kUnknown'],
    ['docs/operations.md', '/compare their lists every (\d+) minutes/', 'setup_watch:kCheckInterval'],
    ['docs/operations.md', '/up to (\d+) lines wait for the next one/', 'event_log:kLines'],

    // protocol.md
    ['docs/protocol.md', '/unreplicated entries, (\d+) at a time/', 'node:kBatchPartsMax'],
    ['docs/protocol.md', '/goes out first of up to (\d+) sessions/', 'node:kBatchPartsMax'],
    ['docs/protocol.md', '/sessions, or (\d+) KB of them, is sent/', 'flush_path:kBytesMax / 1024'],
    ['docs/protocol.md', '/\*\*Up to (\d+) sessions are asked for/', 'repair_batch:kEntriesMax'],
    ['docs/protocol.md', '/\*\*Up to (\d+) sessions at a time/', 'refill_batch:kKeysMax'],
    ['docs/protocol.md', '/as up to (\d+) intervals/', CONTEXT . ':kIntervalsMax'],
    ['docs/protocol.md', '/context has (\d+) intervals/', CONTEXT . ':kIntervalsMax'],
    ['docs/protocol.md', '/from a context \((\d+) intervals\)/', CONTEXT . ':kIntervalsMax'],
    ['docs/protocol.md', '/of (\d+) bytes each, at most \d+: actor/', CONTEXT . ':kIntervalBytes'],
    ['docs/protocol.md', '/bytes each, at most (\d+): actor/', CONTEXT . ':kIntervalsMax'],
    ['docs/protocol.md', '/and intervals, (\d+) bytes each, as in/', CONTEXT . ':kIntervalBytes'],
    ['docs/protocol.md', '/for each life, (\d+) for each interval/', CONTEXT . ':kIntervalBytes'],
    ['docs/protocol.md', '/and (\d+) for each interval\./', CONTEXT . ':kIntervalBytes'],
    ['docs/protocol.md', '/destroyed before, up to (\d+)/', LIVES . ':kMax'],
    ['docs/protocol.md', '/more than (\d+) times, a record of the oldest lives/', LIVES . ':kMax'],
    ['docs/protocol.md', '/lives, \d+ bytes each, (?:at least one, )?at most (\d+)/', LIVES . ':kMax'],
    ['docs/protocol.md', '/lives, (\d+) bytes each/', LIVES . ':kLifeBytes'],
    ['docs/protocol.md', '/bytes beside the payload, (\d+) for each life/', LIVES . ':kLifeBytes'],
    ['docs/protocol.md', '/^\| 4 \| format: (\d+)/m', 'record:kFormat'],
    ['docs/protocol.md', '/^\| (\d+)\.\. \| lives, /m', 'record:kSessionFixedSize'],
    ['docs/protocol.md', '/^\| (\d+)\.\. \| ended lives/m', 'record:kTombstoneFixedSize'],
    ['docs/protocol.md', '/header of a session takes (\d+) bytes/', 'record:kRecordHeaderMin'],
    ['docs/protocol.md', '/wrote it, and (\d+) more for each further/', CONTEXT . ':kIntervalBytes'],
    ['docs/protocol.md', '/further interval, up to (\d+)\./', 'record:kRecordHeaderMax'],
    ['docs/protocol.md', '/tombstone takes (\d+) bytes if it names one/', 'record:kTombstoneSizeMin'],
    ['docs/protocol.md', '/^\| (\d+)\.\. \| lives and ended lives/m', 'image:kFixedSize'],
    ['docs/protocol.md', '/entry takes (\d+) bytes beside/', 'entry_head:EntryHead + image:kFixedSize'],
    ['docs/protocol.md', '/first life under an ID has the name (\d+)/', 'succession:kFirstLife'],
    ['docs/protocol.md', '/node: (\d+) hexadecimal digits/', 'node_code:kNodeCodeLength'],
    ['docs/protocol.md', '/session ID is 1 to (\d+) of/', 'session_id:kSessionIdLengthMax'],

    ['docs/protocol.md', '/^\| lease \| (\d+) seconds/m', 'cluster_lock:kLockLease'],
    ['docs/protocol.md', '/An entry is a head of (\d+) bytes/', 'entry_head:EntryHead'],
    ['docs/protocol.md', '/tokens of (\d+) nodes/', 'entry:kEntryTokensMax'],
    ['docs/protocol.md', '/At most (\d+) attempts/', 'replicator:kAttemptsMax'],
    ['docs/protocol.md', '/after (\d+) seconds without work/', 'background_flusher:kIdle'],
    ['docs/protocol.md', '/looks every (\d+) ms whether/', 'background_flusher:kRetry'],
    ['docs/protocol.md', '/up to (\d+) ms, each shortened/', 'cluster_lock:kPauseMax'],

    // security.md
    ['docs/security.md', '/(\d+) bytes of shared memory, the/', EMPTY_ENTRY . ' + 16 - (' . EMPTY_ENTRY . ') % 16'],
    ['docs/security.md', '/session ID is 1 to (\d+) of/', 'session_id:kSessionIdLengthMax'],
];
