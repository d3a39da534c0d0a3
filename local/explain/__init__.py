"""What a program makes: the tree, who may do what and why, what it costs, and a picture of it."""
