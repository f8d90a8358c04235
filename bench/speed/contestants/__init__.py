"""The contestants: functions that set themselves up and return their work. Peers import nothing of softalign."""
