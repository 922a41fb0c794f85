"""Floor 1: what stands inside a message: header fields, trace fields, delivery reports."""
