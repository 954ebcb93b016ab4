"""Reports on time: calendars, timers, runs that repeat themselves, and news of how they went."""
