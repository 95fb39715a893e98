"""`python -m costmodel` is the command `costmodel`."""

from costmodel.cli.main import main

raise SystemExit(main())
