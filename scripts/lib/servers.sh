# memcached nodes, web servers (php-fpm or Apache with mod_php) and balancers on loopback, configured for one run.
# Sourced after output.sh and processes.sh. The balancers run the very files of docs/examples.

project=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)

declare -A node_port=()    # name of a memcached node -> port
declare -A server_port=()  # server_id -> port: FastCGI for php-fpm, HTTP for Apache
declare -A direct_port=()  # server_id -> HTTP port that asks this web server and no other
declare -A server_kind=()  # server_id -> fpm or apache
front_port=''              # the balancer's
node_options=()            # more of memcached's options, of nodes that are started from then on
node_certificate=''        # a file with a certificate and its key: nodes that are started speak TLS with it
extension_file=''          # clustered_session.so
# More php.ini lines of every web server, from the environment too.
php_settings=${CLUSTERED_SESSION_PHP_SETTINGS:-}

# What runs the workers: nothing when this user is not root.
worker_user=''
worker_group=''
choose_worker_user() {
  ((EUID == 0)) || return 0
  worker_user=nobody
  ! id www-data >/dev/null 2>&1 || worker_user=www-data
  worker_group=$(id -gn "$worker_user")
}

need_command() {
  command -v "$1" >/dev/null || die "'$1' is missing; scripts/install_packages ${2:-demo} installs it"
}

# Uses the extension that CLUSTERED_SESSION_SO names, or builds it into the run's folder.
prepare_extension() {
  if [[ -n ${CLUSTERED_SESSION_SO:-} ]]; then
    [[ -f $CLUSTERED_SESSION_SO ]] || die "CLUSTERED_SESSION_SO names no file: $CLUSTERED_SESSION_SO"
    extension_file=$(realpath -- "$CLUSTERED_SESSION_SO")
  else
    extension_file=$("$project/scripts/build_extension" "$run_folder/build" 2>"$run_folder/build.log" | tail -n 1) || {
      tail -n 40 "$run_folder/build.log" >&2
      die "the extension did not build"
    }
  fi
}

