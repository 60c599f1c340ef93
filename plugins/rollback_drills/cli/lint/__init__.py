"""The parts of ``rollback-drills lint``: what is known of the project, and the forms of its output."""
