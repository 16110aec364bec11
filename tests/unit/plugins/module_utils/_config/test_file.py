# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values in config files, changed in place (S4.3, S4.4)."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils import _operation
from ansible_collections.tradeops.botfleet.plugins.module_utils._config.file import (
    ConfigFile,
    dotted_key,
    format_of,
    parse_key,
)
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError

CANARY = "canary-4f1c2e"


def edited(format_name, text, values, tmp_path):
    """The file's text after the values were written to a real file."""
    path = tmp_path / "config"
    path.write_bytes(text.encode())
    ConfigFile.read(str(path), format_name).with_values({parse_key(k): v for k, v in values.items()}).write()
    return path.read_bytes().decode()


YAML = """\
# Exchanges.   Odd   spacing stays.
---
exchanges:   # all of them
    binance:
        testnet: false   # was true in staging
        api_key: 'prod''key'
        api_secret: "prod\\u0041secret"
        limits: {rate: 10, burst: [1,2,   3]}
    bybit:
      testnet:    False
      api_key: plainkey
      note: >-
        folded
        text

      pem: |
        line one
        line two

# a comment between
other:
- testnet: false
-   testnet: false # second
"quoted key": yes
a.b: {c: false}
very_long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb cccccccccccccccccccccc
"""


@pytest.mark.parametrize(
    ("key", "wanted", "old", "new"),
    [
        ("exchanges.binance.testnet", True, "testnet: false   # was", "testnet: true   # was"),
        ("exchanges.bybit.testnet", True, "testnet:    False", "testnet:    True"),
        ("other.1.testnet", True, "testnet: false # second", "testnet: true # second"),
        ("quoted key", False, '"quoted key": yes', '"quoted key": false'),
        (r"a\.b.c", True, "{c: false}", "{c: true}"),
        ("exchanges.binance.api_key", "test'key", "'prod''key'", "'test''key'"),
        ("exchanges.binance.api_secret", 'x"\\', '"prod\\u0041secret"', '"x\\"\\\\"'),
        ("exchanges.bybit.api_key", "a: b #c", "plainkey", '"a: b #c"'),
        ("exchanges.bybit.pem", "one\ntwo\n", "|\n        line one\n        line two", '"one\\ntwo\\n"'),
        ("exchanges.bybit.note", "é😀", ">-\n        folded\n        text", '"é😀"'),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_yaml_changes_only_the_value(key, wanted, old, new, ending, bom, tmp_path):
    """S4.3, S4.4: every other byte stays, with either line end and with a byte order mark."""
    text = bom + YAML.replace("\n", ending)
    old, new = old.replace("\n", ending), new.replace("\n", ending)
    assert text.count(old) == 1
    assert edited("yaml", text, {key: wanted}, tmp_path) == text.replace(old, new)


def test_yaml_keeps_a_missing_final_line_end_and_fills_an_empty_value(tmp_path):
    assert edited("yaml", "a:\n  b:\n  c: false", {"a.c": True}, tmp_path) == "a:\n  b:\n  c: true"
    assert edited("yaml", "a:\n  b:   # none yet\n  c: false", {"a.b": "x"}, tmp_path) == (
        'a:\n  b: "x"   # none yet\n  c: false'
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "e:\n  x:   # here\n    # first\n    t: false\n",
            'e:\n  x:   # here\n    # first\n    k: "v"\n    t: false\n',
        ),
        ("e:\n  x: {t: false}\n", 'e:\n  x: {k: "v", t: false}\n'),
        ("e:\n  x: {}\n", 'e:\n  x: {k: "v"}\n'),
    ],
)
def test_yaml_adds_a_missing_key_to_its_mapping(before, after, tmp_path):
    assert edited("yaml", before, {"e.x.k": "v"}, tmp_path) == after


def test_yaml_adds_a_missing_key_to_a_mapping_in_a_list(tmp_path):
    assert edited("yaml", "e:\n- t: false\n- t: 1\n", {"e.0.k": "v"}, tmp_path) == 'e:\n- k: "v"\n  t: false\n- t: 1\n'


