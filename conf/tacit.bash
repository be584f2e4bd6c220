# bash completion for tacit. Load it with: source <(tacit completion bash)

_tacit() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local group=${COMP_WORDS[1]} command=${COMP_WORDS[2]} words='' i
  local delivery='--project --data --run-dir --cache --cache-key-file --cache-max-age --wait
    --server --identity'
  COMPREPLY=()

  # Behind the "--" of run stands another command line.
  if [[ $group == run ]]; then
    for ((i = 2; i < COMP_CWORD; i++)); do
      if [[ ${COMP_WORDS[i]} == -- ]]; then
        if declare -F _command_offset > /dev/null; then
          _command_offset $((i + 1))
        else
          mapfile -t COMPREPLY < <(compgen -c -- "$current")
        fi
        return
      fi
    done
  fi

  case $previous in
    --config | --key-file | --from-file | --cache-key-file | --identity)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    --data | --run-dir | --cache)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -d -- "$current")
      return
      ;;
    --from-env)
      mapfile -t COMPREPLY < <(compgen -e -- "$current")
      return
      ;;
    --format)
      words='json null shell dotenv docker podman systemd raw'
      mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
      return
      ;;
    --on-change)
      mapfile -t COMPREPLY < <(compgen -W 'none restart signal:HUP' -- "$current")
      return
      ;;
    --stop-signal)
      mapfile -t COMPREPLY < <(compgen -W 'TERM INT QUIT HUP' -- "$current")
      return
      ;;
    --only | --require | --debounce | --stop-timeout) return ;;
    --project | --id | --limit | --expires | --listen | --wait | --cache-max-age | --key) return ;;
    --server | --server-key | --public-key | --name) return ;;
  esac

  if ((COMP_CWORD == 1)); then
    words='serve project key secret run env deliveries runtime check recover completion
      --help --version'
  elif ((COMP_CWORD == 2)); then
    case $group in
      project) words='create list show delete --help' ;;
      key) words='create list revoke --help' ;;
      secret) words='set list rm --help' ;;
      runtime) words='keygen pin enrol list revoke reset --help' ;;
      completion) words='bash --help' ;;
    esac
  fi
  case "$group $command" in
    'serve '*) words='--config --data --listen --key-file --help' ;;
    'run '*)
      words="$delivery --only --require --pristine --mask --on-change --debounce --stop-signal
        --stop-timeout --help --"
      ;;
    'env '*) words="$delivery --format --key --help" ;;
    'check '*) words='--config --help' ;;
    'recover '*) words='--drop --config --data --key-file --help' ;;
    'project create') words='--id --limit --json --data --help' ;;
    'key create') words='--project --admin --read-only --expires --json --data --help' ;;
    'secret set')
      words='--project --from-file --from-env --trim-newline --json --data --help'
      ;;
    'runtime keygen') words='--identity --help' ;;
    'runtime pin') words='--identity --server-key --help' ;;
    'runtime enrol')
      words='--project --public-key --name --expires --json --data --run-dir --help'
      ;;
    'runtime '*) words='--json --data --run-dir --help' ;;
    'secret list' | 'secret rm' | 'deliveries '*) words='--project --json --data --help' ;;
    'project list' | 'project show' | 'project delete' | 'key list' | 'key revoke')
      words='--json --data --help'
      ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _tacit tacit
