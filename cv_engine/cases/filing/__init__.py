"""From a finding to a case: validation, and which findings belong to one case."""
