"""``python -m softalign`` is ``softalign``."""

from softalign.cli import main

if __name__ == "__main__":
    main()
