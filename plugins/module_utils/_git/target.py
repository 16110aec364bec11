# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version a work tree runs, and which one is wanted (S1.4). PRIVATE to the collection."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from .._operation import OperationError
from .changes import read_status
from .deploy_tags import BadTags, last_tags, newest_at, predecessor
from .memory import Memory, Note, Version, read_memory
from .work_tree import Git, GitFailed

PREVIOUS, CURRENT = "previous", "current"


@dataclass(frozen=True)
class Situation:
    """What is there.

    version: HEAD, with the tag that runs: the one on HEAD, else the nearest one that HEAD descends from
    ahead: commits by which HEAD is past that tag
    changed: tracked files that differ from HEAD, with their status letters
    tags: every tag of the repository, by name, with its commit
    """

    git: Git
    version: Version
    ahead: int
    changed: dict[str, str]
    tags: dict[str, str]
    memory: Memory

    @property
    def rolled_back(self) -> Note | None:
        """The rollback that led here; a deploy since then has moved HEAD, and so forgets it."""
        note = self.memory.rollback
        return note if note and note.target.commit == self.version.commit else None


@dataclass(frozen=True)
class Target:
    """The wanted version. ``fetched``: whether the tag is in the repository already."""

    tag: str
    commit: str
    fetched: bool


def look(git: Git, pattern: str, wanted: str | None = None) -> Situation:
    """Read it. Where several tags are on HEAD, the wanted one runs, or the newest in deploy order."""
    status = read_status(git)
    if status.commit is None:
        raise OperationError(f"{git.path} has no commit yet: deploy the bot first")
    commit = status.commit
    memory, tags = read_memory(git), read_tags(git)
    candidates = [wanted, memory.rollback.target.tag if memory.rollback else None]
    tag = next((name for name in candidates if name and tags.get(name) == commit), None)
    tag = tag or newest_at(matching(tags, pattern), commit) or _nearest(git, tags, pattern)
    past = tag is not None and tags[tag] != commit
    ahead = int(git.read("rev-list", "--count", f"refs/tags/{tag}..HEAD")) if past else 0
    return Situation(git, Version(commit, tag, status.branch), ahead, status.tracked, tags, memory)


def read_tags(git: Git) -> dict[str, str]:
    """The tags that name commits, annotated or not, with their commits."""
    form = "%(refname) %(objecttype) %(objectname) %(*objecttype) %(*objectname)"
    tags = {}
    for line in git.read("for-each-ref", f"--format={form}", "refs/tags").splitlines():
        ref, kind, commit, peeled_kind, peeled = [*line.split(" "), "", ""][:5]
        if kind == "tag":
            kind, commit = peeled_kind, peeled
        if kind == "tag":
            kind, commit = "commit", git.run("rev-parse", "-q", "--verify", f"{ref}^{{commit}}").out.strip()
        if kind == "commit" and commit:
            tags[ref[len("refs/tags/") :]] = commit
    return tags


def matching(tags: Mapping[str, str], pattern: str) -> dict[str, str]:
    """The tags whose name matches the pattern."""
    return {tag: commit for tag, commit in tags.items() if fnmatchcase(tag, pattern)}


def _nearest(git: Git, tags: Mapping[str, str], pattern: str) -> str | None:
    described = git.run("describe", "--tags", "--abbrev=0", f"--match={pattern}", "HEAD")
    commit = tags.get(described.out.strip()) if described.code == 0 else None
    return newest_at(matching(tags, pattern), commit) if commit else None


