<?php
// Five session payloads as PHP serializes them, with the structure that these applications give their sessions. Names of
// classes and keys are theirs; values are made up, the same in each run. What is random on a site, such as tokens and
// password hashes, is random here, or it would be compressed too well.
//   require 'bench/payloads.php'; payloads() gives the texts by name, of one visitor or of another one.

final class Payloads {
  private int $drawn = 0;

  function __construct(private readonly int $visitor) {}

  private function below(int $bound): int {
    return hexdec(substr(hash('sha256', "$this->visitor " . $this->drawn++), 0, 12)) % $bound;
  }
  private function from(string $letters, int $size): string {
    for ($text = ''; strlen($text) < $size;) $text .= $letters[$this->below(strlen($letters))];
    return $text;
  }
  private function hex(int $size): string {
    return $this->from('0123456789abcdef', $size);
  }
  private function token(int $size): string {
    return $this->from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', $size);
  }
  private function passwordHash(): string {
    return '$2y$13$' . $this->from('./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', 53);
  }
  private function pick(array $from): string {
    return $from[$this->below(count($from))];
  }
  private function words(int $count): string {
    $words = ['garden', 'table', 'oak', 'large', 'set', 'blue', 'with', 'lamp', 'steel', 'kitchen', 'outdoor', 'soft',
      'chair', 'white', 'storage', 'box', 'cover', 'light', 'round', 'and', 'glass', 'wall', 'shelf', 'grey'];
    for ($text = []; count($text) < $count;) $text[] = $this->pick($words);
    return ucfirst(implode(' ', $text));
  }
  private function time(): int {
    return 1796040000 + $this->below(90000);
  }

  // An object with private (P), protected (*) and public properties, whose class need not exist.
  private static function object(string $class, array $properties): string {
    $text = '';
    foreach ($properties as $name => $value) {
      $name = match (true) {
        is_string($name) && str_starts_with($name, 'P:') => "\0$class\0" . substr($name, 2),
        is_string($name) && str_starts_with($name, '*:') => "\0*\0" . substr($name, 2),
        default => $name,
      };
      $text .= serialize($name) . ($value instanceof Raw ? $value->text : serialize($value));
    }
    return 'O:' . strlen($class) . ":\"$class\":" . count($properties) . ":{{$text}}";
  }
  // serialize() of an array with objects in it.
  private static function map(array $values): string {
    $text = '';
    foreach ($values as $key => $value) $text .= serialize($key) . ($value instanceof Raw ? $value->text : serialize($value));
    return 'a:' . count($values) . ":{{$text}}";
  }
  // With session.serialize_handler = php.
  private static function session(array $values): string {
    $text = '';
    foreach ($values as $key => $value) $text .= "$key|" . ($value instanceof Raw ? $value->text : serialize($value));
    return $text;
  }

  // A logged-in user with forms: attributes, the security token, CSRF tokens, flash messages and the meta bag.
  function symfony(): string {
    $user = self::object('App\Entity\User', ['P:id' => 48213, 'P:email' => 'ada.example@mail.example.org',
      'P:roles' => ['ROLE_USER', 'ROLE_EDITOR'], 'P:password' => $this->passwordHash(), 'P:fullName' => 'Ada Example',
      'P:locale' => 'de', 'P:isVerified' => true,
      'P:createdAt' => new Raw(self::object('DateTimeImmutable', ['date' => '2026-03-17 09:21:44.000000', 'timezone_type' => 3, 'timezone' => 'Europe/Berlin']))]);
    $class = 'Symfony\Component\Security\Http\Authenticator\Token\PostAuthenticationToken';
    $roles = self::map([0 => 'ROLE_USER', 1 => 'ROLE_EDITOR']);
    $parent = self::map([0 => new Raw($user), 1 => true, 2 => null, 3 => [], 4 => new Raw($roles)]);
    $token = self::object($class, [0 => 'main', 1 => new Raw($parent)]);
    $attributes = ['_security.last_username' => 'ada.example@mail.example.org',
      '_security.main.target_path' => 'https://www.example.org/de/admin/post/', '_security_main' => $token];
    foreach (['authenticate', 'post', 'comment', 'delete', 'profile', 'newsletter', 'search'] as $form) {
      $attributes["_csrf/https-$form"] = $this->from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-', 43);
    }
    $attributes['filters'] = ['post' => ['page' => 3, 'limit' => 20, 'sort' => 'p.publishedAt', 'direction' => 'desc',
      'tags' => ['symfony', 'php', 'sessions'], 'author' => null, 'from' => '2026-01-01', 'to' => '2026-11-30']];
    return self::session(['_sf2_attributes' => $attributes,
      '_symfony_flashes' => ['success' => ['post.updated_successfully']],
      '_sf2_meta' => ['u' => $this->time(), 'c' => $this->time(), 'l' => 0]]);
  }

