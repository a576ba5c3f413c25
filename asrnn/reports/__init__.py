"""Tables and figures from workdirs; nothing here trains."""
