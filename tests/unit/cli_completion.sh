#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The completion offers exactly the commands and options that --help names.
# usage: cli_completion.sh PATH-OF-CLOISON
set -euo pipefail

PATH=$(dirname "$1"):$PATH
# shellcheck source=scripts/completion/cloison
source "$(dirname "$0")/../../scripts/completion/cloison"
compopt() { :; } # only inside a real completion
failures=0

# What is offered after the words, sorted, on one line.
offered() {
	COMP_WORDS=(cloison "$@")
	COMP_CWORD=$#
	_cloison
	[[ ${#COMPREPLY[@]} -eq 0 ]] || printf '%s\n' "${COMPREPLY[@]}" | sort | xargs
}

expect() { # expect WANTED WORD...
	local wanted=$1 got
	shift
	got=$(offered "$@")
	if [[ $got != "$wanted" ]]; then
		printf 'after "%s": offered "%s", expected "%s"\n' "$*" "$got" "$wanted" >&2
		failures=$((failures + 1))
	fi
}

# First column of the part of --help under a title.
listed() { # listed TITLE COMMAND...
	local title=$1
	shift
	cloison "$@" --help | sed -n "/^$title/,/^\$/s/^  \\([a-z-]*\\).*/\\1/p" | sort | xargs
}

commands=$(listed Commands)
[[ $commands == *apply* && $commands == *verify* ]]
expect "$commands" ''
expect "$commands" --json ''
expect "$commands" --socket apply ''
for command in $commands; do
	expect "$(listed Options "$command")" "$command" -
done

# A group's commands stand in its own help.
commands=$(cloison log --help | sed -n 's/^  log \([a-z]*\).*/\1/p' | sort | xargs)
[[ $commands == *verify* ]]
expect "$commands" log ''
for command in $commands; do
	expect "$(listed Options log "$command")" log "$command" -
done

commands=$(cloison ask --help | sed -n 's/^  ask \([a-z]*\).*/\1/p' | sort | xargs)
[[ $commands == *isolated* ]]
expect "$commands" ask ''
for command in $commands; do
	expect "$(listed Options ask "$command")" ask "$command" -
done

expect 'apply' ap
expect 'jsonl' --json log export --format j
expect 'tcp' trace --proto tc
expect '' trace --dport ''
expect '' define --memory ''
cd /
expect 'usr' apply us
expect 'usr' define web-1 --memory 512 --disk us
expect 'usr' harden us
expect 'usr' --json plan --offline us
expect 'usr' trace --offline us
expect '4 6' trace --family ''
exit $((failures > 0))