# prepare_run: the temporary folder with the shop in it, readable by the workers, and the extension.
prepare_run() {
  need_command php
  need_command setsid
  [[ -n $run_folder ]] || make_run_folder
  choose_worker_user
  php_version=$(php -n -r 'echo PHP_MAJOR_VERSION, ".", PHP_MINOR_VERSION;')
  mkdir "$run_folder/app"
  cp "$project"/php_tests/app/*.php "$run_folder/app/"
  chmod 755 "$run_folder/app"
  chmod 644 "$run_folder"/app/*
  prepare_extension
}

# start_node <name>: a memcached node; the same port when it is started again.
start_node() {
  local name=$1 tls=()
  need_command memcached
  [[ -z $node_certificate ]] || tls=(-Z -o "ssl_chain_cert=$node_certificate,ssl_key=$node_certificate")
  [[ -v node_port[$name] ]] || node_port[$name]=$(free_ports 1)
  start_process "$name" memcached -l 127.0.0.1 -p "${node_port[$name]}" -U 0 -m 64 ${worker_user:+-u "$worker_user"} "${tls[@]}" "${node_options[@]}"
  await_port "$name" "${node_port[$name]}"
}

# The nodes as session.save_path, in the order of their names.
save_path() {
  local name path=''
  for name in $(printf '%s\n' "${!node_port[@]}" | sort); do
    path+=${path:+,}$name=${node_certificate:+tls://}127.0.0.1:${node_port[$name]}
  done
  printf '%s' "$path"
}

# write_php_ini <server_id>: all of a web server's PHP configuration; the machine's own php.ini is not read.
write_php_ini() {
  mkdir -p "$run_folder/$1"
  cat >"$run_folder/$1/php.ini" <<END
extension = $extension_file
session.save_handler = clustered
session.save_path = "$(save_path)"
session.use_strict_mode = 1
clustered_session.server_id = $1
error_reporting = E_ALL
display_errors = 0
html_errors = 0
log_errors = 1
$php_settings
END
}

# write_fpm_pool <file> <pool> <port> [line]...: one php-fpm pool; the lines are added to it.
write_fpm_pool() {
  local file=$1 pool=$2 port=$3
  shift 3
  {
    printf '[%s]\nlisten = 127.0.0.1:%s\ncatch_workers_output = yes\ndecorate_workers_output = no\n' "$pool" "$port"
    [[ -z $worker_user ]] || printf 'user = %s\ngroup = %s\n' "$worker_user" "$worker_group"
    printf '%s\n' "$@"
  } >>"$file"
}

# start_fpm_server <server_id> [php-fpm.conf]: a php-fpm master; the file defaults to one pool of 4 workers.
start_fpm_server() {
  local name=$1 folder=$run_folder/$1 config=${2:-}
  need_command "php-fpm$php_version"
  [[ -v server_port[$name] ]] || server_port[$name]=$(free_ports 1)
  server_kind[$name]=fpm
  write_php_ini "$name"
  if [[ -z $config ]]; then
    config=$folder/php-fpm.conf
    printf '[global]\nerror_log = /proc/self/fd/2\ndaemonize = no\n' >"$config"
    write_fpm_pool "$config" shop "${server_port[$name]}" 'pm = static' 'pm.max_children = 4'
  fi
  start_process "$name" env PHP_INI_SCAN_DIR= "php-fpm$php_version" --nodaemonize --force-stderr -c "$folder/php.ini" \
    --fpm-config "$config" --prefix "$folder"
  await_port "$name" "${server_port[$name]}"
}

# apache_basics <name>: the lines every Apache of ours starts with; its modules are the arguments after the name.
apache_basics() {
  local folder=$run_folder/$1 module modules=${apache_modules:-/usr/lib/apache2/modules}
  shift
  printf 'ServerRoot "%s"\nPidFile "%s/apache.pid"\nErrorLog /dev/stderr\nServerName localhost\n' "$folder" "$folder"
  printf 'Mutex pthread\nDefaultRuntimeDir "%s"\n' "$folder"
  for module in mpm_prefork authz_core "$@"; do
    printf 'LoadModule %s_module "%s/mod_%s.so"\n' "$module" "$modules" "$module"
  done
  [[ -z $worker_user ]] || printf 'User %s\nGroup %s\n' "$worker_user" "$worker_group"
  printf 'StartServers 4\nMinSpareServers 4\nMaxSpareServers 8\nMaxRequestWorkers 8\n'
}

# start_apache_server <server_id>: an Apache with mod_php that serves the shop.
start_apache_server() {
  local name=$1 folder=$run_folder/$1 modules=/usr/lib/apache2/modules
  need_command apache2
  [[ -f $modules/libphp$php_version.so ]] || die "mod_php is missing: run scripts/install_packages demo"
  [[ -v server_port[$name] ]] || server_port[$name]=$(free_ports 1)
  server_kind[$name]=apache
  direct_port[$name]=${server_port[$name]}
  write_php_ini "$name"
  {
    apache_basics "$name" dir
    cat <<END
LoadModule php_module "$modules/libphp$php_version.so"
PHPIniDir "$folder"
Listen 127.0.0.1:${server_port[$name]}
DocumentRoot "$run_folder/app"
DirectoryIndex index.php
<FilesMatch "\.php$">
  SetHandler application/x-httpd-php
</FilesMatch>
END
  } >"$folder/apache.conf"
  start_process "$name" env PHP_INI_SCAN_DIR= apache2 -d "$folder" -f "$folder/apache.conf" -DFOREGROUND
  await_port "$name" "${server_port[$name]}"
}

# start_server <server_id>: starts it again as it was, or as $1's kind from server_kind.
start_server() { "start_${server_kind[$1]}_server" "$1"; }

# filled_example <file>: a file of docs/examples with its addresses replaced by this run's.
filled_example() {
  sed -e "s#10\.0\.0\.11:[0-9]*#127.0.0.1:${server_port[a]}#g" \
    -e "s#10\.0\.0\.12:[0-9]*#127.0.0.1:${server_port[b]}#g" \
    -e "s#listen 80;#listen 127.0.0.1:$front_port;#" -e "s#bind :80\$#bind 127.0.0.1:$front_port#" \
    -e "s#/var/www/shop#$run_folder/app#" "$project/docs/examples/$1"
}

# with_server_c: nginx_php_fpm.conf, filled, with a third web server: one line in the map, one more upstream, and one
# server more in the others.
with_server_c() {
  awk -v a="127.0.0.1:${server_port[a]}" -v b="127.0.0.1:${server_port[b]}" -v c="127.0.0.1:${server_port[c]}" '
    /^  ~\^b/ { print; gsub(/b/, "c") }
    /^upstream any_server/ { more = "  server " c " max_fails=1 fail_timeout=2s;" }
    /^upstream server_/ { more = "  server " c " backup;" }
    /^}/ && more { print more; more = "" }
    /^server {/ {
      print "upstream server_c_first {\n  zone server_c_first 64k;\n  server " c " max_fails=1 fail_timeout=2s;"
      print "  server " a " backup;\n  server " b " backup;\n}\n"
    }
    { print }
  '
}

# An nginx server block that asks one php-fpm server and no other.
direct_server_block() {
  [[ -v direct_port[$1] ]] || direct_port[$1]=$(free_ports 1)
  cat <<END
  server {
    listen 127.0.0.1:${direct_port[$1]};
    root $run_folder/app;
    location / {
      try_files \$uri /index.php\$is_args\$args;
    }
    location ~ \.php\$ {
      include fastcgi_params;
      fastcgi_param SCRIPT_FILENAME \$document_root\$fastcgi_script_name;
      fastcgi_pass 127.0.0.1:${server_port[$1]};
      fastcgi_connect_timeout 1s;
    }
  }
END
}

# start_nginx: in front of the web servers a and b (and c, php-fpm only), by the example for their kind; with direct
# ports for php-fpm.
start_nginx() {
  local folder=$run_folder/nginx server temp
  need_command nginx
  mkdir -p "$folder"
  front_port=${front_port:-$(free_ports 1)}
  cp "${nginx_settings:-/etc/nginx}/fastcgi_params" "$folder/"
  {
    [[ -z $worker_user ]] || printf 'user %s %s;\n' "$worker_user" "$worker_group"
    printf 'worker_processes 1;\ndaemon off;\nerror_log stderr warn;\npid %s/nginx.pid;\n' "$folder"
    printf 'events { worker_connections 512; }\nhttp {\n  access_log off;\n'
    for temp in client_body proxy fastcgi uwsgi scgi; do
      printf '  %s_temp_path %s/%s;\n' "$temp" "$folder" "$temp"
    done
    if [[ ${server_kind[a]} == fpm ]]; then
      printf '  include nginx_php_fpm.conf;\n'
      filled_example nginx_php_fpm.conf | if [[ -v server_port[c] ]]; then with_server_c; else cat; fi \
        >"$folder/nginx_php_fpm.conf"
      for server in $(printf '%s\n' "${!server_port[@]}" | sort); do
        direct_server_block "$server"
      done
    else
      printf '  include nginx_http.conf;\n'
      filled_example nginx_http.conf >"$folder/nginx_http.conf"
    fi
    printf '}\n'
  } >"$folder/nginx.conf"
  start_process nginx nginx -p "$folder" -c "$folder/nginx.conf" -e stderr
  await_port nginx "$front_port"
}

# start_haproxy, start_apache_balancer: the same with HAProxy and with Apache, in front of web servers that speak HTTP.
start_haproxy() {
  need_command haproxy test
  mkdir -p "$run_folder/haproxy"
  front_port=${front_port:-$(free_ports 1)}
  filled_example haproxy.cfg >"$run_folder/haproxy/haproxy.cfg"
  start_process haproxy haproxy -W -f "$run_folder/haproxy/haproxy.cfg"
  await_port haproxy "$front_port"
}

start_apache_balancer() {
  local folder=$run_folder/balancer
  need_command apache2
  mkdir -p "$folder"
  front_port=${front_port:-$(free_ports 1)}
  {
    apache_basics balancer proxy proxy_http proxy_balancer lbmethod_byrequests slotmem_shm headers
    printf 'Listen 127.0.0.1:%s\n' "$front_port"
    filled_example apache.conf
  } >"$folder/apache.conf"
  start_process balancer apache2 -d "$folder" -f "$folder/apache.conf" -DFOREGROUND
  await_port balancer "$front_port"
}
