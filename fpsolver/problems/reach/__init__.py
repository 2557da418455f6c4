"""Where a process can go, and what can hold it for ever."""
