# SPDX-License-Identifier: Apache-2.0
# Completion of scrim for bash. generate.sh puts the tables of subcommands and options in front of it (bash.awk):
# _scrim_commands, _scrim_options by subcommand, and _scrim_takes by "SUBCOMMAND OPTION": what kind of word follows.
# shellcheck shell=bash disable=SC2154

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
	local command=${COMP_WORDS[1]}

	if ((COMP_CWORD == 1)); then
		_scrim_words "$_scrim_commands help --help --version --"
		return
	fi

	# Behind the first word that is neither an option nor its argument the command's own completion takes over.
	if [[ ${COMP_WORDS[1]} == run || ${COMP_WORDS[1]} == -- ]]; then
		i=2
		while ((i < COMP_CWORD)) && [[ ${COMP_WORDS[1]} != -- ]]; do
			word=${COMP_WORDS[i]}
			case $word in
			--) ((i++)) && break ;;
			-*)
				((i++))
				[[ -z ${_scrim_takes["$command $word"]-} ]] || ((i++))
				;;
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
	-p | --profile) _scrim_words "$(_scrim_profiles)" && return ;;
	-r | --rule) _scrim_words 'hide show deny mask plain crypt append readonly free fstype env option' && return ;;
	--unsetenv) mapfile -t COMPREPLY < <(compgen -v -- "$cur") && return ;;
	--provider) _scrim_words 'openssl sodium afalg' && return ;;
	--chunk-size) _scrim_words '4K 8K 16K 32K 64K' && return ;;
	--slot-size) _scrim_words '4K 8K' && return ;;
	--key | --new-key) _scrim_words "$(_scrim_keys)" && return ;;
	esac
	case ${_scrim_takes["$command $previous"]-} in
	directory) _scrim_files -d ;;
	command) mapfile -t COMPREPLY < <(compgen -c -- "$cur") ;;
	file) _scrim_files -f ;;
	value) ;;
	*)
		case $command:$cur in
		run:-* | scratch:-* | learn:-*) _scrim_words "${_scrim_options[$command]} --" ;;
		*:-*) _scrim_words "${_scrim_options[$command]-}" ;;
		run:* | learn:*) mapfile -t COMPREPLY < <(compgen -c -- "$cur") ;;
		scratch:* | tree:*) _scrim_files -d ;;
		doctor:*) _scrim_words "${_scrim_options[$command]}" ;;
		*) _scrim_files -f ;;
		esac
		;;
	esac
}

complete -F _scrim scrim