ANCHORS = """\
defaults: &defaults
  testnet: false
exchanges:
  binance:
    <<: *defaults
    api_key: a
  bybit: &bybit
    testnet: &switch false
  okx: *bybit
  kraken:
    testnet: *switch
"""


def test_an_inherited_value_is_written_out_for_its_exchange_alone(tmp_path):
    """S4.4: a merge key shares a value; the others and the defaults keep theirs."""
    changed = edited("yaml", ANCHORS, {"exchanges.binance.testnet": True}, tmp_path)
    assert changed == ANCHORS.replace("    <<: *defaults", "    testnet: true\n    <<: *defaults")


@pytest.mark.parametrize("exchange", ["bybit", "okx", "kraken"])
def test_a_value_shared_through_an_anchor_never_changes_another_exchange(exchange, tmp_path):
    """S4.4: the error names one that would have changed, and nothing is written."""
    with pytest.raises(OperationError, match=r"cannot be changed alone: exchanges\.\w+\.testnet would change too"):
        edited("yaml", ANCHORS, {f"exchanges.{exchange}.testnet": True}, tmp_path)
    assert (tmp_path / "config").read_text() == ANCHORS


def test_a_value_shared_by_all_that_are_to_change_is_changed_once(tmp_path):
    keys = [f"exchanges.{name}.testnet" for name in ("bybit", "okx", "kraken")]
    assert edited("yaml", ANCHORS, dict.fromkeys(keys, True), tmp_path) == ANCHORS.replace(
        "&switch false", "&switch true"
    )


def test_two_values_for_one_shared_place_are_refused(tmp_path):
    text = "x: &x {k: one}\ny: *x\n"
    with pytest.raises(OperationError, match="shares its value through an anchor"):
        edited("yaml", text, {"x.k": "a", "y.k": "b"}, tmp_path)


def test_a_key_without_a_colon_is_left_alone(tmp_path):
    text = "x: {a, b: 1}\n? c\n"
    for key in ("x.a", "c"):
        with pytest.raises(OperationError, match="cannot be changed in place, change it by hand") as failure:
            edited("yaml", text, {key: CANARY}, tmp_path)
        assert CANARY not in str(failure.value)
    assert (tmp_path / "config").read_text() == text


def test_an_anchor_stays_and_a_tag_goes(tmp_path):
    text = 'a: &t !!bool "false"\nb: !secret |\n  abc\nc: 1\n'
    assert edited("yaml", text, {"a": True, "b": "x"}, tmp_path) == 'a: &t true\nb: "x"\nc: 1\n'


@pytest.mark.parametrize("word", ["yes", "on", "no", "OFF"])
def test_words_that_yaml_readers_disagree_about_are_switches_but_never_settled(word):
    """S4.3: YAML 1.1 reads them as booleans, 1.2 as strings that are true in Python."""
    node = ConfigFile("/x", "yaml", f"a: {word}\n").switch(("a",))
    assert not node.holds(True)
    assert not node.holds(False)


