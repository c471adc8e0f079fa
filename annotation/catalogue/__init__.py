"""The prompts of one data version in memory: search, counts of every facet, exact totals and any page in milliseconds.

Only `annotation.catalogue.held` may be imported by a page: the rest needs numpy, which a process loads with its first
catalogue.
"""
