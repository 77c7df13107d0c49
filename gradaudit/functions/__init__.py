"""Random functions: drawn from an id, written in the words of each framework, run, judged, and made small."""
