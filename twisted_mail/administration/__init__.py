"""What the web page does for people (affairs.py), by the same means as the commands: floor 5, several rooms."""
