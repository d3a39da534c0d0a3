"""What a change of a program would do to a stack, known from the program alone: no credentials, no cloud, no CLI."""
