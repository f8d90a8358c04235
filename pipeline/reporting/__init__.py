"""The report: everything that a run found out, as one page that works offline, mailed, in the dark and on a phone.

`inputs` reads, `verdict` and `notes` say it in sentences, `plots` and `space_plots` draw, `render` puts them into the
template. The same inputs give the same bytes; nothing of time, place or machine is in it but what each stage cost.
"""