  // A shop's user in Laravel's session store, which serializes one array: token, flash data, old input, errors, a cart.
  function laravel(): string {
    $items = [];
    for ($i = 0; $i < 6; ++$i) {
      $id = $this->hex(32);
      $item = self::object('Gloudemans\Shoppingcart\CartItem', ['rowId' => $id, 'id' => 1000 + $this->below(9000), 'qty' => 1 + $this->below(4),
        'name' => $this->words(4), 'price' => (1 + $this->below(20000)) / 100, 'weight' => 0.0,
        'options' => new Raw(self::object('Gloudemans\Shoppingcart\CartItemOptions', ['*:items' => ['size' => $this->pick(['S', 'M', 'L', 'XL']), 'color' => $this->pick(['blue', 'white', 'grey'])], '*:escapeWhenCastingToString' => false])),
        'P:associatedModel' => 'App\Models\Product', 'P:taxRate' => 19, 'P:isSaved' => false]);
      $items[$id] = new Raw($item);
    }
    $collection = fn(array $of) => new Raw(self::object('Illuminate\Support\Collection', ['*:items' => new Raw(self::map($of)), '*:escapeWhenCastingToString' => false]));
    $bag = self::object('Illuminate\Support\MessageBag', ['*:messages' => ['email' => ['The email field must be a valid email address.'],
      'postcode' => ['The postcode field is required.']], '*:format' => ':message']);
    $errors = self::object('Illuminate\Support\ViewErrorBag', ['*:bags' => new Raw(self::map(['default' => new Raw($bag)]))]);
    return self::map(['_token' => $this->token(40), '_previous' => ['url' => 'https://shop.example.org/checkout/address?step=2'],
      '_flash' => ['old' => ['_old_input', 'errors'], 'new' => []], 'url' => ['intended' => 'https://shop.example.org/account/orders'],
      'login_web_59ba36addc2b2f9401580f014c7f58ea4e30989d' => 48213, 'password_hash_web' => $this->passwordHash(),
      'auth.password_confirmed_at' => $this->time(),
      '_old_input' => ['_token' => $this->token(40), 'first_name' => 'Ada', 'last_name' => 'Example', 'email' => 'ada.example@', 'street' => 'Long Road 7', 'city' => 'Berlin', 'postcode' => '', 'country' => 'DE'],
      'errors' => new Raw($errors), 'cart' => new Raw(self::map(['default' => $collection($items)]))]);
  }

