# SPDX-License-Identifier: Apache-2.0
# Completion of scrim for bash. A test compares the options with `scrim SUBCOMMAND --help`.
# shellcheck shell=bash

_scrim_profiles()
{
	local directory file
	for directory in "${XDG_CONFIG_HOME:-$HOME/.config}/scrim/profiles" \
		/usr/local/share/scrim/profiles /usr/share/scrim/profiles; do
		for file in "$directory"/*.profile; do
			[[ -e $file ]] && basename "$file" .profile
		done
	done
}

_scrim_keys()
{
	local file
	for file in "${XDG_CONFIG_HOME:-$HOME/.config}/scrim/keys"/*.key; do
		[[ -e $file ]] && basename "$file" .key
	done
}

_scrim_words()
{
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}

_scrim_files()
{
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen "$1" -- "$cur")
}

# The words of `scrim key`; false: a file is wanted.
_scrim_key()
{
	local kind='--passphrase --raw --kernel --cost' ask='--passfile --askpass' options=
	if ((COMP_CWORD == 2)); then
		_scrim_words 'new import list show passwd export recovery rm --help'
		return
	fi
	case $previous in
	--cost) _scrim_words '64M,3 256M,3 1G,4' && return ;;
	--askpass) mapfile -t COMPREPLY < <(compgen -c -- "$cur") && return ;;
	--id) return 0 ;;
	--passfile | --new-passfile | --output) return 1 ;;
	esac
	case ${COMP_WORDS[2]}:$cur in
	new:-*) options="$kind --no-recovery $ask" ;;
	import:-*) options="$kind --recovery --echo --id --new-passfile $ask" ;;
	list:-* | show:-*) options=--json ;;
	passwd:-*) options="--add --remove --recovery --echo --new-passfile $kind $ask" ;;
	export:-*) options="--output --force $ask" ;;
	recovery:-*) options=$ask ;;
	rm:-*) options=--force ;;
	new:* | list:*) return 0 ;;
	import:*) return 1 ;;
	*)
		_scrim_words "$(_scrim_keys)"
		return
		;;
	esac
	_scrim_words "$options --help"
}

_scrim()
{
	local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} word i
	local policy='-p --profile -c --config -r --rule --hide --mask --append --readonly --deny --help'
	local store='--json --quiet --provider --key --key-file --key-fd --passfile --askpass --strict-freshness --help'
	local tree='--recursive --cross-device'
	local run='--setenv --unsetenv --clearenv --chdir --pass-fd --die-with-parent --kill-on-exit --args --json-status-fd --log --log-fd'
	run+=' --key --key-file --key-fd --passfile --askpass --memfd-max --memfd-total --require-no-swap --strict-freshness'

	if ((COMP_CWORD == 1)); then
		_scrim_words 'run scratch check explain learn tree doctor encrypt decrypt cat info verify salvage rekey compact cp key accept help --help --version --'
		return
	fi

	# Behind the first word that is neither an option nor its argument the command's own completion takes over.
	if [[ ${COMP_WORDS[1]} == run || ${COMP_WORDS[1]} == -- ]]; then
		i=2
		while ((i < COMP_CWORD)) && [[ ${COMP_WORDS[1]} != -- ]]; do
			word=${COMP_WORDS[i]}
			case $word in
			--) ((i++)) && break ;;
			-p | -c | -r | --profile | --config | --rule | --hide | --mask | --append | --readonly | --deny | \
				--setenv | --unsetenv | --chdir | --pass-fd | --log | --log-fd | --key | --key-file | --key-fd | \
				--passfile | --askpass | --memfd-max | --memfd-total) ((i += 2)) ;;
			-*) ((i++)) ;;
			*) break ;;
			esac
		done
		if ((i < COMP_CWORD)) || { ((i == COMP_CWORD)) && [[ $previous == -- ]]; }; then
			if declare -F _command_offset >/dev/null; then
				_command_offset "$i"
			elif ((i == COMP_CWORD)); then
				mapfile -t COMPREPLY < <(compgen -c -- "$cur")
			else
				_scrim_files -f
			fi
			return
		fi
	fi

	if [[ ${COMP_WORDS[1]} == scratch ]]; then
		for ((i = 2; i < COMP_CWORD; i++)); do
			[[ ${COMP_WORDS[i]} == -- ]] || continue
			if declare -F _command_offset >/dev/null; then
				_command_offset $((i + 1))
			else
				mapfile -t COMPREPLY < <(compgen -c -- "$cur")
			fi
			return
		done
	fi
	if [[ ${COMP_WORDS[1]} == key ]] && _scrim_key; then
		return
	fi
	case $previous in
	-p | --profile) _scrim_words "$(_scrim_profiles)" ;;
	-c | --config | --log | --hide | --mask | --append | --readonly | --deny) _scrim_files -f ;;
	--chdir) _scrim_files -d ;;
	-r | --rule) _scrim_words 'hide show deny mask plain crypt append readonly free env option' ;;
	--unsetenv) mapfile -t COMPREPLY < <(compgen -v -- "$cur") ;;
	-o | --output | --key-file | --new-key-file | --passfile | --new-passfile) _scrim_files -f ;;
	--provider) _scrim_words 'openssl sodium afalg' ;;
	--chunk-size) _scrim_words '4K 8K 16K 32K 64K' ;;
	--slot-size) _scrim_words '4K 8K' ;;
	--key | --new-key) _scrim_words "$(_scrim_keys)" ;;
	--askpass) mapfile -t COMPREPLY < <(compgen -c -- "$cur") ;;
	--setenv | --pass-fd | --args | --json-status-fd | --memfd-max | --memfd-total | -L | --level | --log-fd | --key-fd | --new-key-fd | --drop) ;;
	*)
		case ${COMP_WORDS[1]}:$cur in
		run:-* | scratch:-*) _scrim_words "$policy $run --" ;;
		scratch:*) _scrim_files -d ;;
		run:*) mapfile -t COMPREPLY < <(compgen -c -- "$cur") ;;
		explain:-*) _scrim_words "$policy --last --json -n" ;;
		learn:-*) _scrim_words "--output $policy $run --" ;;
		learn:*) mapfile -t COMPREPLY < <(compgen -c -- "$cur") ;;
		tree:-*) _scrim_words "$policy --marked --level --json" ;;
		tree:*) _scrim_files -d ;;
		check:-*) _scrim_words "$policy --json" ;;
		doctor:*) _scrim_words '--json --help' ;;
		encrypt:-*) _scrim_words "$store $tree --output --force --chunk-size --slot-size" ;;
		decrypt:-*) _scrim_words "$store $tree --output --force" ;;
		cat:-*) _scrim_words "$store --force" ;;
		info:-*) _scrim_words "$store" ;;
		verify:-* | compact:-* | accept:-*) _scrim_words "$store $tree" ;;
		salvage:-*) _scrim_words "$store --output --force" ;;
		rekey:-*)
			_scrim_words "$store $tree --force --new-key --new-key-file --new-key-fd --new-passfile --keep-old --drop --full"
			;;
		cp:-*) _scrim_words "$store --raw --force" ;;
		*) _scrim_files -f ;;
		esac
		;;
	esac
}

complete -F _scrim scrim
