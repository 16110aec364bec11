# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of health checks, one file for each subject. PRIVATE to the collection.

Each kind has OPTIONS, ``validate``, which raises OperationError before anything is asked, and a function that
returns what it observed, or raises Failed with that.
"""
