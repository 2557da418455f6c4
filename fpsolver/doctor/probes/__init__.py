"""Programs of one question each, for `Surroundings.ask`: they print one line of JSON, and may crash or hang."""