class Targets:
    """Finds the wanted version; asks the remote, at most once, only as ``fetch`` allows."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._remote: str = options["remote"]
        self._seconds_left = float(options["fetch_timeout"])
        self._remote_tags: dict[str, str] | None = None

    def find(self, here: Situation, *, local_only: bool = False) -> Target:
        """The wanted version, without changing anything; raises OperationError when there is none."""
        wanted, mode = self._options["target"], "never" if local_only else self._options["fetch"]
        remote = self._ask(here.git) if mode == "always" else {}
        bad = self._bad(here)
        if not wanted:
            choice = last_tags(matching({**remote, **here.tags}, self._options["pattern"]), bad)
            raise OperationError(
                f"target is not given for {here.git.path}: name a tag or '{PREVIOUS}'; of the tags, {choice}"
            )
        if wanted == CURRENT and here.version.tag:
            return Target(here.version.tag, here.version.commit, fetched=True)
        choose = self._previous if wanted == PREVIOUS else self._named
        tag, problem = choose(here, {**remote, **here.tags}, bad), ""
        if not tag and mode == "auto":
            try:
                remote = self._ask(here.git)
                tag = choose(here, {**remote, **here.tags}, bad)
            except OperationError as error:
                problem = f"; {error}"
        if not tag:
            raise OperationError(self._not_found(here, {**remote, **here.tags}, bad) + problem)
        self._refuse_moved(tag, here, remote)
        return Target(tag, here.tags.get(tag) or remote[tag], tag in here.tags)

    def fetch(self, git: Git, target: Target) -> None:
        """Bring the tag here, and its commit alone where the clone is shallow."""
        missing = git.run("cat-file", "-e", f"{target.commit}^{{commit}}").code != 0
        depth = ["--depth=1"] if git.shallow and missing else []
        ref = f"refs/tags/{target.tag}"
        try:
            self._contact(git, "fetch", "-q", "--no-tags", "--no-prune", *depth, "--", self._remote, f"{ref}:{ref}")
        except GitFailed as error:
            raise OperationError(f"{target.tag} could not be fetched into {git.path}: {error.reason}") from None
        fetched = read_tags(git).get(target.tag)
        if fetched != target.commit:
            raise OperationError(self._moved(target.tag, fetched or "no commit", target.commit))

    def _ask(self, git: Git) -> dict[str, str]:
        """The remote's tags with their commits."""
        if self._remote_tags is None:
            try:
                listed = self._contact(git, "ls-remote", "-q", "--tags", "--", self._remote)
            except GitFailed as error:
                name = "the remote" if "://" in self._remote else self._remote
                raise OperationError(f"{name} of {git.path} could not be asked for tags: {error.reason}") from None
            tags = {}
            for line in listed.splitlines():
                commit, _tab, ref = line.partition("\t")
                # The commit of an annotated tag follows its object, as the same name with ^{}.
                tags[ref[len("refs/tags/") :].replace("^{}", "")] = commit
            self._remote_tags = tags
        return self._remote_tags

    def _contact(self, git: Git, *arguments: str) -> str:
        """Talk to the remote; all of it together has ``fetch_timeout``."""
        began = time.monotonic()
        try:
            return git.contact(*arguments, timeout=self._seconds_left)
        finally:
            self._seconds_left = max(0.0, self._seconds_left - (time.monotonic() - began))

    def _named(self, here: Situation, tags: Mapping[str, str], bad: BadTags) -> str | None:
        tag: str = self._options["target"]
        if bad.has(tag, tags.get(tag)):
            named = "is known to be bad" if tag in bad.names else "is the same commit as one that is known to be bad"
            raise OperationError(f"{tag} {named} for {here.git.path}: name another one, or take it off the bad ones")
        return tag if tag in tags else None

    def _previous(self, here: Situation, tags: Mapping[str, str], bad: BadTags) -> str | None:
        stay = here.rolled_back.target if here.rolled_back else None
        if stay and stay.tag and stay.tag in tags and not bad.has(stay.tag, stay.commit):
            return stay.tag
        series = matching(tags, self._options["pattern"])
        running = here.version.tag or newest_at(series, here.version.commit)
        return predecessor(series, running, bad) if running else None

    def _bad(self, here: Situation) -> BadTags:
        named = {tag: here.tags.get(tag) for tag in self._options["known_bad"]}
        commits = {commit for commit in [*named.values(), *here.memory.bad.values()] if commit}
        return BadTags(frozenset([*named, *here.memory.bad]), frozenset(commits))

    def _refuse_moved(self, tag: str, here: Situation, remote: Mapping[str, str]) -> None:
        if tag in here.tags and tag in remote and here.tags[tag] != remote[tag]:
            raise OperationError(self._moved(tag, here.tags[tag], remote[tag]))

    def _moved(self, tag: str, here: str, there: str) -> str:
        return (
            f"the tag {tag} has moved: it is {here} in {self._options['path']} and {there} on the remote; "
            "find out which one was deployed, then give that one a tag of its own"
        )

    def _not_found(self, here: Situation, tags: Mapping[str, str], bad: BadTags) -> str:
        pattern, target = self._options["pattern"], self._options["target"]
        series = matching(tags, pattern)
        choice = last_tags(series, bad)
        if target in (PREVIOUS, CURRENT) and tags and not series:
            other = newest_at(tags, here.version.commit)
            there_are = f"the commit that runs has {other}" if other else f"of all tags, {last_tags(tags, bad)}"
            return f"no tag of {here.git.path} matches {pattern}; {there_are}: mend pattern"
        if target != PREVIOUS:
            named = f"the tag {target} is not in {here.git.path}"
            return f"{named}: name one that is, or push it to its remote; of the tags {pattern}, {choice}"
        return (
            f"{here.git.path} runs {here.version}, and no good tag {pattern} was deployed before it: "
            f"name a target; of the tags {pattern}, {choice}"
        )
