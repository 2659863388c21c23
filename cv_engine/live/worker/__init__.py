"""Workers: processes that decode samples, observe them and file findings."""
