"""Jobs in the hands of the application: started, watched, stopped."""
