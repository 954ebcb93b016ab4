"""The workbench inside a notebook: magics, the session behind them, the explorer.

Everything a magic does has a function: `workbench.sql`, `workbench.session`, `workbench.refresh`.
"""
