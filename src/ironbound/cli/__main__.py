"""`python -m ironbound.cli` is the command `ironbound`."""

from ironbound.cli import main

if __name__ == "__main__":
    main()
