<?php
// Numbers in the documentation that the code knows, which scripts/check_docs compares: [page, pattern whose first group is
// the number, expression of numbers and <file>:<name>]. A space of the pattern is any white space. A file is a header or
// source of src/, whatever its folder. A name is a constant, without its unit of time, or a type whose size the file
// asserts. Who changes a number in the code changes the page with it; who takes a number out of a page takes its line out
// of here.
declare(strict_types=1);

const VECTOR = 'version_vector';
const LOCKS = 'lock_table';
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
    ['docs/configuration.md', '/^\| `(?:username|password)` .* at most (\d+) printable/m', 'ini:kCredentialMax'],
    ['docs/configuration.md', '/^\| `prefix` .* at most (\d+) printable/m', 'ini:kPrefixMax'],
    ['docs/configuration.md', '/^\| `local_memory` .* at least `(\d+)M`/m', 'local_store:kMemoryMin / 1048576'],
    ['docs/configuration.md', '/keeps its locks for up to (\d+) seconds/', 'cluster_lock:kLockLease'],
    ['docs/limits.md', '/nodes in one save_path \| (\d+) /', 'save_path:kNodesMax'],
    ['docs/limits.md', '/shared by all workers \| (\d+) per/', 'health_table:kSlots'],
    ['docs/limits.md', '/session ID \| (\d+) characters/', 'session_id:kSessionIdLengthMax'],
    ['docs/limits.md', '/More than (\d+) writers of one session/', VECTOR . ':kSlots'],

    // deployment.md and CHANGELOG.md
    ['CHANGELOG.md', '/Record format (\d+)\./', 'record:kFormat'],
    ['docs/deployment.md', '/\+ (\d+) bytes of history/', 'image:kFixedSize'],
    ['docs/deployment.md', '/history \+ (\d+) for a writer/', VECTOR . ':kSlotBytes'],
    ['docs/deployment.md', '/the session, a header of (\d+)/', 'record:kRecordHeaderSize'],

    // operations.md
    ['docs/operations.md', "/'capacity' => (\\d+)\\],\n  'flush'/", 'health_table:kSlots'],
    ['docs/operations.md', '/in use within the last (\d+) seconds/', 'health_table:kIdle'],
    ['docs/operations.md', '/one lock per 2 KB, from 512 to (\d+)/', LOCKS . ':kLockNodesMax'],
    ['docs/operations.md', '/At most (\d+) different combinations/', 'pool_table:kSlots'],
    ['docs/operations.md', '/(\d+) bytes of history/', 'image:kFixedSize'],
    ['docs/operations.md', '/(\d+) bytes for each server that wrote/', VECTOR . ':kSlotBytes'],
    ['docs/operations.md', '/a header of (\d+) bytes/', 'record:kRecordHeaderSize'],
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
    ['docs/protocol.md', '/for each of up to (\d+) actors/', VECTOR . ':kSlots'],
    ['docs/protocol.md', '/A vector has (\d+) slots/', VECTOR . ':kSlots'],
    ['docs/protocol.md', '/Bloom filter of (\d+) bits/', VECTOR . ':kDroppedBytes * 8'],
    ['docs/protocol.md', '/version vector: (\d+) slots/', VECTOR . ':kSlots'],
    ['docs/protocol.md', '/header size: (\d+)/', 'record:kRecordHeaderSize'],
    ['docs/protocol.md', '/^\| (\d+)\.\. \| payload; none/m', 'record:kRecordHeaderSize'],
    ['docs/protocol.md', '/^\| (\d+)\.\. \| these slots/m', 'image:kFixedSize'],
    ['docs/protocol.md', '/these slots, (\d+) bytes each/', VECTOR . ':kSlotBytes'],
    ['docs/protocol.md', '/entry takes (\d+) bytes and 8 for each writer/', 'entry_head:EntryHead + image:kFixedSize'],
    ['docs/protocol.md', '/price is (\d+) bytes more per record/', VECTOR . ':kBytes + ' . VECTOR . ':kDroppedBytes'],
    ['docs/protocol.md', '/record, and (\d+) per entry/', 'image:kFixedSize'],
    ['docs/protocol.md', '/node: (\d+) hexadecimal digits/', 'node_code:kNodeCodeLength'],
    ['docs/protocol.md', '/session ID is 1 to (\d+) of/', 'session_id:kSessionIdLengthMax'],

    ['docs/protocol.md', '/^\| lease \| (\d+) seconds/m', 'cluster_lock:kLockLease'],
    ['docs/protocol.md', '/An entry is a head of (\d+) bytes/', 'entry_head:EntryHead'],
    ['docs/protocol.md', '/tokens of (\d+) nodes/', 'entry:kEntryTokensMax'],
    ['docs/protocol.md', '/At most (\d+) attempts/', 'replicator:kAttemptsMax'],
    ['docs/protocol.md', '/after (\d+) seconds without work/', 'background_flusher:kIdle'],
    ['docs/protocol.md', '/entries, (\d+) at a time/', 'background_flusher:kStepEntries'],
    ['docs/protocol.md', '/looks every (\d+) ms whether/', 'background_flusher:kRetry'],
    ['docs/protocol.md', '/Its (\d+) slots are/', VECTOR . ':kSlots'],
    ['docs/protocol.md', '/up to (\d+) ms, each shortened/', 'cluster_lock:kPauseMax'],

    ['docs/protocol.md', '/format: (\d+) \|/', 'record:kFormat'],

    // security.md
    ['docs/security.md', '/(\d+) bytes of shared memory, the/', EMPTY_ENTRY . ' + 16 - (' . EMPTY_ENTRY . ') % 16'],
    ['docs/security.md', '/session ID is 1 to (\d+) of/', 'session_id:kSessionIdLengthMax'],
];
