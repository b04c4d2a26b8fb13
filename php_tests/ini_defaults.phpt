--TEST--
The settings, their defaults and scopes
--FILE--
<?php
$scopes = [INI_SYSTEM => 'system', INI_PERDIR | INI_SYSTEM => 'perdir', INI_PERDIR => 'perdir', INI_ALL => 'all'];
foreach (ini_get_all('clustered_session') as $name => $setting) {
  echo "$name = ", json_encode($setting['global_value']), ' ', $scopes[$setting['access']] ?? $setting['access'], "\n";
}
?>
--EXPECT--
clustered_session.affinity = "cookie" perdir
clustered_session.authentication = "text" perdir
clustered_session.behind_max = "10000" perdir
clustered_session.cipher = "auto" perdir
clustered_session.compression_level = "0" perdir
clustered_session.compression_threshold = "2K" perdir
clustered_session.connect_timeout = "100ms" perdir
clustered_session.copies = "2" perdir
clustered_session.encryption = "require" perdir
clustered_session.flush_timeout = "5s" system
clustered_session.key_file = "" perdir
clustered_session.local_memory = "64M" system
clustered_session.local_trust = "10s" all
clustered_session.lock = "local" all
clustered_session.lock_wait = "30s" all
clustered_session.lock_waiters_max = "32" all
clustered_session.migrate_from = "" perdir
clustered_session.migrate_id = "same" perdir
clustered_session.migrate_shared = "off" perdir
clustered_session.migrate_to = "" perdir
clustered_session.news_interval = "500ms" system
clustered_session.on_conflict = "merge" all
clustered_session.operation_timeout = "250ms" perdir
clustered_session.password = "" perdir
clustered_session.prefix = "cs:" perdir
clustered_session.repair_listing = "1" system
clustered_session.repair_rate = "2000" system
clustered_session.retry_interval = "2s" perdir
clustered_session.server_id = "" system
clustered_session.signed_ids = "make" perdir
clustered_session.takeover_grace = "60s" all
clustered_session.tls_ca_file = "" perdir
clustered_session.tls_certificate = "" perdir
clustered_session.tls_key = "" perdir
clustered_session.tls_server_name = "" perdir
clustered_session.tls_verify = "full" perdir
clustered_session.username = "" perdir
clustered_session.write = "through" all