  // A customer of a Magento shop: its session namespaces, messages, addresses, and what was seen and compared.
  function magento(): string {
    $address = fn() => ['entity_id' => (string) (10000 + $this->below(90000)), 'increment_id' => null, 'parent_id' => '48213', 'created_at' => '2026-03-17 09:21:44',
      'updated_at' => '2026-11-29 18:02:11', 'is_active' => '1', 'city' => $this->pick(['Berlin', 'Hamburg', 'Leipzig']), 'company' => null, 'country_id' => 'DE', 'fax' => null,
      'firstname' => 'Ada', 'lastname' => 'Example', 'middlename' => null, 'postcode' => (string) (10000 + $this->below(89999)), 'prefix' => null, 'region' => 'Berlin', 'region_id' => '82',
      'street' => "Long Road {$this->below(200)}", 'suffix' => null, 'telephone' => '030' . $this->from('0123456789', 7), 'vat_id' => null, 'vat_is_valid' => null];
    $products = [];
    for ($i = 0; $i < 40; ++$i) {
      $products[] = ['product_id' => (string) (1000 + $this->below(9000)), 'sku' => strtoupper($this->hex(4)) . "-{$this->below(999)}", 'name' => $this->words(5),
        'url_key' => str_replace(' ', '-', strtolower($this->words(4))), 'price' => sprintf('%d.%04d', $this->below(400), $this->below(10000)), 'added_at' => $this->time(), 'store_id' => 1];
    }
    $validator = ['remote_addr' => '203.0.113.' . $this->below(255), 'http_via' => '', 'http_x_forwarded_for' => '',
      'http_user_agent' => 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36'];
    $steps = [];
    foreach (['login', 'billing', 'shipping', 'shipping_method', 'payment', 'review'] as $step) $steps[$step] = ['label' => ucfirst($step), 'is_show' => true, 'allow' => true, 'complete' => true];
    return self::session(['_session_validator_data' => $validator, '_session_hosts' => ['www.example.org' => true],
      'default' => ['visitor_data' => ['visitor_id' => '918273', 'session_id' => $this->hex(26), 'customer_id' => '48213', 'last_visit_at' => '2026-11-30 20:11:01', 'do_customer_login' => true],
        '_form_key' => $this->token(16), 'messages' => null, 'locale' => 'de_DE', 'currency_code' => 'EUR'],
      'adminhtml' => [], 'customer_base' => ['customer_id' => '48213', 'customer_group_id' => '1', 'no_referer' => true, 'before_auth_url' => 'https://www.example.org/customer/account/',
        'customer_data' => ['email' => 'ada.example@mail.example.org', 'group_id' => '1', 'rp_token' => $this->hex(32), 'addresses' => [$address(), $address(), $address()]], 'default_tax_billing_address' => ['country_id' => 'DE', 'region_id' => '82', 'postcode' => '10115']],
      'checkout' => ['quote_id_1' => '771204', 'cart_was_updated' => false, 'checkout_state' => 'begin', 'steps' => $steps, 'last_added_product_id' => '2046', 'no_cart_redirect' => true],
      'catalog' => ['last_viewed_category_id' => '24', 'last_viewed_product_id' => '2046', 'limit_page' => '36', 'sort_order' => 'price', 'display_mode' => 'grid', 'before_compare_url' => 'https://www.example.org/garden/chairs.html', 'recently_viewed' => $products],
      'message' => ['messages' => []], 'review' => ['form_data' => null], 'wishlist' => ['item_count' => 7, 'before_wishlist_url' => 'https://www.example.org/garden.html']]);
  }

  // An administrator of two servers in phpMyAdmin: caches of privileges, recent tables, history of queries, preferences.
  function phpmyadmin(): string {
    $tables = [];
    for ($i = 0; $i < 30; ++$i) $tables[] = ['db' => $this->pick(['shop', 'shop_archive', 'crm', 'mysql']), 'table' => $this->pick(['order', 'order_item', 'customer', 'address', 'product', 'stock', 'session']) . '_' . $this->below(20)];
    $history = [];
    for ($i = 0; $i < 25; ++$i) {
      $table = $tables[$this->below(30)];
      $history[] = ['db' => $table['db'], 'table' => $table['table'], 'sqlquery' => "SELECT `id`, `created_at`, `status`, `total` FROM `{$table['table']}` WHERE `customer_id` = {$this->below(99999)} AND `status` = '{$this->pick(['paid', 'open', 'sent'])}' ORDER BY `created_at` DESC LIMIT 0, 25"];
    }
    $queries = [];
    for ($i = 0; $i < 12; ++$i) $queries[$this->hex(32)] = ['sql' => $history[$this->below(25)]['sqlquery'], 'repeat_cells' => 100, 'max_rows' => 25, 'pos' => 0, 'pftext' => 'P', 'relational_display' => 'K', 'geoOption' => 'GEOM', 'display_binary' => true];
    $relation = ['version' => '5.2.1', 'relwork' => true, 'displaywork' => true, 'bookmarkwork' => true, 'pdfwork' => true, 'commwork' => true, 'mimework' => true, 'historywork' => true, 'recentwork' => true, 'favoritework' => true,
      'uiprefswork' => true, 'trackingwork' => true, 'userconfigwork' => true, 'menuswork' => true, 'navwork' => true, 'savedsearcheswork' => true, 'centralcolumnswork' => true, 'designersettingswork' => true, 'exporttemplateswork' => true,
      'allworks' => true, 'user' => 'pma', 'db' => 'phpmyadmin', 'bookmark' => 'pma__bookmark', 'central_columns' => 'pma__central_columns', 'column_info' => 'pma__column_info', 'history' => 'pma__history', 'recent' => 'pma__recent', 'favorite' => 'pma__favorite',
      'table_uiprefs' => 'pma__table_uiprefs', 'relation' => 'pma__relation', 'table_coords' => 'pma__table_coords', 'table_info' => 'pma__table_info', 'tracking' => 'pma__tracking', 'userconfig' => 'pma__userconfig', 'users' => 'pma__users', 'usergroups' => 'pma__usergroups'];
    $server = ['is_superuser' => true, 'is_createuser' => true, 'is_grantuser' => true, 'priv_check' => true, 'mysql_cur_user' => 'root@localhost', 'dbs_to_test' => false, 'proc_priv' => true, 'table_priv' => true, 'col_priv' => true, 'db_priv' => true,
      'binary_logs' => [], 'menu-levels-server' => ['databases', 'sql', 'status', 'rights', 'export', 'import', 'settings', 'binlog', 'replication', 'vars', 'charset', 'plugins', 'engine'],
      'menu-levels-db' => ['structure', 'sql', 'search', 'query', 'export', 'import', 'operation', 'privileges', 'routines', 'events', 'triggers', 'tracking', 'designer', 'central_columns'], 'config_mtime' => $this->time(), 'userprefs_mtime' => $this->time(),
      'userprefs' => ['Console/Mode' => 'collapse', 'Console/Height' => 92, 'NavigationWidth' => 240, 'lang' => 'de', 'ThemeDefault' => 'pmahomme', 'MaxRows' => 25], 'relation' => $relation];
    return self::session([' PMA_token ' => $this->token(16), ' HMAC_secret ' => $this->token(16), 'two_factor_check' => true,
      'browser_access_time' => [$this->token(16) => $this->time()], 'encryption_key' => base64_encode($this->token(32)),
      'cache' => ['server_1_root' => $server, 'server_2_root' => $server, 'version_check' => ['response' => '{"date":"2026-02-08","version":"5.2.1"}', 'timestamp' => $this->time()]],
      'tmpval' => ['recent_tables' => [1 => array_slice($tables, 0, 10), 2 => array_slice($tables, 10, 10)], 'favorite_tables' => [1 => array_slice($tables, 20)], 'favorites_synced' => [1 => true], 'pref_is_superuser' => true, 'table_limit_offset' => 0,
        'query' => $queries, 'max_rows' => 25, 'pftext' => 'P', 'pos' => 0, 'history' => $history, 'previous_server' => 1, 'sent_warnings' => ['cookie_validity' => true], 'navigation_width' => 240],
      'sql_history' => $history, 'is_git_revision' => false, 'flashMessages' => []]);
  }

  // What a small script of its own keeps.
  function cart(): string {
    $items = [];
    for ($i = 0; $i < 8; ++$i) {
      $items["item_$i"] = ['sku' => strtoupper($this->hex(8)), 'title' => $this->words(3), 'qty' => 1 + $this->below(5), 'price' => (1 + $this->below(9999)) / 100];
    }
    return self::session(['user_id' => 48213, 'csrf' => $this->hex(32), 'cart' => $items, 'visited' => [17, 240, 1031, 88]]);
  }
}

// Serialized already.
final class Raw {
  function __construct(public readonly string $text) {}
}

// The texts by name.
function payloads(int $visitor = 0): array {
  $made = new Payloads($visitor);
  return ['Symfony' => $made->symfony(), 'Laravel-like' => $made->laravel(), 'Magento-like' => $made->magento(),
    'phpMyAdmin' => $made->phpmyadmin(), 'plain cart' => $made->cart()];
}
