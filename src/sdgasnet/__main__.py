"""``python -m sdgasnet``."""

from sdgasnet.cli.main import main

if __name__ == "__main__":
    main()
