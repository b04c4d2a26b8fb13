<?php
// Numbers in the documentation that the code knows. scripts/check_docs compares them: [page, pattern with the number in
// its first group, expression of numbers and <file>:<name>]. A file is a header or source of src/, whatever its folder. A
// name is a constant, without its unit of time, or a type whose size the file asserts. A number that changes in the code has to change on the page, and a sentence that loses its
// number has to leave this list.
declare(strict_types=1);

const VECTOR = 'version_vector';
const LOCKS = 'lock_table';

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
    ['docs/limits.md', '/nodes in one save_path \| (\d+) /', 'save_path:kNodesMax'],
    ['docs/limits.md', '/shared by all workers \| (\d+) per/', 'health_table:kSlots'],
    ['docs/limits.md', '/session ID \| (\d+) characters/', 'session_id:kSessionIdLengthMax'],
    ['docs/limits.md', '/More than (\d+) writers of one session/', VECTOR . ':kSlots'],

    // deployment.md
    ['docs/deployment.md', '/\+ (\d+) bytes of history/', 'image:kFixedSize'],
    ['docs/deployment.md', '/history \+ (\d+) for a writer/', VECTOR . ':kSlotBytes'],
    ['docs/deployment.md', '/the session, a header of (\d+)/', 'record:kRecordHeaderSize'],

    // operations.md
    ['docs/operations.md', "/'capacity' => (\\d+)\\],\n  'flush'/", 'health_table:kSlots'],
    ['docs/operations.md', '/in use within the last (\d+) seconds/', 'health_table:kIdle'],
    ['docs/operations.md', '/one lock per 2 KB, from 512 to (\d+)/', LOCKS . ':kLockNodesMax'],
    ['docs/operations.md', '/at most (\d+) different combinations/', 'pool_table:kSlots'],
    ['docs/operations.md', '/(\d+) bytes of history/', 'image:kFixedSize'],
    ['docs/operations.md', '/(\d+) bytes for each server that wrote/', VECTOR . ':kSlotBytes'],
    ['docs/operations.md', '/a header of (\d+) bytes/', 'record:kRecordHeaderSize'],
    ['docs/operations.md', '/rounding to (\d+) bytes/', 'arena:kUnitBytes'],
    ['docs/operations.md', '/and (\d+) ms for an answer that is\s+being read/', 'classic_node:kClassicAllowance'],
    ['docs/operations.md', '/of more than (\d+) KB/', 'node_item:kAskSizeMaxBefore / 1024'],
    ['docs/operations.md', '/at most (\d+) of them`/', 'session_id:kSessionIdLengthMax'],

    // protocol.md
    ['docs/protocol.md', '/for each of up to (\d+) actors/', VECTOR . ':kSlots'],
    ['docs/protocol.md', '/A vector has (\d+) slots/', VECTOR . ':kSlots'],
    ['docs/protocol.md', '/Bloom\s+filter\s+of\s+(\d+)\s+bits/', VECTOR . ':kDroppedBytes * 8'],
    ['docs/protocol.md', '/version vector: (\d+) slots/', VECTOR . ':kSlots'],
    ['docs/protocol.md', '/header size: (\d+)/', 'record:kRecordHeaderSize'],
    ['docs/protocol.md', '/^\| (\d+)\.\. \| payload; none/m', 'record:kRecordHeaderSize'],
    ['docs/protocol.md', '/^\| (\d+)\.\. \| these slots/m', 'image:kFixedSize'],
    ['docs/protocol.md', '/these slots, (\d+) bytes each/', VECTOR . ':kSlotBytes'],
    ['docs/protocol.md', '/entry takes (\d+) bytes and 8 for each writer/', 'entry_head:EntryHead + image:kFixedSize'],
    ['docs/protocol.md', '/price is (\d+) bytes more per\s+record/', VECTOR . ':kBytes + ' . VECTOR . ':kDroppedBytes'],
    ['docs/protocol.md', '/record,\s+and\s+(\d+)\s+per\s+entry/', 'image:kFixedSize'],
    ['docs/protocol.md', '/node: (\d+) hexadecimal digits/', 'node_code:kNodeCodeLength'],
    ['docs/protocol.md', '/session ID is 1 to (\d+) of/', 'session_id:kSessionIdLengthMax'],

    // security.md
    ['docs/security.md', '/session ID is 1 to (\d+) of/', 'session_id:kSessionIdLengthMax'],
];
