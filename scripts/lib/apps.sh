# Applications of Debian, unpacked for one run and not installed: this machine's web server, its configuration and its
# databases stay as they are. Sourced after servers.sh. The packages are kept in out/apps, or where
# CLUSTERED_SESSION_APPS_CACHE says.

apps_cache=${CLUSTERED_SESSION_APPS_CACHE:-$project/out/apps}
debian=''  # the folder that stands for / to the unpacked applications

# fetch_packages <package>...: into the cache, those that are not there. One call, as each reads all of apt's lists.
fetch_packages() {
  local package missing=()
  for package; do
    compgen -G "$apps_cache/${package}_*.deb" >/dev/null || missing+=("$package")
  done
  ((${#missing[@]} > 0)) || return 0
  rm -rf "$apps_cache/new"
  mkdir -p "$apps_cache/new" || return
  (cd "$apps_cache/new" && timeout 300 apt-get -q download "${missing[@]}") >>"$run_folder/fetch.log" 2>&1 || return
  mv "$apps_cache/new"/*.deb "$apps_cache/"
}

# unpack_packages <package>...: into $debian. Fails where one of them cannot be had.
unpack_packages() {
  local package file
  debian=$run_folder/debian
  fetch_packages "$@" || return
  mkdir -p "$debian"
  for package; do
    for file in "$apps_cache/${package}"_*.deb; do
      dpkg-deb -x "$file" "$debian" || return
    done
  done
  move_paths
}

# What the applications name from / on is below $debian: in their code, and in links.
move_paths() {
  local link target
  grep -rlZE "['\"]/(usr/share|etc|var/lib|var/log)/" --include='*.php' "$debian" |
    xargs -0r sed -Ei "s#(['\"])/((usr/share|etc|var/lib|var/log)/)#\1$debian/\2#g"
  while IFS= read -r link; do
    target=$(readlink "$link")
    [[ $target == "$debian"/* ]] || ln -sfn "$debian$target" "$link"
  done < <(find "$debian" -type l -lname '/*')
}

# browse <url> [curl option]...: one request of a browser that follows redirects, with the cookies of $jar; the page is in
# $page and its HTTP status in $page_http.
browse() {
  local url=$1
  shift
  : >"$run_folder/page"
  page_http=$(curl -s -L --max-time 30 -b "$jar" -c "$jar" -o "$run_folder/page" -w '%{http_code}' "$@" "$url") || true
  page=$(<"$run_folder/page")
  say_verbose "$url $* -> HTTP $page_http"
}
page_has() { [[ $page == *"$1"* ]]; }

# form_value <name>: of the page's first input field of that name.
form_value() {
  # shellcheck disable=SC2016
  php -n -r '
    preg_match_all("/<input\b[^>]*>/i", (string) file_get_contents($argv[1]), $fields);
    foreach ($fields[0] as $field) {
      if (preg_match("/\bname=\"" . preg_quote($argv[2], "/") . "\"/", $field)) {
        echo preg_match("/\bvalue=\"([^\"]*)\"/", $field, $value) ? html_entity_decode($value[1]) : "";
        return;
      }
    }' "$run_folder/page" "$1"
}

# bring_back <server>: starts it again, and waits until nginx asks it, which leaves alone for a while who has refused.
bring_back() {
  start_server "$1"
  check "nginx notices that web server $1 is back" await 20 serves "$1"
}
# serves <server>: those who were there before, and others.
serves() {
  local url=http://127.0.0.1:$front_port/
  ask_many "$url" 1 "PHPSESSID_AT=$1.1"
  [[ $many_servers == "$1=1" ]] || return
  ask_many "$url" 4
  [[ " $many_servers" == *" $1="* ]]
}

# prepare_wiki: DokuWiki below /wiki/ of the web servers, with the users ada and bob and two pages. Fails where its packages
# cannot be had.
prepare_wiki() {
  local wiki data parts
  # Each Debian has other libraries for it.
  mapfile -t parts < <(apt-cache depends dokuwiki | sed -nE 's/^ *\|?Depends: ((libjs|libphp|php)-.*)/\1/p')
  unpack_packages dokuwiki "${parts[@]}" || return
  wiki=$debian/usr/share/dokuwiki
  data=$debian/var/lib/dokuwiki
  sed -i "s#\\\$vendorDir \. '$debian#'$debian#" "$wiki"/vendor/composer/autoload_*.php
  front_port=${front_port:-$(free_ports 1)}
  cat >"$debian/etc/dokuwiki/local.php" <<END
<?php
\$conf['useacl'] = 1;
\$conf['breadcrumbs'] = 10;
\$conf['securecookie'] = 0;
\$conf['baseurl'] = 'http://127.0.0.1:$front_port';
END
  mkdir -p "$data/acl" "$data/data/pages"
  printf '* @ALL 1\n* @user 8\n' >"$data/acl/acl.auth.php"
  # shellcheck disable=SC2016
  php -n -r 'foreach (["ada", "bob"] as $user)
    echo "$user:", password_hash("secret of $user", PASSWORD_BCRYPT), ":$user:$user@example.org:user\n";' \
    >"$data/acl/users.auth.php"
  printf '====== Start ======\n' >"$data/data/pages/start.txt"
  printf '====== Tea ======\n' >"$data/data/pages/tea.txt"
  [[ -z $worker_user ]] || chown -R "$worker_user" "$data"
  ln -s "$wiki" "$run_folder/app/wiki"
}

# The pages that DokuWiki says were seen in this session, in $run_folder/page.
wiki_trace() {
  grep -oE 'class="breadcrumbs" title="[^"]*"' "$run_folder/page" | sed -E 's/.*title="(.*)"/\1/' | paste -sd' '
}
