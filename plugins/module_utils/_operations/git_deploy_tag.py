# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bot's code at a deploy tag (S1.4, S1.6, S0.7). PRIVATE to the collection."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from functools import cached_property
from typing import Any, ClassVar

from .._command import TimedOut, run
from .._git.changes import Changes, find_changes, save, tree_files, within
from .._git.checkout import differing, edited, go, go_back
from .._git.deploy_tags import is_later
from .._git.memory import BAD, ROLLBACK, UNFINISHED, Note, Version, read_memory, remember, write_note
from .._git.target import Situation, Target, Targets, look
from .._git.work_tree import Git, one_line
from .._operation import Context, NotUndone, Operation, OperationError, Plan, State

LISTED = 20
"""Files or commits that a message or a diff lists at most."""
BUILD_LINES = 10


class GitDeployTag(Operation):
    """Brings a git work tree to a tag, or to the predecessor of the one that runs, and remembers from where."""

    OPTIONS: ClassVar[dict[str, Any]] = {
        "path": {"type": "path", "required": True},
        "target": {"type": "str"},
        "pattern": {"type": "str", "default": "deploy-*"},
        "remote": {"type": "str", "default": "origin"},
        "fetch": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"},
        "fetch_timeout": {"type": "int", "default": 30},
        "paths": {"type": "list", "elements": "str", "default": []},
        "local_changes": {"type": "str", "choices": ["stash", "refuse"], "default": "stash"},
        "clean_untracked": {"type": "bool", "default": False},
        "known_bad": {"type": "list", "elements": "str", "default": []},
        "mark_bad": {"type": "bool", "default": False},
        "build": {"type": "list", "elements": "str", "default": []},
        "build_timeout": {"type": "int", "default": 600},
    }
    PROOF_IS_STATE = True

    def __init__(self, options: dict[str, Any], context: Context) -> None:
        super().__init__(options, context)
        options["paths"] = [_inside(path) for path in options["paths"]]
        self._targets = Targets(options)
        self._seen: tuple[Situation, Target]  # by observe, for plan

    def observe(self) -> State:
        here = self._look()
        self._seen = here, self._targets.find(here)
        return self._state(*self._seen)

    def plan(self, before: State) -> Plan:
        here, target = self._seen
        unfinished, left = self._unfinished(here), self._left_tag(here, target)
        moves = self._moves(here, target)
        actions, changes = [], Changes()
        if moves:
            part = f"restore {', '.join(self.options['paths'])} from" if self.options["paths"] else "check out"
            actions.append(f"{part} {_name(target)} in place of {here.version}")
            changes = self._local_changes(here, target)
        elif unfinished:
            actions.append(f"finish the change to {_name(target)} that was interrupted")
        if changes:
            self._refuse_changes(changes, unfinished)
            actions.append(f"stash {len(changes.paths)} locally changed files")
        if self.options["build"] and actions:
            actions.append(f"build with {self.options['build'][0]}")
        if left:
            actions.append(f"remember that {left} is bad")
        diff = [self._diff(here, target)] if moves else []
        return Plan(actions, diff, {"here": here, "target": target, "left": left, "changes": changes})

    def apply(self, plan: Plan) -> State:
        here, target, left = plan.data["here"], plan.data["target"], plan.data["left"]
        unfinished, changes, fetched = self._unfinished(here), plan.data["changes"], not target.fetched
        if fetched:
            self._targets.fetch(here.git, target)
            target = replace(target, fetched=True)
        moves = self._moves(here, target)
        if fetched and moves:
            changes = self._local_changes(here, target)
            self._refuse_changes(changes, unfinished)
        saved = save(here.git, changes, f"botfleet: local changes before {target.tag}")
        note = Note(
            origin=unfinished.origin if unfinished else here.version,
            target=Version(target.commit, target.tag),
            stash=unfinished.stash if unfinished else saved,
            earlier=unfinished.earlier if unfinished else here.memory.rollback_id,
            paths=self.options["paths"],
        )
        change = {
            **asdict(note),
            "changed": bool(moves or unfinished),
            "fetched": fetched,
            "marked_bad": left,
        }
        change["left_over"] = saved if unfinished else None
        updates: dict[str, str | None] = {f"{BAD}{left}": here.tags[left]} if left else {}
        if change["changed"]:
            updates[UNFINISHED] = write_note(here.git, note)
            if not note.paths:
                updates[ROLLBACK] = None if self._is_forward(here.git, note) else updates[UNFINISHED]
        remember(here.git, updates)
        if change["changed"]:
            self._carry(here.git, note, changes, moves)
            remember(here.git, {UNFINISHED: None})
        return change

    def prove(self) -> State:
        here = self._look()
        target = self._targets.find(here, local_only=True)
        if self.options["paths"]:
            differ = differing(here.git, target.commit, self.options["paths"])
            if differ:
                raise OperationError(f"{here.git.path} does not have these as in {_name(target)}: {_listed(differ)}")
        elif here.version.commit != target.commit:
            raise OperationError(f"{here.git.path} is on {here.version}, not on {_name(target)}: roll it back again")
        if self._unfinished(here) and self.options["build"]:
            raise OperationError(f"the build of {target.tag} in {here.git.path} has not ended: roll it back again")
        return self._state(here, target)

    def undo(self, change: State) -> str:
        marked = f"; {change['marked_bad']} stays marked as bad" if change["marked_bad"] else ""
        git, note = self._git, Note.from_json({name: change[name] for name in Note.__dataclass_fields__})
        if not change["changed"]:
            return f"{git.path} was not changed{marked}"
        head, memory = git.read("rev-parse", "HEAD"), read_memory(git)
        unfinished = memory.unfinished if memory.unfinished and memory.unfinished.undo else None
        if not note.is_about(head) or (note.paths and head != note.origin.commit):
            raise NotUndone(f"{git.path} has moved to {head[:12]} since: it was left alone")
        if head == note.origin.commit != note.target.commit and not note.paths and not unfinished:
            remember(git, {ROLLBACK: note.earlier})
            return f"{git.path} is on {note.origin} already{marked}"
        kept = go_back(git, note, unfinished)
        if self.options["build"]:
            self._build(git)
        stay = f"; edited since, and left so: {_listed(kept)}" if kept else ""
        return f"{git.path} is back on {note.origin}{stay}{marked}"

    @cached_property
    def _git(self) -> Git:
        return Git(self.options["path"], self.context.remaining)

    def _look(self) -> Situation:
        return look(self._git, self.options["pattern"], self.options["target"])

    def _state(self, here: Situation, target: Target) -> State:
        rolled_back = here.rolled_back
        state: State = {
            "path": here.git.path,
            "commit": here.version.commit,
            "tag": here.version.tag,
            "ahead": here.ahead,
            "branch": here.version.branch,
            "detached": here.version.branch is None,
            "dirty": bool(here.changed),
            "shallow": here.git.shallow,
            "target": {"tag": target.tag, "commit": target.commit},
            "bad": sorted({*here.memory.bad, *self.options["known_bad"]}),
            "rolled_back": None,
            "unfinished": self._unfinished(here) is not None,
        }
        if rolled_back:
            ends = {"from": rolled_back.origin, "to": rolled_back.target}
            state["rolled_back"] = {end: {"tag": it.tag, "commit": it.commit} for end, it in ends.items()}
        if self.options["paths"]:
            state["differing"] = self._differing(here, target)
        return state

    def _differing(self, here: Situation, target: Target) -> list[str]:
        """Files in ``paths`` that the target would change; what is not fetched yet cannot be compared."""
        paths: list[str] = self.options["paths"]
        if not target.fetched:
            return paths
        known = [*tree_files(here.git, target.commit), *here.git.names("ls-files", "-z", "--", *paths)]
        for path in paths:
            if not any(within(name, [path]) for name in known):
                raise OperationError(f"{path} is neither in {_name(target)} nor in {here.git.path}: mend the paths")
        return differing(here.git, target.commit, paths)

    def _moves(self, here: Situation, target: Target) -> bool:
        if self.options["paths"]:
            return bool(self._differing(here, target))
        return here.version.commit != target.commit

    def _unfinished(self, here: Situation) -> Note | None:
        """The change of the same kind that a crash has interrupted here."""
        note = here.memory.unfinished
        return note if note and note.is_about(here.version.commit) and note.paths == self.options["paths"] else None

    def _local_changes(self, here: Situation, target: Target) -> Changes:
        """What would be lost. Of a tag that is not fetched the files are unknown: ``apply`` looks again."""
        paths, commits = self.options["paths"], [target.commit] if target.fetched else []
        commits = commits if paths else ["HEAD", *commits]
        changes = find_changes(
            here.git,
            commits,
            paths=paths,
            clean_untracked=self.options["clean_untracked"],
            tracked=None if paths else here.changed,
        )
        if not paths:
            return changes
        return changes.split({*self._differing(here, target), *changes.untracked})[0]

    def _refuse_changes(self, changes: Changes, unfinished: Note | None) -> None:
        """What an interrupted run left half done is no local change, and is stashed all the same."""
        if changes and self.options["local_changes"] == "refuse" and not unfinished:
            raise OperationError(
                f"{self.options['path']} has local changes: {_listed(changes.paths)}; "
                "commit them, or set local_changes to stash, which keeps them"
            )

    def _left_tag(self, here: Situation, target: Target) -> str | None:
        """The tag that is left for the target, now or when it was rolled back, unless it is marked already."""
        if not self.options["mark_bad"] or self.options["paths"]:
            return None
        came = self._unfinished(here) or (here.rolled_back if here.version.commit == target.commit else None)
        left = came.origin.tag if came else here.version.tag
        if not left or left in here.memory.bad or here.tags.get(left, target.commit) == target.commit:
            return None
        return left

    def _is_forward(self, git: Git, note: Note) -> bool:
        """Whether this is a deploy of something newer, which is no rollback to stay at."""
        tag, running = note.target.tag, note.origin.tag
        later = is_later(tag, running) if tag and running else None
        if later is None:
            return git.run("merge-base", "--is-ancestor", note.origin.commit, note.target.commit).code == 0
        return later

    def _carry(self, git: Git, note: Note, changes: Changes, moves: bool) -> None:
        """Check out and build; what fails is put back, whatever time the step has left."""
        keep: list[str] = []
        try:
            if moves:
                go(git, note, changes)
            if self.options["build"]:
                keep = edited(git, note.paths)
                self._build(git)
        except OperationError as error:
            patient = Git(git.path, lambda seconds: seconds)
            try:
                go_back(patient, note, keep=keep)
            except OperationError as second:
                raise OperationError(f"{error}; and {note.origin} could not be put back: {second}") from error
            raise OperationError(f"{error}; {git.path} is back on {note.origin}") from error

    def _build(self, git: Git) -> None:
        """Run the build as the owner of the tree. Its last lines are in the error when it fails."""
        argv, limit = self.options["build"], self.context.remaining(self.options["build_timeout"])
        try:
            built = run(
                argv,
                timeout=limit,
                cwd=git.path,
                user=git.user,
                environment=git.environment,
                die_with_caller=True,
            )
            problem = f"failed with exit code {built.code}" if built.code else ""
        except TimedOut as error:
            built, problem = error.finished, f"did not end within {limit:g} s and was killed"
        if problem:
            said = one_line(built.last_lines(BUILD_LINES))
            raise OperationError(f"the build with {argv[0]} {problem} ({said}): mend it")

    def _diff(self, here: Situation, target: Target) -> dict[str, str]:
        name = here.git.path
        before, after = [str(here.version)], [_name(target)]
        if self.options["paths"]:
            before += self._differing(here, target)
        elif target.fetched:
            left = [f"{target.commit}..HEAD"]
            commits = here.git.read("log", f"-n{LISTED + 1}", "--format=%h %s", *left).splitlines()
            before += map(one_line, commits[:LISTED])
            if len(commits) > LISTED:
                before.append(f"and {int(here.git.read('rev-list', '--count', *left)) - LISTED} more commits")
        return {
            "before_header": name,
            "after_header": name,
            "before": "\n".join([*before, ""]),
            "after": "\n".join([*after, ""]),
        }


def _inside(path: str) -> str:
    """A path of the tree, normalized; one that leads out of it is an error."""
    normal = os.path.normpath(path)
    if not path or os.path.isabs(path) or normal.split("/")[0] in ("..", ".git"):
        raise OperationError(f"paths has {path!r}, which is not a path in the tree: write it relative to its top")
    return normal


def _name(target: Target) -> str:
    return str(Version(target.commit, target.tag))


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
