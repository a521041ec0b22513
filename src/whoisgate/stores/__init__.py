"""The audit log's storage: append, vault and tiles. SQLite and files; nothing above knows how."""
