"""The coarse stage: a small network sees the whole scan and finds what the fine network then looks at closely."""
