"""What `mailserver check` looks at: a module for each kind of thing, and a row of table.py for each check."""
