<?php
// Numbers in the documentation that the code knows. scripts/check_docs compares them: [page, pattern with the number in
// its first group, expression of numbers and src/<file>:<name>]. A name is a constant, without its unit of time, or a type
// whose size the file asserts. A number that changes in the code has to change on the page, and a sentence that loses its
// number has to leave this list.
declare(strict_types=1);

const VECTOR = 'src/record/version_vector.h';
const LOCKS = 'src/local/lock_table.h';

const DOC_NUMBERS = [
    // configuration.md and limits.md
    ['docs/configuration.md', '/comma-separated list of up to (\d+) nodes/', 'src/base/save_path.h:kNodesMax'],
    ['docs/configuration.md', '/\*\*name\*\*: 1 to (\d+) of/', 'src/base/save_path.h:kNodeNameLengthMax'],
    ['docs/configuration.md', '/gets one of (\d+) characters/', 'src/base/save_path.cc:kDerivedNameLength'],
    ['docs/configuration.md', '/\*\*port\*\*: (\d+) if absent/', 'src/base/save_path.h:kDefaultPort'],
    ['docs/configuration.md', '/\*\*weight\*\*: 1 to (\d+)/', 'src/base/save_path.h:kWeightMax'],
    ['docs/configuration.md', '/^\| `copies` \| `2` \| 1 to (\d+) /m', 'src/base/save_path.h:kNodesMax'],
    ['docs/configuration.md', '/^\| `server_id` \| \*empty\* \| 1 to (\d+) /m', 'src/base/session_id.h:kServerIdLengthMax'],
    ['docs/configuration.md', '/^\| `(?:username|password)` .* at most (\d+) printable/m', 'src/php/ini.cc:kCredentialMax'],
    ['docs/configuration.md', '/^\| `prefix` .* at most (\d+) printable/m', 'src/php/ini.cc:kPrefixMax'],
    ['docs/configuration.md', '/^\| `local_memory` .* at least `(\d+)M`/m', 'src/local/local_store.h:kMemoryMin / 1048576'],
    ['docs/limits.md', '/nodes in one save_path \| (\d+) /', 'src/base/save_path.h:kNodesMax'],
    ['docs/limits.md', '/shared by all workers \| (\d+) per/', 'src/cluster/health_table.h:kSlots'],
    ['docs/limits.md', '/session ID \| (\d+) characters/', 'src/base/session_id.h:kSessionIdLengthMax'],
    ['docs/limits.md', '/More than (\d+) writers of one session/', VECTOR . ':kSlots'],

    // deployment.md
    ['docs/deployment.md', '/\+ (\d+) bytes of history/', 'src/session/image.h:kFixedSize'],
    ['docs/deployment.md', '/history \+ (\d+) for a writer/', VECTOR . ':kSlotBytes'],
    ['docs/deployment.md', '/the session, a header of (\d+)/', 'src/record/record.h:kRecordHeaderSize'],

    // operations.md
    ['docs/operations.md', "/'capacity' => (\\d+)\\],\n  'flush'/", 'src/cluster/health_table.h:kSlots'],
    ['docs/operations.md', '/in use within the last (\d+) seconds/', 'src/cluster/health_table.h:kIdle'],
    ['docs/operations.md', '/one lock per 2 KB, from 512 to (\d+)/', LOCKS . ':kLockNodesMax'],
    ['docs/operations.md', '/at most (\d+) different combinations/', 'src/session/pool_table.h:kSlots'],
    ['docs/operations.md', '/(\d+) bytes of history/', 'src/session/image.h:kFixedSize'],
    ['docs/operations.md', '/(\d+) bytes for each server that wrote/', VECTOR . ':kSlotBytes'],
    ['docs/operations.md', '/a header of (\d+) bytes/', 'src/record/record.h:kRecordHeaderSize'],
    ['docs/operations.md', '/rounding to (\d+) bytes/', 'src/local/arena.h:kUnitBytes'],
    ['docs/operations.md', '/and (\d+) ms for an answer that is\s+being read/', 'src/cluster/classic_node.h:kClassicAllowance'],
    ['docs/operations.md', '/of more than (\d+) KB/', 'src/cluster/node_item.h:kAskSizeMaxBefore / 1024'],
    ['docs/operations.md', '/at most (\d+) of them`/', 'src/base/session_id.h:kSessionIdLengthMax'],

    // protocol.md
    ['docs/protocol.md', '/for each of up to (\d+) actors/', VECTOR . ':kSlots'],
    ['docs/protocol.md', '/A vector has (\d+) slots/', VECTOR . ':kSlots'],
    ['docs/protocol.md', '/Bloom\s+filter\s+of\s+(\d+)\s+bits/', VECTOR . ':kDroppedBytes * 8'],
    ['docs/protocol.md', '/version vector: (\d+) slots/', VECTOR . ':kSlots'],
    ['docs/protocol.md', '/header size: (\d+)/', 'src/record/record.h:kRecordHeaderSize'],
    ['docs/protocol.md', '/^\| (\d+)\.\. \| payload; none/m', 'src/record/record.h:kRecordHeaderSize'],
    ['docs/protocol.md', '/^\| (\d+)\.\. \| these slots/m', 'src/session/image.h:kFixedSize'],
    ['docs/protocol.md', '/these slots, (\d+) bytes each/', VECTOR . ':kSlotBytes'],
    ['docs/protocol.md', '/entry takes (\d+) bytes and 8 for each writer/', 'src/local/entry_head.h:EntryHead + src/session/image.h:kFixedSize'],
    ['docs/protocol.md', '/price is (\d+) bytes more per\s+record/', VECTOR . ':kBytes + ' . VECTOR . ':kDroppedBytes'],
    ['docs/protocol.md', '/record,\s+and\s+(\d+)\s+per\s+entry/', 'src/session/image.h:kFixedSize'],
    ['docs/protocol.md', '/node: (\d+) hexadecimal digits/', 'src/cluster/node_code.h:kNodeCodeLength'],
    ['docs/protocol.md', '/session ID is 1 to (\d+) of/', 'src/base/session_id.h:kSessionIdLengthMax'],

    // security.md
    ['docs/security.md', '/session ID is 1 to (\d+) of/', 'src/base/session_id.h:kSessionIdLengthMax'],
];
