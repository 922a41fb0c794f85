"""Floor 3: the only Protocol and Factory classes; each drives one pure session over one transport."""
