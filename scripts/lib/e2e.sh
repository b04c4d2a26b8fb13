# What every end-to-end test starts with: the library, and a run with the extension in it.

set -u -o pipefail
[[ ${1:-} != --verbose ]] || verbose=yes
e2e_lib=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
. "$e2e_lib/output.sh"
. "$e2e_lib/processes.sh"
. "$e2e_lib/servers.sh"
. "$e2e_lib/nodes.sh"
. "$e2e_lib/client.sh"
. "$e2e_lib/checks.sh"

# Shows what the servers logged when a check failed.
show_logs_on_failure=yes
prepare_run
jar=$run_folder/cookies
