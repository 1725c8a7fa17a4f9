"""The paper's evaluation, run again: every row of its tables and figures beside what it printed."""
