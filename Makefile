# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

PLAN = emergency
HOSTS = 20
SEEDS = 200
FLEETS = 3
DATABASES = 3
EXAMPLES = 5000
ROWS = 1 10 50

help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' Makefile | expand -t 20

demo: ## 12 bots on loopback from live on a bad version to safe and restored; PLAN=go_live for the 6 with a flag
	@python3 tools/setup.py demo
	@tools/demo.sh $(PLAN)

demo-down: ## stop the demo's bots and remove what they left
	@[ ! -x .cache/venv/bin/python ] || .cache/venv/bin/python demo/fleet.py down

bench-questdb: ## measure backups and restores of ROWS="1 10 50" million rows against cp and rsync; an hour
	@python3 tools/setup.py bench
	@python3 tools/questdb.py >/dev/null
	@PYTHONPATH=.cache/collections .cache/venv/bin/python -m tests.benchmark.questdb $(ROWS)

test: setup ## every part of the tests; PARTS="lint sanity(2.18)" for some
	@.cache/venv/bin/python tools/test.py '$(PARTS)'

lint typing unit playbooks: setup ## one part of the tests
	@.cache/venv/bin/nox --session $@

fleet: setup ## HOSTS=20 containers with systemd and sshd, a live bot on each; inventory .cache/fleet/hosts.yml; needs root
	@.cache/venv/bin/python tests/fleet/fleet.py up --hosts $(HOSTS) --bots

fleet-down: ## remove them
	@[ ! -x .cache/venv/bin/python ] || .cache/venv/bin/python tests/fleet/fleet.py down

bench: ## measure it on 12, 48 and 200 bots and write docs/benchmarks.md, about an hour
	@python3 tools/setup.py bench
	@.cache/venv/bin/python -m tests.benchmark.bench
	@.cache/venv/bin/python -m tests.benchmark.report

bench-fleet: ## measure it on HOSTS=20 containers over SSH, against builtin modules and a shell script; needs root
	@python3 tools/setup.py bench
	@.cache/venv/bin/python -m tests.benchmark.fleet --hosts $(HOSTS)
	@.cache/venv/bin/python -m tests.benchmark.fleet_report

bench-exposure: ## measure how long it takes until an account is flat, against a plain script with ccxt; a quarter of an hour
	@python3 tools/setup.py bench
	@PYTHONPATH=.cache/collections .cache/venv/bin/python -m tests.benchmark.exposure

data-check: setup ## deploy, trade, deploy badly, restore, find every row, with a real QuestDB
	@python3 tools/questdb.py >/dev/null
	@PYTHONPATH=.cache/collections .cache/venv/bin/python -m tests.data.check

faults: setup ## SEEDS=200 random faults at random moments, each on six hosts of one of FLEETS=3, and docs/reliability.md with what came of them; needs root
	@PYTHONPATH=.cache/collections BOTFLEET_FLEET=faults .cache/venv/bin/python -m tests.faults.run --seeds $(SEEDS) --fleets $(FLEETS) --write

data-faults: setup ## SEEDS=200 random faults while a QuestDB is backed up, restored and filled again, on DATABASES=3 hosts, and docs/reliability.md with what came of them; needs root
	@python3 tools/questdb.py >/dev/null
	@PYTHONPATH=.cache/collections .cache/venv/bin/python -m tests.data.run --seeds $(SEEDS) --hosts $(DATABASES) --write

luck: setup ## EXAMPLES=5000 nights of random accounts with random faults at each emulated exchange, an hour and a half
	@BOTFLEET_EXAMPLES=$(EXAMPLES) .cache/venv/bin/python -m pytest -n 3 --timeout 0 -rP \
	  tests/unit/plugins/module_utils/_exposure/test_bad_luck.py

setup: ## what the tests and a checkout need: .cache/venv, .cache/collections
	@python3 tools/setup.py test

clean: demo-down ## remove all that was made here, but no record of a rollback
	rm -rf .cache .ansible tests/output

.PHONY: help demo demo-down bench bench-fleet bench-exposure bench-questdb test lint typing unit playbooks fleet fleet-down faults luck data-check data-faults setup clean
