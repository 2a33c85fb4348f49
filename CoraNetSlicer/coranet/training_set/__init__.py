"""What is known of the cases of a training before anything is computed: each file is looked at once."""
