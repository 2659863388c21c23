"""Pictures of changed sites, evidence files and the HTML report."""
