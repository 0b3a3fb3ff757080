#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Expand the cases of this directory and ask the JSON Schemas about each.

usage: expand.py SCHEMA_DIR BASE_DIR

A case is [pointer] (remove that), [pointer, value] (set it) or [pointer, value,
remark], applied to a good document. One line each on stdout, tab-separated:
what the case says, what the schema says, the file and pointer, the document.
"""
import copy
import json
import pathlib
import sys

import jsonschema


def edit(document, pointer, value=None, *, remove):
    if not pointer:
        return value
    document = copy.deepcopy(document)
    *parents, last = pointer.split("/")[1:]
    at = document
    for key in parents:
        at = at[int(key) if isinstance(at, list) else key]
    last = int(last) if isinstance(at, list) else last
    if remove:
        del at[last]
    else:
        at[last] = value
    return document


def main(schemas, base):
    for path in sorted(pathlib.Path(__file__).parent.glob("*.json")):
        cases = json.loads(path.read_text())
        document = json.loads((base / cases["base"]).read_text())
        if "item" in cases:
            document = document[cases["item"]]
        schema = schemas / (document["kind"].lower() + ".schema.json")
        schema = json.loads(schema.read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        for expected in "good", "bad":
            for case in [None] + cases[expected] if expected == "good" else cases[expected]:
                edited = document
                if case:
                    edited = edit(document, *case[:2], remove=len(case) == 1)
                says = "good" if validator.is_valid(edited) else "bad"
                what = f"{path.name} {json.dumps(case)}"
                print(expected, says, what, json.dumps(edited), sep="\t")


main(*map(pathlib.Path, sys.argv[1:]))