@pytest.mark.parametrize(
    ("format_name", "text", "said"),
    [
        ("yaml", f"a: [{CANARY}\nb: 2\n", r"line 2, column 2"),
        ("yaml", f"a: [1\nb: {CANARY}\n", r"line 2, column 2: .*expected ',' or '\]'"),
        ("yaml", f"a: 1\nsecret: *{CANARY}\n", r"line 2, column \d+: found undefined alias"),
        ("yaml", f'a: "{CANARY}\\q"\n', r"line 1, column \d+: found unknown escape"),
        ("yaml", f"a: !{CANARY}!x 1\n", r"line 1, column 4"),
        ("yaml", "a:\n\tb: 1\n", r"line 2, column 1"),
        ("yaml", "a: 1\nb: 2\na: 3\n", r"line 3, column 1: the key 'a' is given twice"),
        ("yaml", "a: 1\n---\nb: 2\n", r"line 2, column 1: a second document begins"),
        ("yaml", "a: \x07\n", r"line 1, column 4"),
        ("yaml", "a: &a\n- *a\n", r"an anchor holds itself"),
        ("yaml", "[" * 5000, r"nested too deeply"),
        ("json", f'{{"a": 1,\n "b": {CANARY}}}', r"line 2, column 7: Expecting value"),
        ("json", '{"a": 1}\n{"b": 2}', r"line 2, column 1: Extra data"),
        ("json", '{"a": {"x": 1,\n"x": 2}}', r"line 2, column 6: the key 'x' is given twice"),
        ("json", "", r"line 1, column 1: Expecting value"),
        ("json", "[" * 100000, r"nested too deeply"),
    ],
)
def test_malformed_text_is_one_sentence_with_its_place_and_none_of_its_content(format_name, text, said, tmp_path):
    """S4.3: what cannot be read stays untouched."""
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(OperationError, match=said) as failure:
        ConfigFile.read(str(path), format_name)
    assert str(path) in str(failure.value)
    assert CANARY not in str(failure.value)
    assert "\n" not in str(failure.value)


def test_a_value_that_would_read_back_differently_is_refused(tmp_path):
    """A line separator in a quoted string is folded by readers of YAML."""
    with pytest.raises(OperationError, match="cannot be changed in place") as failure:
        edited("yaml", "a: x\n", {"a": f"{CANARY}\u2028 x"}, tmp_path)
    assert CANARY not in str(failure.value)
    assert (tmp_path / "config").read_text() == "a: x\n"


def test_warnings_of_the_parser_do_not_show_the_file(recwarn):
    """Some parsers warn of a reused anchor and print its line, others refuse it."""
    with contextlib.suppress(OperationError):
        ConfigFile("/x", "yaml", f"a: &x 1\nb: &x {CANARY}\n")
    assert not recwarn


def test_text_that_is_not_utf8_and_paths_that_are_no_file_are_refused(tmp_path):
    path = tmp_path / "config.yaml"
    with pytest.raises(OperationError, match="is not there"):
        ConfigFile.read(str(path), "yaml")
    path.write_bytes(b"a: \xff\n")
    with pytest.raises(OperationError, match="not UTF-8"):
        ConfigFile.read(str(path), "yaml")
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    with pytest.raises(OperationError, match="symlink"):
        ConfigFile.read(str(link), "yaml")
    with pytest.raises(OperationError, match=f"^{tmp_path} is not a regular file: name the file itself$"):
        ConfigFile.read(str(tmp_path), "yaml")


def test_a_missing_key_names_the_keys_that_are_there():
    config = ConfigFile("/etc/bot.yaml", "yaml", "a:\n  b: 1\n  c: true\nd: []\n")
    with pytest.raises(OperationError, match=r"/etc/bot\.yaml has no key a\.x: mend its name, a has b, c$"):
        config.switch(("a", "x"))
    with pytest.raises(OperationError, match=r"has no key x\.y: mend its name, the file has a, d$"):
        config.switch(("x", "y"))
    with pytest.raises(OperationError, match=r"a\.b in /etc/bot\.yaml is a number, not a boolean"):
        config.switch(("a", "b"))
    with pytest.raises(OperationError, match=r"the file holds no keys"):
        ConfigFile("/etc/bot.yaml", "yaml", "").switch(("a",))


JSON = """{
\t"z": 1.50, "big": 12345678901234567890, "n": NaN,
\t"exchanges": {
\t\t"a.b": {"testnet": false, "key": "p\\u00e4"},
\t\t"empty": {}
\t},
\t"list": [ {"on": true}, [] ]
}"""


