"""Say in figures how good written texts are, whatever wrote them. Importing this loads no torch."""
