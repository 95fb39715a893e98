"""The command line. Standard output is data, standard error is messages.

A command is a module here with `add_parser(subparsers)` and `run(args) -> int`, and one line in `main.COMMANDS`.
"""
