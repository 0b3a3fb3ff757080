#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The prover's own comparisons, turned round one at a time: its self-test
notices each. usage: sabotage.py EVERY SOURCE-DIR BUILD-DIR MAIN.c LIBRARY...
EVERY: 1 for all of them, 6 for each sixth."""

import json
import os
import shlex
import subprocess
import sys
import tempfile

# File, a line of it that stands there once (however it is indented), what
# stands in its place. A line that is gone fails the test: write it anew.
MUTANTS = [
    # what is counted
    ("prove.c", "if (!clo_invariants[i].forbids(src, dst))",
     "if (clo_invariants[i].forbids(src, dst))"),
    ("prove.c", "result->broken[i] += allowed;", "result->broken[i] += 1;"),
    ("prove.c", "proof->result.allowed += proof->allowed[*row];",
     "proof->result.allowed += 1;"),
    ("prove.c", "if (is_forbidden(&proof->identities[pair->src],",
     "if (!is_forbidden(&proof->identities[pair->src],"),
    ("prove.c", "result->excepted += walked->excepted;", ""),
    # what is forbidden
    ("prove_invariants.c",
     "return both_endpoints(src, dst) && src->space != dst->space;",
     "return both_endpoints(src, dst) && src->space == dst->space;"),
    ("prove_invariants.c", "return src->environment == CLO_ENV_PRODUCTION ||",
     "return src->environment == CLO_ENV_TEST ||"),
    ("prove_invariants.c",
     "!(src->flags & dst->flags & CLO_IDENTITY_TEST_DEV);",
     "(src->flags & dst->flags & CLO_IDENTITY_TEST_DEV);"),
    ("prove_invariants.c", "dst->kind == CLO_IDENTITY_NODE) ||",
     "dst->kind == CLO_IDENTITY_SERVICE) ||"),
    ("prove_invariants.c", "!(dst->flags & CLO_IDENTITY_NATIONAL);",
     "(dst->flags & CLO_IDENTITY_NATIONAL);"),
    ("prove_invariants.c", "src->flags & CLO_IDENTITY_LEVEL_2 &&",
     "!(src->flags & CLO_IDENTITY_LEVEL_2) &&"),
    ("prove_invariants.c", "if (proof->broken[invariant])",
     "if (proof->broken[invariant] > proof->admitted[invariant])"),
    # what is sound
    ("prove_check_rows.c", "if (allowed != (uint32_t)row->owned + row->others)",
     "if (allowed < (uint32_t)row->owned + row->others)"),
    ("prove_check_rows.c",
     "if (n_others != row->others || (allowed && !row->owned))",
     "if (n_others > row->others || (allowed && !row->owned))"),
    ("prove_check_rows.c", "if (row->rule >= tables->gen.rules ||",
     "if (row->rule > tables->gen.rules ||"),
    ("prove_check_rows.c", "if (row->set >= count_sets(tables))",
     "if (row->set > count_sets(tables))"),
    ("prove_check.c", "if (class >= classes)", "if (class > classes)"),
    ("prove_check.c", "if (!seen[class])", "if (seen[class] > 1)"),
    ("prove_check.c", "if (*row >= n_rows)", "if (*row > n_rows)"),
    ("prove_check_rows.c", "if (other->rule == 0 || other->rule >= gen->rules)",
     "if (other->rule == 0 || other->rule > gen->rules)"),
    ("prove_check_rows.c",
     "if (gen->classes % 64 && words[gen->words - 1] >> (gen->classes % 64))",
     "if (gen->classes % 64 && words[gen->words - 1] >> 63)"),
    ("prove_check_rows.c",
     "if (was->rule != is->rule || was->owned != is->owned ||",
     "if (was->owned != is->owned ||"),
    ("prove_check_rows.c",
     "return bits && !memcmp(bits, clo_tables_bits(before, index), size);",
     "return bits != NULL;"),
    ("prove_check.c", "clo_tables_key(tables, t, i), type->key_size) >= 0)",
     "clo_tables_key(tables, t, i), type->key_size) > 0)"),
    ("prove_check.c", "said[i - 1].flags != said[i].flags)",
     "said[i - 1].flags > 255)"),
    ("prove_check.c", "if (own->flags & ~known_flags(own->kind))",
     "if (own->flags & ~known_flags(own->kind) & 127)"),
    ("prove_check_address.c",
     "(space && own->space != space) || own->segment != addr->segment)",
     "(space && own->space != space))"),
    ("prove_check_address.c",
     "(space && own->space != space) || own->segment != addr->segment)",
     "own->segment != addr->segment)"),
    ("prove_check_address.c", "if (!seen->identities[i])",
     "if (seen->identities[i] > 1)"),
    ("prove_check_address.c",
     "if (!own || own->kind == CLO_IDENTITY_ENDPOINTS)", "if (!own)"),
    # what is bound
    ("prove_bind.c", "if (self->endpoint && self->segment == addr->segment &&",
     "if (self->endpoint &&"),
    ("prove_bind.c", "if (self->endpoint && self->segment == addr->segment &&",
     "if (!self->endpoint || self->segment == addr->segment ||"),
    # what is equal
    ("tables_compare.c", "type->value_size) != 0)", "type->value_size) > 0)"),
    ("tables_compare.c", "add_keyed(comparison, t, CLO_DIFF_MISSING, i++);",
     "i++;"),
    ("tables_compare.c", "add_keyed(comparison, t, CLO_DIFF_EXTRA, j++);",
     "j++;"),
    ("tables_compare.c",
     "if (memcmp(&gen, &expected->gen, sizeof(gen)) != 0)",
     "if (memcmp(&gen, &expected->gen, 4) != 0)"),
    ("tables_compare.c", "if (*used != row)", "if (*used == row)"),
    # what is another than before
    ("prove_change.c",
     "while (n - i >= at_once[s] && !memcmp(a + i, b + i, at_once[s]))",
     "while (n - i >= at_once[s] && memcmp(a + i, b + i, at_once[s]) < 1)"),
    ("prove_change.c",
     "change->same[t] = was->n == is->n && head == n;",
     "change->same[t] = was->n == is->n;"),
    ("prove.c", "if (kept.index >= head && kept.index < was - tail)",
     "if (kept.index > head + tail)"),
    # what is shown
    ("witness.c",
     "if (addr->identity != identity || addr->endpoint == other ||",
     "if (addr->identity == identity || addr->endpoint == other ||"),
    ("witness.c", "clo_view_class(&view, slot) != slots->class)",
     "clo_view_class(&view, slot) == slots->class)"),
    ("witness.c", "if (side.identity == *class)",
     "if (side.identity != *class)"),
    ("witness_replay.c", "verdict.rule != breach->rule ||",
     "verdict.rule == breach->rule ||"),
]

LIMIT = 20  # seconds of one self-test: a mutant may turn for ever


def fail(text):
    sys.exit(f"sabotage: {text}")


def mutate(path, line, replacement):
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    found = [i for i, have in enumerate(lines) if have.strip() == line]
    if len(found) != 1:
        fail(f"{path}: {len(found)} lines are {line!r}, not one: "
             "correct the table")
    lines[found[0]] = replacement
    return "\n".join(lines)


class Build:
    """Compiles and links as the build does, but quickly."""

    def __init__(self, source, build, libraries):
        self.source, self.libraries = source, libraries
        with open(f"{build}/compile_commands.json", encoding="utf-8") as file:
            self.commands = {entry["file"]: shlex.split(entry["command"])
                             for entry in json.load(file)}

    def flags(self, path):
        """Compiler and flags, without what names files and what is slow."""
        words, kept = iter(self.commands[path]), []
        for word in words:
            if word in ("-o", "-c", "-MF", "-MT", "-MQ"):
                next(words)
            elif word not in ("-MD", "-Werror", "-O2", "-g", path):
                kept.append(word)
        return kept + ["-O1", "-w", "-U_FORTIFY_SOURCE"]

    def compile(self, path, text, to):
        """The text as if it stood in the file."""
        mutant = f"{os.path.dirname(to)}/{os.path.basename(path)}"
        with open(mutant, "w", encoding="utf-8") as file:
            file.write(text)
        subprocess.run([*self.flags(path), "-c", mutant, "-o", to], check=True)

    def link(self, path, objects, to):
        # what an object defines is not taken from a library again
        subprocess.run([*self.flags(path), *objects, *self.libraries, "-pie",
                        "-o", to], check=True)


def verdict(program):
    """0 if the self-test found all, else how it noticed."""
    try:
        return subprocess.run([program], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=LIMIT,
                              check=False).returncode
    except subprocess.TimeoutExpired:
        return "timeout"


def main(every, source, build, path, *libraries):
    chosen = MUTANTS[::int(every)]
    tools = Build(source, build, libraries)
    survivors = []
    with tempfile.TemporaryDirectory() as directory:
        program, main_object = f"{directory}/selftest", f"{directory}/main.o"
        with open(path, encoding="utf-8") as file:
            tools.compile(path, file.read(), main_object)
        tools.link(path, [main_object], program)
        if verdict(program) != 0:
            fail("the self-test misses something without any mutant")

        for name, line, replacement in chosen:
            victim = f"{source}/policy/{name}"
            tools.compile(victim, mutate(victim, line, replacement),
                          f"{directory}/mutant.o")
            tools.link(path, [main_object, f"{directory}/mutant.o"], program)
            if verdict(program) == 0:
                survivors.append(f"policy/{name}: {line}")
    for survivor in survivors:
        print(f"not noticed: {survivor}")
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} noticed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
