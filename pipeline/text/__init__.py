"""Text itself: its normal forms, the cleaning rules, near-duplicates, languages."""
