"""The command ``softalign``."""
