"""What a user wants done with their mail: rules, their file, and Sieve scripts that become such a file."""
