# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install pip from the wheel beside this file. ``noxfile.py`` puts both where ansible-test looks for its get-pip."""

from __future__ import annotations

import glob
import os
import runpy
import sys

here = os.path.dirname(os.path.abspath(__file__))
version = os.path.basename(__file__)[len("get_pip_") : -len(".py")].replace("_", ".")
wheel = glob.glob(os.path.join(here, f"pip-{version}-*.whl"))[0]
options = [option for option in sys.argv[1:] if option not in ("--no-setuptools", "--no-wheel")]
sys.path.insert(0, wheel)
sys.argv = ["pip", "install", "--no-index", "--find-links", here, *options]
runpy.run_module("pip", run_name="__main__")
