<?php
// Development only: lets the harness run with session.save_handler=files, by setting the affinity cookie it routes by.
if (!str_starts_with($_COOKIE['PHPSESSID_AT'] ?? '', get_cfg_var('clustered_session.server_id') . '.')) {
    setcookie('PHPSESSID_AT', get_cfg_var('clustered_session.server_id') . '.1', ['path' => '/']);
}