@pytest.mark.parametrize(
    ("key", "wanted", "old", "new"),
    [
        (r"exchanges.a\.b.testnet", True, '"testnet": false', '"testnet": true'),
        (r"exchanges.a\.b.key", 'x"ü', '"p\\u00e4"', '"x\\"ü"'),
        ("list.0.on", False, '"on": true', '"on": false'),
        ("exchanges.empty.k", "v", '"empty": {}', '"empty": {"k": "v"}'),
        (r"exchanges.a\.b.k", "v", '{"testnet"', '{"k": "v", "testnet"'),
        ("exchanges.k", "v", '{\n\t\t"a.b"', '{\n\t\t"k": "v",\n\t\t"a.b"'),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_json_changes_only_the_value(key, wanted, old, new, ending, tmp_path):
    """S4.3, S4.4: numbers, escapes, indent and order stay as written."""
    text, old, new = (part.replace("\n", ending) for part in ("\ufeff" + JSON, old, new))
    assert text.count(old) == 1
    assert edited("json", text, {key: wanted}, tmp_path) == text.replace(old, new)


ENV = """\
# BINANCE_TESTNET=false
export BINANCE_TESTNET=false   # prod
BINANCE_API_KEY="prod key"
  BYBIT_TESTNET='0'
OKX_TESTNET=False
KRAKEN_TESTNET=
PEM="first
GATE_TESTNET=false
last"
SECRET=abc#def
EXPRESSION="$HOME/x"
TWO=1 THREE=2
OKX_TESTNET=no"""


@pytest.mark.parametrize(
    ("key", "wanted", "changes"),
    [
        ("BINANCE_TESTNET", True, [("export BINANCE_TESTNET=false", "export BINANCE_TESTNET=true")]),
        ("BYBIT_TESTNET", True, [("'0'", "'1'")]),
        ("KRAKEN_TESTNET", True, [("KRAKEN_TESTNET=", "KRAKEN_TESTNET=true")]),
        ("OKX_TESTNET", True, [("=False", "=True"), ("=no", "=yes")]),
        ("BINANCE_API_KEY", "k", [('"prod key"', '"k"')]),
        ("BINANCE_API_KEY", "k$1", [('"prod key"', "'k$1'")]),
        ("SECRET", "xyz", [("abc#def", "xyz")]),
        ("EXPRESSION", "$HOME/x", [('"$HOME/x"', "'$HOME/x'")]),
        ("BINANCE_API_SECRET", "s", [('"prod key"', '"prod key"\nBINANCE_API_SECRET=s')]),
        ("BINANCE_TESTKEY", "s", [("   # prod", "   # prod\nexport BINANCE_TESTKEY=s")]),
        ("OKX_TESTKEY", "s", [("OKX_TESTNET=False", "OKX_TESTNET=False\nOKX_TESTKEY=s")]),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_env_changes_only_the_value(key, wanted, changes, ending, tmp_path):
    """S4.4: exports, quotes, comments, line ends and the words of a switch stay; every duplicate is changed."""
    text = expected = ENV.replace("\n", ending)
    for old, new in changes:
        assert text.count(old) == 1 or old in ("export BINANCE_TESTNET=false", "OKX_TESTNET=False")
        expected = expected.replace(old, new.replace("\n", ending))
    assert edited("env", text, {key: wanted}, tmp_path) == expected


def test_an_edited_env_file_says_the_same_to_a_shell(tmp_path):
    """S4.4: read by a real shell, as the bot's start script would."""
    text = ENV.replace("TWO=1 THREE=2\n", "")
    path = str(tmp_path / "config")
    edited("env", text, {"BINANCE_TESTNET": True, "OKX_TESTNET": True, "BINANCE_API_KEY": 'a$b `c` "d"'}, tmp_path)
    shown = subprocess.run(
        [
            "/bin/sh",
            "-c",
            '. "$1"; printf "%s|" "$BINANCE_TESTNET" "$OKX_TESTNET" "$BINANCE_API_KEY" "$SECRET"',
            "sh",
            path,
        ],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    assert shown == 'true|yes|a$b `c` "d"|abc#def|'


def test_env_refuses_what_its_readers_disagree_about(tmp_path):
    with pytest.raises(OperationError, match="several assignments stand on one line"):
        edited("env", ENV, {"TWO": "x"}, tmp_path)
    with pytest.raises(OperationError, match="read differently") as failure:
        edited("env", ENV, {"SECRET": CANARY + "'"}, tmp_path)
    assert CANARY not in str(failure.value)
    with pytest.raises(OperationError, match="has no key GATE_TESTNET"):
        ConfigFile("/x", "env", ENV).switch(("GATE_TESTNET",))
    assert (tmp_path / "config").read_text() == ENV


def test_owner_and_mode_stay(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("a: false\n")
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 1234, 2345)
    ConfigFile.read(str(path), "yaml").with_values({("a",): True}).write()
    state = path.stat()
    assert state.st_mode & 0o7777 == 0o640
    if os.geteuid() == 0:
        assert (state.st_uid, state.st_gid) == (1234, 2345)


@pytest.mark.parametrize("dotted", ["a", "a.b.0", r"a\.b.c", r"back\\slash.x"])
def test_a_dotted_key_survives_the_way_there_and_back(dotted):
    assert dotted_key(parse_key(dotted)) == dotted


@pytest.mark.parametrize("dotted", ["", ".", "a..b", "a.", "a\\"])
def test_a_bad_dotted_key_is_an_error(dotted):
    with pytest.raises(OperationError, match="not a dotted key"):
        parse_key(dotted)


def test_the_format_comes_from_the_name():
    names = {"a.yaml": "yaml", "a.YML": "yaml", "env.json": "json", ".env": "env", ".env.prod": "env", "bot.env": "env"}
    assert {name: format_of(f"/etc/{name}") for name in names} == names
    assert format_of("/env/settings.toml") is None


def test_yaml_without_ruamel_is_one_sentence_and_json_needs_nothing():
    """S4.3 on a bare host, in a real interpreter that has the standard library alone."""
    root = os.path.abspath(os.path.join(os.path.dirname(_operation.__file__), *[os.pardir] * 5))
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from ansible_collections.tradeops.botfleet.plugins.module_utils._config import file as c\n"
        "print(c.ConfigFile('/x', 'json', '{\"a\": true}').switch(('a',)).value)\n"
        "print(c.ConfigFile('/x', 'env', 'A=1').switch(('A',)).value)\n"
        "try: c.ConfigFile('/x', 'yaml', 'a: 1')\n"
        "except c.OperationError as error: print(error)\n"
    )
    shown = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, root], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.splitlines()
    assert shown[:2] == ["True", "1"]
    assert shown[2].startswith(f"editing YAML needs ruamel.yaml on this host: install it for {sys.executable}")


def test_sharing_in_the_other_parts_of_a_file_costs_no_time():
    """A chain of anchors that would be 2^40 values written out."""
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)]
    config = ConfigFile("/x", "yaml", "\n".join([*lines, "flag: false\n"]))
    start = time.process_time()
    assert config.with_values({("flag",): True}).switch(("flag",)).holds(True)
    assert time.process_time() - start < 30


@pytest.mark.parametrize("format_name", ["json", "env"])
def test_five_megabytes_are_edited_in_seconds(format_name, tmp_path):
    rows = range(60000)
    if format_name == "json":
        text = (
            '{"on": false,\n "rows": ['
            + ",\n".join(f'{{"name": "symbol {n}", "tick": 0.01, "note": "{"x" * 40}"}}' for n in rows)
            + "]}"
        )
    else:
        text = "on=false\n" + "".join(f'export VARIABLE_{n}="{"x" * 60}" # note\n' for n in rows)
    assert len(text) > 5e6
    start = time.process_time()
    assert edited(format_name, text, {"on": True}, tmp_path) == text.replace("false", "true")
    assert time.process_time() - start < 30, "s of CPU, of which it takes a few: not quadratic in the size"
