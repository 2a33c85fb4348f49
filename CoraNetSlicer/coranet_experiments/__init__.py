"""Methods compared under equal conditions: plan, run, measure, report."""
